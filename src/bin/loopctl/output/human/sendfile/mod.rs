//! What became of a file.

pub(crate) mod text;
