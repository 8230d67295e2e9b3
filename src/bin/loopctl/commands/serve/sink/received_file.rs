//! One file on its way in, or what is received in its place.

use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use loopctl::LoopHandle;

use crate::config::Outlet;
use crate::report::served::Stored;
use crate::util::checksum::{Algorithm, Checksum, Sum};
use crate::util::output_queue::Spool;
use crate::util::stdio::Sink;

/// How long the disk may take for the rest of a file.
const LONGEST: Duration = Duration::from_secs(60);

/// A file that is not whole yet, standard output, or nothing but a count.
pub(in crate::commands::serve) struct Parcel {
    /// Where the bytes go, if anywhere.
    pub(in crate::commands::serve) spool: Option<Spool>,
    place: Option<Place>,
    checksum: RefCell<Option<Checksum>>,
    bytes: Cell<u64>,
    course: Cell<Course>,
}

/// Where a file is, and will be.
struct Place {
    path: PathBuf,
    part: PathBuf,
    may_replace: bool,
}

/// What has become of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Course {
    /// Somebody has sent something, if only an end.
    has_begun: bool,
    is_broken: bool,
    is_over: bool,
    /// Not all that came could be written.
    has_failed: bool,
}

/// Why nothing more is taken.
pub(super) enum Fault {
    TooLarge,
    /// It was told when it happened.
    Failed,
}

impl Parcel {
    /// What is only counted.
    pub(super) fn nowhere(algorithm: Option<Algorithm>) -> Self {
        Self {
            spool: None,
            place: None,
            checksum: RefCell::new(algorithm.map(Checksum::new)),
            bytes: Cell::default(),
            course: Cell::default(),
        }
    }

    /// What goes on as it comes.
    pub(super) fn through(
        event_loop: &LoopHandle,
        sink: Sink,
        algorithm: Option<Algorithm>,
    ) -> Self {
        Self { spool: Some(Spool::new(event_loop, sink)), ..Self::nowhere(algorithm) }
    }

    /// A file. `resumes`: what there is of it is kept.
    ///
    /// # Errors
    /// `AlreadyExists` where nothing may be replaced, the file or what is left of an earlier one.
    pub(super) async fn file(
        event_loop: &LoopHandle,
        outlet: &Outlet,
        path: PathBuf,
        algorithm: Option<Algorithm>,
        resumes: bool,
    ) -> io::Result<Self> {
        let may_replace = outlet.may_replace;
        let place = Place { part: with_part(&path), path, may_replace };
        if !may_replace && place.path.try_exists()? {
            return Err(exists(&place.path));
        }
        let mut options = File::options();
        match resumes {
            true => options.create(true).append(true).read(true),
            false => {
                options.write(true).create_new(!may_replace).create(true).truncate(may_replace)
            }
        };
        let file = options.open(&place.part).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => exists(&place.part),
            _ => error,
        })?;
        // Who resumes compares what there is.
        let algorithm = algorithm.or_else(|| resumes.then_some(Algorithm::Sha256));
        let mut checksum = algorithm.map(Checksum::new);
        let mut known = 0;
        if resumes {
            let mut earlier = file.try_clone()?;
            let work = move || {
                let size = add(&mut earlier, checksum.as_mut())?;
                Ok::<_, io::Error>((size, checksum))
            };
            (known, checksum) =
                event_loop.run_in_executor(work).await.map_err(io::Error::other)??;
        }
        let sink = Sink::new(event_loop, file).await?;
        let parcel = Self::through(event_loop, sink, None);
        parcel.bytes.set(known);
        parcel.checksum.replace(checksum);
        Ok(Self { place: Some(place), ..parcel })
    }

    /// How many bytes there are, those of an earlier transfer among them.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// Their checksum, where one is made.
    pub(super) fn sum(&self) -> Option<Sum> {
        self.checksum.borrow().as_ref().map(Checksum::sum)
    }

    pub(super) fn begin(&self) {
        self.update(|course| course.has_begun = true);
    }

    /// A transfer that did not come to its end.
    pub(super) fn break_off(&self) {
        self.update(|course| course.is_broken = true);
    }

    /// Takes what has come, at the pace of whoever takes it on.
    pub(super) async fn take(&self, data: &[u8], most: Option<u64>) -> Result<(), Fault> {
        let room = most.map_or(u64::MAX, |most| most.saturating_sub(self.bytes.get()));
        let fits = usize::try_from(room).map_or(data.len(), |room| room.min(data.len()));
        self.push(&data[..fits]);
        if let Some(spool) = &self.spool {
            spool.room().await;
            self.check()?;
        }
        if fits < data.len() { Err(Fault::TooLarge) } else { Ok(()) }
    }

    /// Waits until all that came is on its way, so that whoever brought it hears if it is not.
    pub(super) async fn settle(&self) -> Result<(), Fault> {
        if let Some(spool) = &self.spool {
            spool.emptied().await;
        }
        self.check()
    }

    fn check(&self) -> Result<(), Fault> {
        if self.spool.as_ref().is_some_and(Spool::has_failed) {
            self.update(|course| course.has_failed = true);
            return Err(Fault::Failed);
        }
        Ok(())
    }

    /// The same for who cannot wait.
    pub(in crate::commands::serve) fn push(&self, data: &[u8]) {
        self.begin();
        self.bytes.set(self.bytes.get() + data.len() as u64);
        if let Some(checksum) = &mut *self.checksum.borrow_mut() {
            checksum.add(data);
        }
        if let Some(spool) = &self.spool {
            spool.push(data);
        }
    }

    /// All has come: waits until it is written, and gives it its name. `None` when that has been done.
    ///
    /// # Errors
    /// What kept it from being written, or from its name.
    pub(super) async fn complete(&self) -> io::Result<Option<Stored>> {
        self.finish().await?;
        let course = self.course.get();
        if course.is_over || !course.has_begun || course.is_broken {
            return Ok(self.abandon());
        }
        self.update(|course| course.is_over = true);
        if let Some(place) = &self.place {
            place.take_name()?;
        }
        Ok(Some(self.stored(true)))
    }

    /// Leaves what there is as a part, and nothing where there is nothing.
    pub(super) fn abandon(&self) -> Option<Stored> {
        if self.course.get().is_over {
            return None;
        }
        self.update(|course| course.is_over = true);
        self.count_what_is_written();
        if let (Some(place), 0) = (&self.place, self.bytes.get()) {
            // It is empty, and this run has made it or may replace it.
            let _ = fs::remove_file(&place.part);
        }
        self.course.get().has_begun.then(|| self.stored(false))
    }

    /// Waits until all that came is written.
    pub(super) async fn finish(&self) -> io::Result<()> {
        self.finish_within(LONGEST).await
    }

    pub(super) async fn finish_within(&self, longest: Duration) -> io::Result<()> {
        let Some(spool) = &self.spool else { return Ok(()) };
        spool.finish(longest).await.inspect_err(|_| self.update(|course| course.has_failed = true))
    }

    /// What came and could not be written is not there.
    fn count_what_is_written(&self) {
        let has_failed = self.course.get().has_failed;
        if let Some(place) = self.place.as_ref().filter(|_| has_failed)
            && let Ok(found) = fs::metadata(&place.part)
        {
            self.bytes.set(found.len());
        }
    }

    fn stored(&self, is_whole: bool) -> Stored {
        let place = self.place.as_ref();
        let path = place.map(|place| if is_whole { &place.path } else { &place.part }).cloned();
        let checksum = self.checksum.borrow();
        let sum = checksum.as_ref().filter(|_| is_whole).map(Checksum::sum);
        Stored { path, bytes: self.bytes.get(), is_whole, sum }
    }

    fn update(&self, change: impl FnOnce(&mut Course)) {
        let mut course = self.course.get();
        change(&mut course);
        self.course.set(course);
    }
}

impl Place {
    /// In one step, and without replacing what has come there meanwhile unless that is wanted.
    fn take_name(&self) -> io::Result<()> {
        if self.may_replace {
            return fs::rename(&self.part, &self.path);
        }
        match fs::hard_link(&self.part, &self.path) {
            Ok(()) => fs::remove_file(&self.part),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(exists(&self.path)),
            // Not every file system has hard links.
            Err(_) if !self.path.try_exists()? => fs::rename(&self.part, &self.path),
            Err(_) => Err(exists(&self.path)),
        }
    }
}

/// Reads all there is, and leaves the position behind it.
fn add(file: &mut File, mut checksum: Option<&mut Checksum>) -> io::Result<u64> {
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

fn exists(path: &Path) -> io::Error {
    io::Error::new(ErrorKind::AlreadyExists, format!("`{}` exists", path.display()))
}
