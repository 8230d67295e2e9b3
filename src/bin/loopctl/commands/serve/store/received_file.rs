//! A file being received: `FILE.part` until it is complete. Also the outputs without a file.

use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use loopctl::LoopHandle;

use crate::report::served::TransferRecord;
use crate::util::checksum::{Algorithm, Checksum, Sum};
use crate::util::locked_file::{self, exists};
use crate::util::output_queue::OutputQueue;
use crate::util::stdio::Sink;

/// Time for the disk to write the rest of a file.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// A partial file, a stream such as standard output, or just a count.
pub(in crate::commands::serve) struct ReceivedFile {
    /// Bytes on their way to the disk or reader. `None` where they are only counted.
    pub(in crate::commands::serve) queue: Option<OutputQueue>,
    paths: Option<Paths>,
    /// The open part, locked: no other sink writes to it.
    part: Option<File>,
    checksum: RefCell<Option<Checksum>>,
    /// Size so far, with the bytes of an earlier transfer that is resumed.
    bytes: Cell<u64>,
    state: Cell<State>,
}

struct Paths {
    /// Final name.
    path: PathBuf,
    /// Name until the file is complete.
    part: PathBuf,
    may_replace: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct State {
    /// A client has connected, even if it sent nothing.
    has_begun: bool,
    /// A transfer ended too early.
    is_broken: bool,
    /// A record of the file has been made.
    is_finished: bool,
    /// Some received bytes could not be written.
    has_failed: bool,
}

/// Failure to store received bytes.
pub(in crate::commands::serve) enum SinkError {
    /// Beyond `--max-size`.
    TooLarge,
    /// The queue keeps the error until [`ReceivedFile::finish`].
    WriteFailed,
}

impl ReceivedFile {
    /// Counts the bytes and drops them.
    pub(super) fn count(algorithm: Option<Algorithm>) -> Self {
        Self {
            queue: None,
            paths: None,
            part: None,
            checksum: RefCell::new(algorithm.map(Checksum::new)),
            bytes: Cell::default(),
            state: Cell::default(),
        }
    }

    /// Writes the bytes as they come, with no name to give them.
    pub(super) fn stream(
        event_loop: &LoopHandle,
        sink: Sink,
        algorithm: Option<Algorithm>,
    ) -> Self {
        Self { queue: Some(OutputQueue::new(event_loop, sink)), ..Self::count(algorithm) }
    }

    /// Opens `FILE.part`. With `resumes`, its present content is kept and included in size and checksum.
    ///
    /// # Errors
    /// `AlreadyExists` where the file or its part exists and may not be replaced.
    pub(super) async fn create(
        event_loop: &LoopHandle,
        path: PathBuf,
        may_replace: bool,
        algorithm: Option<Algorithm>,
        resumes: bool,
    ) -> io::Result<Self> {
        let paths = Paths { part: with_part(&path), path, may_replace };
        // A symbolic link is a file too, wherever it leads.
        if !may_replace && fs::symlink_metadata(&paths.path).is_ok() {
            return Err(exists(&paths.path));
        }
        let file = locked_file::open(&paths.part, may_replace, resumes)?;
        // A client that resumes compares the checksum of what is here.
        let algorithm = algorithm.or_else(|| resumes.then_some(Algorithm::Sha256));
        let mut checksum = algorithm.map(Checksum::new);
        let mut size = 0;
        if resumes {
            let mut earlier = file.try_clone()?;
            let work = move || {
                let size = read_all(&mut earlier, checksum.as_mut())?;
                Ok::<_, io::Error>((size, checksum))
            };
            (size, checksum) =
                event_loop.run_in_executor(work).await.map_err(io::Error::other)??;
        }
        let sink = Sink::new(event_loop, file.try_clone()?).await?;
        let stream = Self::stream(event_loop, sink, None);
        stream.bytes.set(size);
        stream.checksum.replace(checksum);
        Ok(Self { paths: Some(paths), part: Some(file), ..stream })
    }

    /// Size so far, with the bytes of an earlier transfer that is resumed.
    pub(in crate::commands::serve) fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// Checksum so far.
    pub(in crate::commands::serve) fn sum(&self) -> Option<Sum> {
        self.checksum.borrow().as_ref().map(Checksum::sum)
    }

    pub(super) fn begin(&self) {
        self.update(|state| state.has_begun = true);
    }

    /// Records a transfer that ended too early.
    pub(in crate::commands::serve) fn record_broken(&self) {
        self.update(|state| state.is_broken = true);
    }

    /// Stores received bytes, and waits while the disk or reader is behind.
    ///
    /// # Errors
    /// `TooLarge`, after storing as much as `max_size` allows; `WriteFailed`.
    pub(in crate::commands::serve) async fn store(
        &self,
        data: &[u8],
        max_size: Option<u64>,
    ) -> Result<(), SinkError> {
        let left = max_size.map_or(u64::MAX, |max| max.saturating_sub(self.bytes.get()));
        let fits = usize::try_from(left).map_or(data.len(), |left| left.min(data.len()));
        self.push(&data[..fits]);
        if let Some(queue) = &self.queue {
            queue.ready().await;
            self.check()?;
        }
        if fits < data.len() { Err(SinkError::TooLarge) } else { Ok(()) }
    }

    /// Waits until the queue is empty, so that the client learns of a failed write.
    pub(in crate::commands::serve) async fn flush(&self) -> Result<(), SinkError> {
        if let Some(queue) = &self.queue {
            queue.wait_empty().await;
        }
        self.check()
    }

    fn check(&self) -> Result<(), SinkError> {
        if self.queue.as_ref().is_some_and(OutputQueue::has_failed) {
            self.update(|state| state.has_failed = true);
            return Err(SinkError::WriteFailed);
        }
        Ok(())
    }

    /// Stores received bytes without waiting.
    pub(in crate::commands::serve) fn push(&self, data: &[u8]) {
        self.begin();
        self.bytes.set(self.bytes.get() + data.len() as u64);
        if let Some(checksum) = &mut *self.checksum.borrow_mut() {
            checksum.add(data);
        }
        if let Some(queue) = &self.queue {
            queue.push(data);
        }
    }

    /// Waits until everything is written, and renames the file to its final name. `None` where its record has been
    /// made before.
    ///
    /// # Errors
    /// Those of the writes and of the rename.
    pub(in crate::commands::serve) async fn complete(&self) -> io::Result<Option<TransferRecord>> {
        self.finish().await?;
        let state = self.state.get();
        if state.is_finished || !state.has_begun || state.is_broken {
            return Ok(self.abandon());
        }
        self.update(|state| state.is_finished = true);
        if let (Some(paths), Some(file)) = (&self.paths, &self.part) {
            locked_file::check(file, &paths.part, self.bytes.get())?;
            paths.rename()?;
        }
        Ok(Some(self.record(true)))
    }

    /// Leaves the partial file, or removes it if it is empty.
    pub(in crate::commands::serve) fn abandon(&self) -> Option<TransferRecord> {
        if self.state.get().is_finished {
            return None;
        }
        self.update(|state| state.is_finished = true);
        self.count_written();
        if let (Some(paths), Some(file), 0) = (&self.paths, &self.part, self.bytes.get())
            && locked_file::is_at(file, &paths.part)
        {
            // This run has created it or may replace it.
            let _ = fs::remove_file(&paths.part);
        }
        self.state.get().has_begun.then(|| self.record(false))
    }

    /// Waits until everything is written.
    pub(in crate::commands::serve) async fn finish(&self) -> io::Result<()> {
        self.finish_within(WRITE_TIMEOUT).await
    }

    pub(super) async fn finish_within(&self, timeout: Duration) -> io::Result<()> {
        let Some(queue) = &self.queue else { return Ok(()) };
        queue.finish(timeout).await.inspect_err(|_| self.update(|state| state.has_failed = true))
    }

    /// After a failed write, takes the size from the file.
    fn count_written(&self) {
        let has_failed = self.state.get().has_failed;
        if let Some(paths) = self.paths.as_ref().filter(|_| has_failed)
            && let Ok(found) = fs::metadata(&paths.part)
        {
            self.bytes.set(found.len());
        }
    }

    fn record(&self, is_whole: bool) -> TransferRecord {
        let paths = self.paths.as_ref();
        let path = paths.map(|paths| if is_whole { &paths.path } else { &paths.part }).cloned();
        let checksum = self.checksum.borrow();
        let sum = checksum.as_ref().filter(|_| is_whole).map(Checksum::sum);
        TransferRecord { path, bytes: self.bytes.get(), is_whole, sum }
    }

    fn update(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.get();
        change(&mut state);
        self.state.set(state);
    }
}

impl Paths {
    /// Renames the part atomically. Without `--force`, never over a file that appeared in the meantime: rename(2)
    /// would replace it, link(2) fails.
    fn rename(&self) -> io::Result<()> {
        if self.may_replace {
            return fs::rename(&self.part, &self.path);
        }
        match fs::hard_link(&self.part, &self.path) {
            Ok(()) => fs::remove_file(&self.part),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(exists(&self.path)),
            // The file system has no hard links.
            Err(_) if !self.path.try_exists()? => fs::rename(&self.part, &self.path),
            Err(_) => Err(exists(&self.path)),
        }
    }
}

/// Adds the content to the checksum, leaves the position at its end, and returns its size.
fn read_all(file: &mut File, mut checksum: Option<&mut Checksum>) -> io::Result<u64> {
    let Some(checksum) = &mut checksum else { return Ok(file.metadata()?.len()) };
    let (mut buffer, mut size) = (vec![0; 256 * 1024], 0);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(size),
            count => {
                checksum.add(&buffer[..count]);
                size += count as u64;
            }
        }
    }
}

fn with_part(path: &Path) -> PathBuf {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    part.into()
}
