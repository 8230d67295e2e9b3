//! A file with one writer: opened without following a link, and locked against other programs of this kind.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// Limit of attempts, because another writer may rename the file between open(2) and flock(2).
const MAX_TRIES: usize = 16;

/// Opens the file and locks it. With `resumes`, its content is kept.
///
/// # Errors
/// `AlreadyExists` where it exists and may not be replaced; a symbolic link; a file that another program writes to.
pub(crate) fn open(path: &Path, may_replace: bool, resumes: bool) -> io::Result<File> {
    for _ in 0..MAX_TRIES {
        let file = open_once(path, may_replace, resumes)?;
        let locked = flock(&file, FlockOperation::NonBlockingLockExclusive);
        locked.map_err(|error| match error {
            Errno::WOULDBLOCK => {
                let text = format!("another program writes to `{}`", path.display());
                io::Error::new(ErrorKind::ResourceBusy, text)
            }
            error => error.into(),
        })?;
        if is_at(&file, path) {
            if !resumes {
                file.set_len(0)?;
            }
            return Ok(file);
        }
    }
    Err(io::Error::new(ErrorKind::ResourceBusy, "other programs replace the file"))
}

/// Checks that the path names the file that was written, with as many bytes as were received.
///
/// # Errors
/// A file that another program has changed.
pub(crate) fn check(file: &File, path: &Path, bytes: u64) -> io::Result<()> {
    let found = file.metadata()?.len();
    if !is_at(file, path) {
        return Err(io::Error::other(format!("`{}` was replaced meanwhile", path.display())));
    }
    match found == bytes {
        true => Ok(()),
        false => {
            let path = path.display();
            let text = format!("`{path}` has {found} bytes, and {bytes} were received");
            Err(io::Error::other(text))
        }
    }
}

pub(crate) fn exists(path: &Path) -> io::Error {
    io::Error::new(ErrorKind::AlreadyExists, format!("`{}` exists", path.display()))
}

fn open_once(path: &Path, may_replace: bool, resumes: bool) -> io::Result<File> {
    let mut options = File::options();
    match resumes {
        true => options.create(true).append(true).read(true),
        // Truncated under the lock only.
        false => options.write(true).create_new(!may_replace).create(true).truncate(false),
    };
    // A FIFO in its place is opened without waiting for a reader, and refused below.
    options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let file = options.open(path).map_err(|error| match error.raw_os_error() {
        Some(libc::ELOOP) => {
            let text = format!("`{}` is a symbolic link", path.display());
            io::Error::other(text)
        }
        Some(libc::EEXIST) => exists(path),
        _ => error,
    })?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other(format!("`{}` is not a regular file", path.display()))),
    }
}

/// Whether the path still names the open file.
pub(crate) fn is_at(file: &File, path: &Path) -> bool {
    let identity = |found: Metadata| (found.dev(), found.ino());
    let ours = file.metadata().map(identity).ok();
    ours.is_some() && ours == fs::symlink_metadata(path).map(identity).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_has_one_writer_by_whatever_way_it_was_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.part");
        for (may_replace, resumes) in [(false, false), (true, false), (false, true)] {
            let held = open(&path, may_replace, resumes).unwrap();
            for (may_replace, resumes) in [(true, false), (false, true)] {
                let error = open(&path, may_replace, resumes).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::ResourceBusy, "{error}");
            }
            drop(held);
            fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn a_link_is_not_followed_and_nothing_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let (path, victim) = (folder.path().join("a.part"), folder.path().join("victim"));
        fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, &path).unwrap();
        for (may_replace, resumes) in [(false, false), (true, false), (false, true)] {
            open(&path, may_replace, resumes).unwrap_err();
        }
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
    }

    #[test]
    fn a_part_that_others_have_changed_is_no_transfer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.part");
        let file = open(&path, false, false).unwrap();
        check(&file, &path, 0).unwrap();
        fs::write(&path, "more").unwrap();
        check(&file, &path, 0).unwrap_err();
        fs::remove_file(&path).unwrap();
        check(&file, &path, 4).unwrap_err();
    }
}
