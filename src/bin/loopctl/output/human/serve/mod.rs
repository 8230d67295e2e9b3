//! What a server has to say.

pub(crate) mod text;
