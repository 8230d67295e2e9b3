//! The checksum of what is sent, read on a thread while it goes: the kernel does not show what it sends.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use loopctl::LoopHandle;

use crate::util::checksum::{Algorithm, Checksum, Sum};

const BLOCK: usize = 256 * 1024;

/// Ends the reading when nobody waits for the sum any more.
struct Wanted(Arc<AtomicBool>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// Sums of the same bytes, each of another kind.
pub(super) struct Sums(Vec<Checksum>);

impl Sums {
    pub(super) fn new(algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        let mut kinds: Vec<Algorithm> = algorithms.into_iter().collect();
        kinds.dedup();
        Self(kinds.into_iter().map(Checksum::new).collect())
    }

    /// With a part of a file added. One that ends early adds what there is.
    ///
    /// # Errors
    /// The file's.
    pub(super) async fn add(
        mut self,
        event_loop: &LoopHandle,
        file: &Arc<File>,
        offset: u64,
        count: u64,
    ) -> io::Result<Self> {
        if self.0.is_empty() || count == 0 {
            return Ok(self);
        }
        let wanted = Wanted(Arc::new(AtomicBool::new(true)));
        let (file, is_wanted) = (Arc::clone(file), Arc::clone(&wanted.0));
        let work = move || {
            let (mut buffer, mut at) = (vec![0; BLOCK], offset);
            while at < offset + count && is_wanted.load(Ordering::Relaxed) {
                let left = usize::try_from(offset + count - at);
                let most = left.map_or(BLOCK, |left| left.min(BLOCK));
                match file.read_at(&mut buffer[..most], at) {
                    Ok(0) => break,
                    Ok(read) => {
                        self.0.iter_mut().for_each(|sum| sum.add(&buffer[..read]));
                        at += read as u64;
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(self)
        };
        event_loop.run_in_executor(work).await.map_err(io::Error::other)?
    }

    /// The one of this kind, if there is one.
    pub(super) fn of(&self, algorithm: Algorithm) -> Option<Sum> {
        self.0.iter().map(Checksum::sum).find(|sum| sum.algorithm == algorithm)
    }
}
