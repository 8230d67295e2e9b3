//! Configuration files of the system.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// Content of a configuration file such as `/etc/resolv.conf`, read without blocking.
///
/// A FIFO is refused, because its reader would wait for a writer. At most 64 MiB are read.
///
/// ```
/// let folder = std::env::temp_dir();
/// assert!(loopctl::read_config_file(&folder).is_err(), "a directory has no content");
/// ```
///
/// # Errors
/// A file that cannot be opened or read, and one that is no regular file or device.
pub fn read_config_file(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    const MAX_SIZE: u64 = 64 << 20;
    let file = open(path.as_ref())?;
    let kind = file.metadata()?.file_type();
    if kind.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory"));
    }
    if kind.is_fifo() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a FIFO"));
    }
    let mut text = Vec::new();
    file.take(MAX_SIZE).read_to_end(&mut text)?;
    Ok(text)
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        let mode = rustix::fs::Mode::RUSR;
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, mode).unwrap();
        let refused = read_config_file(&fifo).unwrap_err();
        assert_eq!(refused.to_string(), "it is a FIFO");
        let refused = read_config_file(folder.path()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::IsADirectory);
        let missing = read_config_file(folder.path().join("none")).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        let file = folder.path().join("file");
        std::fs::write(&file, "text").unwrap();
        assert_eq!(read_config_file(&file).unwrap(), b"text");
        assert_eq!(read_config_file("/dev/null").unwrap(), b"");
    }
}
