//! What a server has to say.

pub(crate) mod json;
pub(crate) mod text;
