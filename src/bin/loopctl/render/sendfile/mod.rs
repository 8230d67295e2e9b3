//! What became of a file.

pub(crate) mod bar;
pub(crate) mod json;
pub(crate) mod text;
