//! What no safe crate offers. The only room with `unsafe`; each site says why it is sound.
#![allow(unsafe_code)]

pub(crate) mod addrinfo;
pub(crate) mod sockopt;
pub(crate) mod tcp_info;
