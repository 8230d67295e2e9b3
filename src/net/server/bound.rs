//! A bound socket, and the file of a Unix socket.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use socket2::Socket;

use crate::net::Address;

/// A bound socket that does not listen yet. Fields drop in order: the file before the socket.
#[derive(Debug)]
pub(super) struct BoundSocket {
    pub(super) _file: Option<SocketFile>,
    pub(super) socket: Socket,
    pub(super) address: Address,
}

/// The file of a bound Unix socket. Dropping it removes the file, unless it was replaced.
///
/// It is dropped before its socket is closed, because the open socket keeps the inode number from being reused:
/// so the file of another server is never removed.
#[derive(Debug)]
pub(super) struct SocketFile {
    pub(super) path: PathBuf,
    device: u64,
    inode: u64,
    pub(super) is_kept: bool,
}

impl SocketFile {
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        let metadata = fs::symlink_metadata(path)?;
        let (device, inode) = (metadata.dev(), metadata.ino());
        Ok(Self { path: path.to_owned(), device, inode, is_kept: false })
    }

    fn is_unchanged(&self) -> bool {
        fs::symlink_metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == (self.device, self.inode))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if !self.is_kept
            && self.is_unchanged()
            && let Err(error) = fs::remove_file(&self.path)
        {
            log::error!("Unable to clean up listening UNIX socket {:?}: {error}", self.path);
        }
    }
}
