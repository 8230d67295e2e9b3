//! The sweep of `connect --path`.

use crate::cli::connect::ProbeArgs;
use crate::cli::path::PathArgs;

/// The sweep over the hops of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PathRequest {
    /// Packets to each hop, without those that the kernel sends again.
    pub(crate) probes: u32,
    /// Largest hop limit.
    pub(crate) max_hops: u8,
    /// Every address, and not the first of each family only.
    pub(crate) all: bool,
}

impl PathRequest {
    /// `None` without `--path`.
    pub(super) fn new(args: &PathArgs, probe: &ProbeArgs) -> Option<Self> {
        const PROBES: u8 = 3;
        const MAX_HOPS: u8 = 30;
        args.path.then(|| Self {
            probes: args.probes.unwrap_or(PROBES).into(),
            max_hops: args.max_hops.unwrap_or(MAX_HOPS),
            all: probe.all,
        })
    }
}
