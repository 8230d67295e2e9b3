//! Where parcels go: one file, a folder with a file for each client, standard output, or nowhere.

use std::cell::{Cell, OnceCell};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use loopctl::LoopRef;

use super::super::refuse::Refusal;
use super::super::report::Stored;
use super::parcel::Parcel;
use crate::exit::Exit;
use crate::message::Message;
use crate::output::written;
use crate::request::{Outlet, SinkRequest};
use crate::stdio::Sink;
use crate::style::Style;

pub(in super::super) struct Store {
    request: SinkRequest,
    /// Of all clients, one after another; otherwise each has its own.
    shared: OnceCell<Rc<Parcel>>,
    /// The number of the last file.
    number: Cell<u64>,
    has_failed: Cell<bool>,
    /// How it is called when it fails.
    name: String,
}

impl Store {
    /// Opens it before anybody can send something.
    pub(in super::super) async fn open(
        lp: &LoopRef,
        request: &SinkRequest,
    ) -> Result<Self, Refusal> {
        let store = Self {
            request: request.clone(),
            shared: OnceCell::new(),
            number: Cell::default(),
            has_failed: Cell::default(),
            name: name(request.outlet.as_ref()),
        };
        if let Some(outlet) = request.outlet.as_ref().filter(|outlet| !outlet.is_folder) {
            let parcel = store.one(lp, outlet).await;
            let parcel = parcel.map_err(|error| refuse(&outlet.path, &error))?;
            store.shared.get_or_init(|| Rc::new(parcel));
        }
        Ok(store)
    }

    async fn one(&self, lp: &LoopRef, outlet: &Outlet) -> io::Result<Parcel> {
        let (path, algorithm) = (&outlet.path, self.request.checksum);
        if path.as_os_str() == "-" {
            return Ok(Parcel::through(lp, Sink::stdout(lp).await?, algorithm));
        }
        // What is no file, such as a FIFO, has nothing that could be lost.
        if path.metadata().is_ok_and(|found| !found.is_file()) {
            let special = std::fs::File::options().write(true).open(path)?;
            return Ok(Parcel::through(lp, Sink::new(lp, special).await?, algorithm));
        }
        Parcel::file(lp, outlet, path.clone(), algorithm, self.request.resume).await
    }

    /// For what the next client brings.
    pub(super) async fn receive(&self, lp: &LoopRef) -> io::Result<Rc<Parcel>> {
        let parcel = match (self.shared.get(), &self.request.outlet) {
            (Some(shared), _) => Rc::clone(shared),
            (None, Some(folder)) => Rc::new(self.next(lp, folder).await?),
            (None, None) => Rc::new(Parcel::nowhere(self.request.checksum)),
        };
        parcel.begin();
        Ok(parcel)
    }

    /// The next file of the folder: the first number that is free.
    async fn next(&self, lp: &LoopRef, folder: &Outlet) -> io::Result<Parcel> {
        let fresh = Outlet { may_replace: false, ..folder.clone() };
        loop {
            self.number.set(self.number.get() + 1);
            let path: PathBuf = folder.path.join(format!("{:06}", self.number.get()));
            match Parcel::file(lp, &fresh, path, self.request.checksum, false).await {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                parcel => return parcel,
            }
        }
    }

    /// Whether what a client brings is a thing of its own.
    pub(super) fn is_folder(&self) -> bool {
        self.shared.get().is_none()
    }

    /// What all clients bring to.
    pub(in super::super) fn shared(&self) -> Option<&Rc<Parcel>> {
        self.shared.get()
    }

    pub(super) fn note_failure(&self) {
        self.has_failed.set(true);
    }

    /// Waits until all is written, so long, and gives it its name; what was stored, and how that went.
    pub(in super::super) async fn finish(
        &self,
        longest: Duration,
        style: Style,
    ) -> (Option<Stored>, Exit) {
        let failed = if self.has_failed.get() { Exit::CannotWrite } else { Exit::Success };
        let Some(shared) = self.shared.get() else { return (None, failed) };
        if let Err(error) = shared.finish_within(longest).await {
            shared.break_off();
            return (shared.abandon(), written(Err(error), &self.name, style));
        }
        match shared.complete().await {
            Ok(stored) => (stored, failed),
            Err(error) => (None, written(Err(error), &self.name, style)),
        }
    }
}

fn name(outlet: Option<&Outlet>) -> String {
    match outlet {
        Some(outlet) if outlet.path.as_os_str() != "-" => format!("to `{}`", outlet.path.display()),
        _ => "output".to_owned(),
    }
}

fn refuse(path: &Path, error: &io::Error) -> Refusal {
    let mut message = Message::error(format!("cannot write to `{}`: {error}", path.display()));
    if error.kind() == io::ErrorKind::AlreadyExists {
        message.hints.push("--force replaces it".to_owned());
    }
    (message, Exit::CannotWrite)
}
