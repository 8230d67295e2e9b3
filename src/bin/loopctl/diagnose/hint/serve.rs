//! Hints about a server that cannot listen, or is short of resources.

use std::io::{self, ErrorKind};

use loopctl::{Address, ErrorContext, Failure};

/// Hint for an address that cannot be bound.
pub(crate) fn hint_for_bind(address: &Address, error: &io::Error) -> Option<String> {
    let port = address.as_inet().map(|address| address.port());
    match (error.kind(), port) {
        (ErrorKind::AddrInUse, Some(port)) => {
            Some(format!("`ss -lnp sport = :{port}` shows who has it; port 0 selects a free one"))
        }
        (ErrorKind::PermissionDenied, Some(port @ 1..1024)) => {
            Some(format!("port {port} needs privileges; ports from 1024 on do not"))
        }
        (ErrorKind::AddrNotAvailable, Some(_)) => {
            Some("`ip addr` shows the addresses of this host".to_owned())
        }
        _ => None,
    }
}

/// Hint for an error that the loop reports while serving.
pub(crate) fn hint_for_loop_error(context: &ErrorContext) -> Option<String> {
    let error: &io::Error = context.error.as_ref()?.downcast_ref()?;
    matches!(Failure::from(error).name(), Some("EMFILE" | "ENFILE"))
        .then(|| "this process is out of file descriptors: `ulimit -n` shows its limit".to_owned())
}
