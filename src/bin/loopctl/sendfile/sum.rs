//! The checksum of what is sent, read on a thread while it goes: the kernel does not show what it sends.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use loopctl::LoopRef;

use crate::checksum::{Algorithm, Checksum, Sum};

const BLOCK: usize = 256 * 1024;

/// Ends the reading when nobody waits for the sum any more.
struct Wanted(Arc<AtomicBool>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// The sum of a part of a file.
///
/// # Errors
/// The file's. One that ends early gives the sum of what there is.
pub(super) async fn of_file(
    lp: &LoopRef,
    file: &Arc<File>,
    algorithm: Algorithm,
    offset: u64,
    count: u64,
) -> io::Result<Sum> {
    let wanted = Wanted(Arc::new(AtomicBool::new(true)));
    let (file, is_wanted) = (Arc::clone(file), Arc::clone(&wanted.0));
    let work = move || {
        let (mut checksum, mut buffer) = (Checksum::new(algorithm), vec![0; BLOCK]);
        let mut at = offset;
        while at < offset + count && is_wanted.load(Ordering::Relaxed) {
            let most = usize::try_from(offset + count - at).map_or(BLOCK, |left| left.min(BLOCK));
            match file.read_at(&mut buffer[..most], at) {
                Ok(0) => break,
                Ok(read) => {
                    checksum.add(&buffer[..read]);
                    at += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(checksum.sum())
    };
    lp.run_in_executor(work).await.map_err(io::Error::other)?
}
