//! Binding of Unix sockets, and their files.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use socket2::{Domain, SockAddr, Socket, Type};

use super::bound::{BoundSocket, SocketFile};
use super::error::BindError;
use crate::net::{Address, Phase};

/// Length of `sun_path` without the NUL at its end, or at the beginning of an abstract name.
const MAX_PATH_LENGTH: usize = 107;

/// Options of the socket file.
#[derive(Debug, Clone, Copy)]
pub(super) struct SocketFileOptions {
    /// Mode bits of the file; `None` leaves them to the process's `umask`.
    pub(super) permissions: Option<u32>,
    /// Removes the file when the server closes.
    pub(super) cleanup: bool,
}

/// Binds a Unix socket. It does not listen yet, so that no client connects before the permissions are set.
pub(super) fn bind(path: &Path, options: SocketFileOptions) -> Result<BoundSocket, BindError> {
    let address = Address::Unix(path.to_owned());
    let to = socket_address(path).map_err(BindError::at(Phase::Bind, &address))?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)
        .map_err(BindError::at(Phase::Socket, &address))?;
    let has_file = !path.as_os_str().as_bytes().starts_with(b"\0");
    if has_file {
        remove_stale(path, &to);
    }
    socket.bind(&to).map_err(BindError::at(Phase::Bind, &address))?;
    let file = has_file.then(|| SocketFile::at(path)).transpose();
    let mut file = file.map_err(BindError::at(Phase::Bind, &address))?;
    if let (Some(file), Some(mode)) = (&file, options.permissions) {
        fs::set_permissions(&file.path, fs::Permissions::from_mode(mode))
            .map_err(BindError::at(Phase::Options, &address))?;
    }
    if let Some(file) = &mut file {
        file.is_kept = !options.cleanup;
    }
    Ok(BoundSocket { _file: file, socket, address })
}

/// Checks the path: the system reports these errors as "invalid argument", or truncates the name.
fn socket_address(path: &Path) -> io::Result<SockAddr> {
    let bytes = path.as_os_str().as_bytes();
    let name = bytes.strip_prefix(b"\0");
    let text = if name.unwrap_or(bytes).is_empty() {
        "the path of a Unix socket is empty".to_owned()
    } else if name.is_none() && bytes.contains(&0) {
        "the path of a Unix socket contains a NUL".to_owned()
    } else if name.unwrap_or(bytes).len() > MAX_PATH_LENGTH {
        let length = name.unwrap_or(bytes).len();
        format!("AF_UNIX path too long: {length} bytes, the limit is {MAX_PATH_LENGTH}")
    } else {
        return SockAddr::unix(path);
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, text))
}

/// Removes a socket file without a listener. For any other file, `bind` fails.
///
/// asyncio removes any socket file, also that of a running server.
pub(in crate::net) fn remove_stale(path: &Path, address: &SockAddr) {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() && has_no_listener(address) => {
            fs::remove_file(path)
        }
        Ok(_) => return,
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            log::error!("Unable to check or remove stale UNIX socket {path:?}: {error}");
        }
        _ => {}
    }
}

/// Whether no process has the socket of the file open. A datagram socket is used as a probe: a server of connections
/// rejects its type and does not accept a client, and a server of datagrams does not notice it.
fn has_no_listener(address: &SockAddr) -> bool {
    let connected = Socket::new(Domain::UNIX, Type::DGRAM.nonblocking(), None)
        .and_then(|probe| probe.connect(address));
    connected.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}
