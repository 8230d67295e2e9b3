//! Progress on a terminal.

pub(crate) mod bar;
pub(crate) mod compare;
pub(crate) mod live;
pub(crate) mod path;
pub(crate) mod picture;
pub(crate) mod status;
