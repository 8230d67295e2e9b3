//! Text about a server and its clients.

pub(crate) mod text;
