//! The options of each socket that connects.

use std::net::SocketAddr;

use loopctl::SocketOptions;

use crate::cli::SocketArgs;

/// Source addresses, and the options to set.
#[derive(Debug, Clone, Default)]
pub(crate) struct SocketRequest {
    pub(crate) sources: Vec<SocketAddr>,
    pub(crate) options: Option<SocketOptions>,
}

impl From<&SocketArgs> for SocketRequest {
    fn from(args: &SocketArgs) -> Self {
        let options = SocketOptions {
            interface: args.interface.clone(),
            ttl: args.packets.ttl,
            dscp: args.packets.dscp,
            mark: args.packets.mark,
            fast_open: args.tfo,
            multipath: args.mptcp,
            nodelay: args.nodelay,
            keepalive: args.keepalive,
        };
        let options = Some(options).filter(|options| *options != SocketOptions::default());
        Self { sources: args.source.clone(), options }
    }
}
