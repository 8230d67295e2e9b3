//! Text about a sent file.

pub(crate) mod text;
