//! The subcommands.

pub(crate) mod connect;
pub(crate) mod control;
pub(crate) mod demo;
pub(crate) mod dns_client;
pub(crate) mod report;
pub(crate) mod resolve;
pub(crate) mod run;
pub(crate) mod sendfile;
pub(crate) mod serve;
pub(crate) mod slow_watch;
