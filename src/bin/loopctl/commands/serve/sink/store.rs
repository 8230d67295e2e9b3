//! Where parcels go: one file, a folder with a file for each client, standard output, or nowhere.

use std::cell::{Cell, OnceCell, RefCell};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use loopctl::LoopHandle;

use super::received_file::Parcel;
use crate::commands::serve::refusal::Refusal;
use crate::config::{Outlet, SinkRequest};
use crate::exit::Exit;
use crate::output::writer::finished;
use crate::report::served::{Stored, Trouble};
use crate::util::message::{Message, plain};
use crate::util::stdio::Sink;
use crate::util::style::Style;

pub(in crate::commands::serve) struct Store {
    request: SinkRequest,
    /// Of all clients, one after another; otherwise each has its own.
    shared: OnceCell<Rc<Parcel>>,
    /// The number of the last file.
    number: Cell<u64>,
    /// The first thing that went wrong.
    trouble: RefCell<Option<Trouble>>,
    /// How it is called when it fails.
    name: String,
}

impl Store {
    /// Opens it before anybody can send something.
    pub(in crate::commands::serve) async fn open(
        event_loop: &LoopHandle,
        request: &SinkRequest,
    ) -> Result<Self, Refusal> {
        let store = Self {
            request: request.clone(),
            shared: OnceCell::new(),
            number: Cell::default(),
            trouble: RefCell::default(),
            name: name(request.outlet.as_ref()),
        };
        if let Some(outlet) = request.outlet.as_ref().filter(|outlet| !outlet.is_folder) {
            let parcel = store.one(event_loop, outlet).await;
            let parcel = parcel.map_err(|error| refuse(&outlet.path, &error, request.resume))?;
            store.shared.get_or_init(|| Rc::new(parcel));
        }
        if let Some(folder) = request.outlet.as_ref().filter(|outlet| outlet.is_folder) {
            // Before the first client has sent a file in vain.
            let tried = tempfile::tempfile_in(&folder.path);
            tried.map_err(|error| refuse(&folder.path, &error, false))?;
        }
        Ok(store)
    }

    async fn one(&self, event_loop: &LoopHandle, outlet: &Outlet) -> io::Result<Parcel> {
        let (path, algorithm) = (&outlet.path, self.request.checksum);
        if path.as_os_str() == "-" {
            return Ok(Parcel::through(event_loop, Sink::stdout(event_loop).await?, algorithm));
        }
        // What is no file, such as a FIFO, has nothing that could be lost.
        if path.metadata().is_ok_and(|found| !found.is_file()) {
            let special = std::fs::File::options().write(true).open(path)?;
            return Ok(Parcel::through(
                event_loop,
                Sink::new(event_loop, special).await?,
                algorithm,
            ));
        }
        Parcel::file(event_loop, outlet, path.clone(), algorithm, self.request.resume).await
    }

    /// For what the next client brings.
    pub(super) async fn receive(&self, event_loop: &LoopHandle) -> io::Result<Rc<Parcel>> {
        let parcel = match (self.shared.get(), &self.request.outlet) {
            (Some(shared), _) => Rc::clone(shared),
            (None, Some(folder)) => Rc::new(self.next(event_loop, folder).await?),
            (None, None) => Rc::new(Parcel::nowhere(self.request.checksum)),
        };
        parcel.begin();
        Ok(parcel)
    }

    /// The next file of the folder: the first number that is free.
    async fn next(&self, event_loop: &LoopHandle, folder: &Outlet) -> io::Result<Parcel> {
        let fresh = Outlet { may_replace: false, ..folder.clone() };
        loop {
            self.number.set(self.number.get() + 1);
            let path: PathBuf = folder.path.join(format!("{:06}", self.number.get()));
            match Parcel::file(event_loop, &fresh, path, self.request.checksum, false).await {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                parcel => return parcel,
            }
        }
    }

    /// Whether what a client brings is a thing of its own.
    pub(in crate::commands::serve) fn is_folder(&self) -> bool {
        self.shared.get().is_none()
    }

    /// What all clients bring to.
    pub(in crate::commands::serve) fn shared(&self) -> Option<&Rc<Parcel>> {
        self.shared.get()
    }

    pub(super) fn note_failure(&self, error: &io::Error) {
        self.trouble.borrow_mut().get_or_insert_with(|| Trouble::from(error));
    }

    /// What went wrong here.
    pub(in crate::commands::serve) fn trouble(&self) -> Option<Trouble> {
        let of_shared = || self.shared.get()?.spool.as_ref()?.trouble();
        self.trouble.borrow().clone().or_else(of_shared)
    }

    /// Waits until all is written, so long, and gives it its name; what was stored, and how that went.
    pub(in crate::commands::serve) async fn finish(
        &self,
        longest: Duration,
        style: Style,
    ) -> (Option<Stored>, Exit) {
        let has_failed = self.trouble.borrow().is_some();
        let failed = if has_failed { Exit::CannotWrite } else { Exit::Success };
        let Some(shared) = self.shared.get() else { return (None, failed) };
        if let Err(error) = shared.finish_within(longest).await {
            self.note_failure(&error);
            shared.break_off();
            return (
                shared.abandon(),
                finished(Err(error), &self.name).unwrap_or_else(|error| error.print(style)),
            );
        }
        match shared.complete().await {
            Ok(stored) => (stored, failed),
            Err(error) => {
                self.note_failure(&error);
                (None, finished(Err(error), &self.name).unwrap_or_else(|error| error.print(style)))
            }
        }
    }
}

fn name(outlet: Option<&Outlet>) -> String {
    match outlet {
        Some(outlet) if outlet.path.as_os_str() != "-" => format!("to `{}`", outlet.path.display()),
        _ => "output".to_owned(),
    }
}

fn refuse(path: &Path, error: &io::Error, resumes: bool) -> Refusal {
    let text = format!("cannot write to `{}`: {}", path.display(), plain(error));
    let mut message = Message::error(text);
    if error.kind() == io::ErrorKind::AlreadyExists {
        message.hints.push(match resumes {
            // The part is gone on with, so it can only be the whole.
            true => "it is whole: --resume goes on with what has .part at the end of its name"
                .to_owned(),
            false => "--force replaces it".to_owned(),
        });
    }
    Refusal { message, exit: Exit::CannotWrite }
}
