//! Output of `--mode sink`: one file, a folder with a file for each client, standard output, or a count.

mod received_file;

use std::cell::{Cell, OnceCell, RefCell};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use loopctl::LoopHandle;

use super::refusal::Refusal;
use crate::config::{OutputTarget, SinkRequest};
use crate::exit::Exit;
use crate::output::writer::finished;
use crate::report::served::{ClientError, TransferRecord};
use crate::util::message::{Message, plain};
use crate::util::stdio::Sink;
use crate::util::style::Style;
pub(super) use received_file::{ReceivedFile, SinkError};

/// The output that `--output` names, opened.
pub(super) struct Store {
    request: SinkRequest,
    /// The output of all clients, one after another. Unset where each client has a separate one.
    shared: OnceCell<Rc<ReceivedFile>>,
    /// Number of the last file in a folder.
    number: Cell<u64>,
    /// Files that this run has put into a folder.
    files: Cell<usize>,
    first_error: RefCell<Option<ClientError>>,
    /// Name of the output in error messages.
    name: String,
}

impl Store {
    /// Opens the output, before any client connects.
    pub(super) async fn open(
        event_loop: &LoopHandle,
        request: &SinkRequest,
    ) -> Result<Self, Refusal> {
        let store = Self {
            request: request.clone(),
            shared: OnceCell::new(),
            number: Cell::default(),
            files: Cell::default(),
            first_error: RefCell::default(),
            name: name(request.output.as_ref()),
        };
        match &request.output {
            None => {}
            Some(OutputTarget::Stdout) => {
                let file = store.open_stdout(event_loop).await;
                store.share(file.map_err(|error| cannot_write(Path::new("-"), &error, false))?);
            }
            Some(OutputTarget::File { path, may_replace }) => {
                let file = store.open_file(event_loop, path, *may_replace).await;
                store.share(file.map_err(|error| cannot_write(path, &error, request.resume))?);
            }
            Some(OutputTarget::Folder(path)) => {
                // Because a client should not send a file that cannot be stored.
                let trial = tempfile::tempfile_in(path);
                trial.map_err(|error| cannot_write(path, &error, false))?;
            }
        }
        Ok(store)
    }

    fn share(&self, file: ReceivedFile) {
        self.shared.get_or_init(|| Rc::new(file));
    }

    async fn open_stdout(&self, event_loop: &LoopHandle) -> io::Result<ReceivedFile> {
        let sink = Sink::stdout(event_loop).await?;
        Ok(ReceivedFile::stream(event_loop, sink, self.request.checksum))
    }

    async fn open_file(
        &self,
        event_loop: &LoopHandle,
        path: &Path,
        may_replace: bool,
    ) -> io::Result<ReceivedFile> {
        let SinkRequest { checksum, resume, .. } = self.request;
        // A FIFO or device is written to as it is: it has no content that could be lost.
        if path.metadata().is_ok_and(|found| !found.is_file()) {
            let special = File::options().write(true).open(path)?;
            let sink = Sink::new(event_loop, special).await?;
            return Ok(ReceivedFile::stream(event_loop, sink, checksum));
        }
        ReceivedFile::create(event_loop, path.to_owned(), may_replace, checksum, resume).await
    }

    /// The output for the next client.
    pub(super) async fn receive(&self, event_loop: &LoopHandle) -> io::Result<Rc<ReceivedFile>> {
        let file = match (self.shared.get(), &self.request.output) {
            (Some(shared), _) => Rc::clone(shared),
            (None, Some(OutputTarget::Folder(folder))) => {
                // Before the file is made, because others are on their way.
                self.files.set(self.files.get() + 1);
                Rc::new(self.next_file(event_loop, folder).await?)
            }
            (None, _) => Rc::new(ReceivedFile::count(self.request.checksum)),
        };
        file.begin();
        Ok(file)
    }

    /// Creates the file with the next free number.
    async fn next_file(&self, event_loop: &LoopHandle, folder: &Path) -> io::Result<ReceivedFile> {
        loop {
            self.number.set(self.number.get() + 1);
            let path: PathBuf = folder.join(format!("{:06}", self.number.get()));
            let checksum = self.request.checksum;
            match ReceivedFile::create(event_loop, path, false, checksum, false).await {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                file => return file,
            }
        }
    }

    /// Whether the folder takes no more files.
    pub(super) fn is_full(&self) -> bool {
        self.files.get() >= self.request.max_files.get()
    }

    /// Whether each client has a separate output, or just a count.
    pub(super) fn is_folder(&self) -> bool {
        self.shared.get().is_none()
    }

    /// The output of all clients.
    pub(super) fn shared(&self) -> Option<&Rc<ReceivedFile>> {
        self.shared.get()
    }

    pub(super) fn record_error(&self, error: &io::Error) {
        self.first_error.borrow_mut().get_or_insert_with(|| ClientError::from(error));
    }

    /// The first error of the output.
    pub(super) fn error(&self) -> Option<ClientError> {
        let of_shared = || self.shared.get()?.queue.as_ref()?.error();
        self.first_error.borrow().clone().or_else(of_shared)
    }

    /// Waits until the shared output is written, at most for `timeout`, and renames it to its final name.
    pub(super) async fn finish(
        &self,
        timeout: Duration,
        style: Style,
    ) -> (Option<TransferRecord>, Exit) {
        let has_failed = self.first_error.borrow().is_some();
        let exit = if has_failed { Exit::CannotWrite } else { Exit::Success };
        let Some(shared) = self.shared.get() else { return (None, exit) };
        if let Err(error) = shared.finish_within(timeout).await {
            self.record_error(&error);
            shared.record_broken();
            return (shared.abandon(), self.print_failure(error, style));
        }
        match shared.complete().await {
            Ok(record) => (record, exit),
            Err(error) => {
                self.record_error(&error);
                (None, self.print_failure(error, style))
            }
        }
    }

    fn print_failure(&self, error: io::Error, style: Style) -> Exit {
        finished(Err(error), &self.name).unwrap_or_else(|error| error.print(style))
    }
}

fn name(output: Option<&OutputTarget>) -> String {
    match output {
        Some(OutputTarget::File { path, .. } | OutputTarget::Folder(path)) => {
            format!("to `{}`", path.display())
        }
        Some(OutputTarget::Stdout) | None => "output".to_owned(),
    }
}

fn cannot_write(path: &Path, error: &io::Error, resumes: bool) -> Refusal {
    let text = format!("cannot write to `{}`: {}", path.display(), plain(error));
    let mut message = Message::error(text);
    if error.kind() == io::ErrorKind::AlreadyExists {
        message.hints.push(match resumes {
            // A partial file would have been continued, so this one is complete.
            true => "the file is complete: --resume continues only FILE.part".to_owned(),
            false => "--force replaces it".to_owned(),
        });
    }
    Refusal { message, exit: Exit::CannotWrite }
}
