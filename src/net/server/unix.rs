//! The server side of Unix sockets: the file comes before the socket, and goes before it.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

use super::bind::Bound;
use super::error::BindError;
use crate::net::{Address, Phase};

/// What `sun_path` holds, less the NUL at its end or at its beginning.
const LONGEST_PATH: usize = 107;

/// What becomes of the socket file.
#[derive(Debug, Clone, Copy)]
pub(super) struct FileRules {
    /// The mode bits it gets; the process's `umask` decides where this is `None`.
    pub(super) permissions: Option<u32>,
    /// Whether it is removed when the server closes.
    pub(super) cleanup: bool,
}

/// A socket file that we made. Dropping it removes the file, if it is still ours.
///
/// It must be dropped before its socket is closed: the open socket keeps the inode's number from being given
/// to another file, so that nobody else's is taken for ours.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
    is_kept: bool,
}

impl SocketFile {
    fn at(path: &Path) -> io::Result<Self> {
        let made = fs::symlink_metadata(path)?;
        let (device, inode) = (made.dev(), made.ino());
        Ok(Self { path: path.to_owned(), device, inode, is_kept: false })
    }

    fn is_ours(&self) -> bool {
        fs::symlink_metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == (self.device, self.inode))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if !self.is_kept
            && self.is_ours()
            && let Err(error) = fs::remove_file(&self.path)
        {
            log::error!("Unable to clean up listening UNIX socket {:?}: {error}", self.path);
        }
    }
}

/// A bound socket, which does not listen yet: nobody connects before the permissions are what they should be.
pub(super) fn bind(path: &Path, rules: FileRules) -> Result<Bound, BindError> {
    let address = Address::Unix(path.to_owned());
    let to = checked(path).map_err(BindError::at(Phase::Bind, &address))?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)
        .map_err(BindError::at(Phase::Socket, &address))?;
    let has_file = !path.as_os_str().as_bytes().starts_with(b"\0");
    if has_file {
        remove_stale(path, &to);
    }
    socket.bind(&to).map_err(BindError::at(Phase::Bind, &address))?;
    let file = has_file.then(|| SocketFile::at(path)).transpose();
    let mut file = file.map_err(BindError::at(Phase::Bind, &address))?;
    if let (Some(file), Some(mode)) = (&file, rules.permissions) {
        fs::set_permissions(&file.path, fs::Permissions::from_mode(mode))
            .map_err(BindError::at(Phase::Options, &address))?;
    }
    if let Some(file) = &mut file {
        file.is_kept = !rules.cleanup;
    }
    Ok(Bound { _file: file, socket, address })
}

/// The system's own words for these are "invalid argument", or a name cut short.
fn checked(path: &Path) -> io::Result<SockAddr> {
    let bytes = path.as_os_str().as_bytes();
    let name = bytes.strip_prefix(b"\0");
    let text = if name.unwrap_or(bytes).is_empty() {
        "the path of a Unix socket is empty".to_owned()
    } else if name.is_none() && bytes.contains(&0) {
        "the path of a Unix socket has a NUL in it".to_owned()
    } else if name.unwrap_or(bytes).len() > LONGEST_PATH {
        let length = name.unwrap_or(bytes).len();
        format!("AF_UNIX path too long: {length} bytes, and there is room for {LONGEST_PATH}")
    } else {
        return SockAddr::unix(path);
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, text))
}

/// Removes a socket file that nobody has open. Everything else is left for `bind` to fail on.
///
/// asyncio removes any socket file, also that of a server that runs; here a server that answers keeps it.
fn remove_stale(path: &Path, address: &SockAddr) {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() && is_deserted(address) => fs::remove_file(path),
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

/// The kernel refuses where no process has the socket of the file. A probe of another kind is told of the
/// wrong kind otherwise, and does not bother the server with a client.
fn is_deserted(address: &SockAddr) -> bool {
    let connected = Socket::new(Domain::UNIX, Type::DGRAM.nonblocking(), None)
        .and_then(|probe| probe.connect(address));
    connected.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}
