//! System calls that no safe crate offers. The only layer with `unsafe`; each site states why it is sound.
#![allow(unsafe_code)]

pub(crate) mod addrinfo;
pub(crate) mod error_queue;
pub(crate) mod interfaces;
#[cfg(feature = "routes")]
pub(crate) mod netlink;
pub(crate) mod process;
pub(crate) mod signals;
pub(crate) mod sockopt;
pub(crate) mod tcp_info;
