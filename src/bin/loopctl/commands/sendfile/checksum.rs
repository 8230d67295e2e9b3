//! Checksums of the file, computed on a thread during the transfer: sendfile(2) does not show the bytes it sends.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use loopctl::LoopHandle;

use crate::util::checksum::{Algorithm, Checksum, Sum};

const BLOCK: usize = 256 * 1024;

/// Stops the thread when the future that waits for it is dropped.
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Checksums of the same bytes by several algorithms.
pub(super) struct Checksums(Vec<Checksum>);

impl Checksums {
    pub(super) fn new(algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        let mut algorithms: Vec<Algorithm> = algorithms.into_iter().collect();
        algorithms.dedup();
        Self(algorithms.into_iter().map(Checksum::new).collect())
    }

    /// Adds a part of a file, up to its end if it is shorter.
    ///
    /// # Errors
    /// Those of pread(2).
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
        let cancel = CancelOnDrop(Arc::default());
        let (file, is_cancelled) = (Arc::clone(file), Arc::clone(&cancel.0));
        let work = move || {
            let (mut buffer, mut at) = (vec![0; BLOCK], offset);
            while at < offset + count && !is_cancelled.load(Ordering::Relaxed) {
                let left = usize::try_from(offset + count - at);
                let max = left.map_or(BLOCK, |left| left.min(BLOCK));
                match file.read_at(&mut buffer[..max], at) {
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

    /// The checksum by this algorithm, if it was computed.
    pub(super) fn get(&self, algorithm: Algorithm) -> Option<Sum> {
        self.0.iter().map(Checksum::sum).find(|sum| sum.algorithm == algorithm)
    }
}
