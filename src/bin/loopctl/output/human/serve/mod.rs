//! Text about a server and its clients.

pub(crate) mod in_force;
pub(crate) mod text;
