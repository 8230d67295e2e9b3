//! Text for people: reports, event lines, tables and notes.

pub(crate) mod compare;
pub(crate) mod events;
pub(crate) mod http;
pub(crate) mod others;
pub(crate) mod path;
pub(crate) mod resolve;
pub(crate) mod sendfile;
pub(crate) mod series;
pub(crate) mod serve;
pub(crate) mod slow;
pub(crate) mod table;
pub(crate) mod text;
pub(crate) mod timeline;
pub(crate) mod tls;
pub(crate) mod why;
