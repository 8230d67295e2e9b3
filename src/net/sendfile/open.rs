//! Opening files for sendfile.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

/// Opens a file for sending without blocking: a FIFO is opened before it has a writer, and
/// [`sendfile`](super::Transport::sendfile) waits for one.
///
/// ```
/// use std::process::Command;
///
/// let directory = tempfile::tempdir()?;
/// let path = directory.path().join("fifo");
/// assert!(Command::new("mkfifo").arg(&path).status()?.success());
/// // `File::open` would wait for a writer.
/// let fifo = loopctl::open_to_send(&path)?;
/// # drop(fifo);
/// # Ok::<(), loopctl::BoxError>(())
/// ```
///
/// # Errors
/// The system's, such as `NotFound`.
pub fn open_to_send(path: impl AsRef<Path>) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    Ok(File::from(rustix::fs::open(path.as_ref(), flags, Mode::empty())?))
}
