//! JSON documents, NDJSON records and the values they share.

pub(crate) mod compare;
pub(crate) mod connect;
pub(crate) mod error;
pub(crate) mod events;
pub(crate) mod http;
pub(crate) mod other_clients;
pub(crate) mod path;
pub(crate) mod repeat;
pub(crate) mod resolve;
pub(crate) mod sendfile;
pub(crate) mod serve;
pub(crate) mod surroundings;
pub(crate) mod tls;
