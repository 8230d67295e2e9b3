//! Output streams and files whose first failure is kept.

use std::fs::{File, Metadata, Permissions};
use std::io::{self, BufWriter, ErrorKind, Write, stderr, stdout};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use signal_hook::consts::SIGPIPE;
use tempfile::{NamedTempFile, TempPath};

use crate::config::ReportDestination;
use crate::exit::{Exit, ExitResult, FatalError};
use crate::util::message::{Message, plain};
use crate::util::secrets::without_passwords;
use crate::util::style::Style;

/// A stream of text. After a failure, the rest is discarded; the failure is returned by [`finish`](Self::finish).
pub(crate) struct Writer {
    stream: BufWriter<Box<dyn Write>>,
    /// The name in an error message.
    name: String,
    rename: Option<Rename>,
    failure: Option<io::Error>,
}

/// The two paths of a file that gets its name when it is complete.
struct Rename {
    /// Removed when this is dropped.
    from: TempPath,
    to: PathBuf,
}

impl Writer {
    /// A stream with a buffer for a whole report, so that it is written at once.
    pub(crate) fn new(stream: Box<dyn Write>, name: String) -> Self {
        let stream = BufWriter::with_capacity(1 << 16, stream);
        Self { stream, name, rename: None, failure: None }
    }

    pub(crate) fn stdout() -> Self {
        Self::new(Box::new(stdout()), "output".to_owned())
    }

    /// Stream or file of a report.
    ///
    /// # Errors
    /// A file that cannot be created.
    pub(crate) fn of_report(destination: &ReportDestination) -> Result<Self, FatalError> {
        match destination {
            ReportDestination::File(path) => Self::create(path),
            ReportDestination::Stdout => Ok(Self::stdout()),
            ReportDestination::Stderr => Ok(Self::stderr("the report")),
        }
    }

    pub(crate) fn stderr(name: &str) -> Self {
        Self::new(Box::new(stderr()), name.to_owned())
    }

    /// A file that is visible while it is written; `-` is standard output.
    ///
    /// # Errors
    /// A file that cannot be created.
    pub(crate) fn open(path: &Path) -> Result<Self, FatalError> {
        if path == Path::new("-") { Ok(Self::stdout()) } else { Self::file(path, path) }
    }

    /// A file that gets its name when it is complete, because others may read it at any moment. Until then it has a random
    /// name. Devices and pipes are opened in place, as are files in a folder that is not writable.
    ///
    /// # Errors
    /// A file that cannot be created.
    pub(crate) fn create(path: &Path) -> Result<Self, FatalError> {
        let existing = path.metadata().ok();
        let is_new_or_regular =
            existing.as_ref().map_or_else(|| path != Path::new("-"), Metadata::is_file);
        // A link stays one, and its target is replaced.
        let target = existing.as_ref().and_then(|_| path.canonicalize().ok());
        let target = target.unwrap_or_else(|| path.to_owned());
        if !is_new_or_regular || target.file_name().is_none() {
            return Self::open(path);
        }
        match temporary(&target, existing.as_ref()) {
            Ok(file) => {
                let stream = Box::new(
                    file.as_file()
                        .try_clone()
                        .map_err(|error| cannot_write(&shown(path), error))?,
                );
                let mut writer = Self::new(stream, shown(path));
                writer.rename = Some(Rename { from: file.into_temp_path(), to: target });
                Ok(writer)
            }
            Err(_) if existing.is_some() => Self::file(path, path),
            Err(error) => Err(cannot_write(&shown(path), error)),
        }
    }

    fn file(path: &Path, shown: &Path) -> Result<Self, FatalError> {
        let name = self::shown(shown);
        match File::create(path) {
            Ok(file) => Ok(Self::new(Box::new(file), name)),
            Err(error) => Err(cannot_write(&name, error)),
        }
    }

    pub(crate) fn write(&mut self, text: &str) {
        self.write_bytes(text.as_bytes());
    }

    pub(crate) fn write_bytes(&mut self, bytes: &[u8]) {
        let result = self.stream.write_all(bytes);
        self.keep_failure(result);
    }

    pub(crate) fn flush(&mut self) {
        let result = self.stream.flush();
        self.keep_failure(result);
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    fn keep_failure(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            self.failure.get_or_insert(error);
        }
    }

    /// Flushes, and gives a file its name.
    ///
    /// # Errors
    /// The first failure.
    pub(crate) fn finish(&mut self) -> Result<Exit, FatalError> {
        self.flush();
        if let Some(Rename { from, to }) = self.rename.take() {
            let result = match &self.failure {
                None => from.persist(to).map_err(|error| error.error),
                Some(_) => from.close(),
            };
            self.keep_failure(result);
        }
        finished(self.failure.take().map_or(Ok(()), Err), &self.name)
    }
}

/// A file beside the target, made exclusively. It has the mode of the file that it replaces, or that of a new file.
fn temporary(target: &Path, existing: Option<&Metadata>) -> io::Result<NamedTempFile> {
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mode = existing.map_or(0o666, |found| found.permissions().mode() & 0o7777);
    let mut builder = tempfile::Builder::new();
    builder.prefix(".loopctl-").permissions(Permissions::from_mode(mode));
    let file = builder.tempfile_in(folder.unwrap_or_else(|| Path::new(".")))?;
    if existing.is_some() {
        // The umask concerns new files only.
        file.as_file().set_permissions(Permissions::from_mode(mode))?;
    }
    Ok(file)
}

/// Name of a file in an error message.
fn shown(path: &Path) -> String {
    format!("to `{}`", path.display())
}

/// Prints bytes that are no report.
///
/// # Errors
/// Standard output that cannot be written.
pub(crate) fn print(bytes: &[u8]) -> Result<Exit, FatalError> {
    let mut stdout = stdout().lock();
    finished(stdout.write_all(bytes).and_then(|()| stdout.flush()), "output")
}

/// Prints help or the version, or the error of a command line.
///
/// # Errors
/// Standard output that cannot be written.
pub(crate) fn print_answer(answer: &clap::Error, style: Style) -> Result<Exit, FatalError> {
    if !answer.use_stderr() {
        return finished(answer.print(), "output");
    }
    let text = answer.render();
    let text = if style.color { text.ansi().to_string() } else { text.to_string() };
    // A failure to print is ignored, because there is no other place for the message.
    let _ = stderr().write_all(without_passwords(&text).as_bytes());
    Ok(Exit::Usage)
}

/// Writes generated pages, and the schemas beside them.
///
/// # Errors
/// A file that cannot be written.
pub(crate) fn generate(dir: &Path, pages: fn(&Path) -> io::Result<()>) -> ExitResult {
    finished(pages(dir).and_then(|()| super::wire::schema::write(dir)), "output")
}

/// The exit status after output. A closed pipe ends the program by SIGPIPE, without a message.
///
/// # Errors
/// The failure.
pub(crate) fn finished(result: io::Result<()>, name: &str) -> Result<Exit, FatalError> {
    match result {
        Ok(()) => Ok(Exit::Success),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {
            Err(FatalError { message: Message::default(), exit: Exit::Signal(SIGPIPE) })
        }
        Err(error) => Err(cannot_write(name, error)),
    }
}

fn cannot_write(name: &str, error: io::Error) -> FatalError {
    FatalError::new(Exit::CannotWrite, format!("cannot write {name}: {}", plain(error)))
}
