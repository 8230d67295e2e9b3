//! Where `--mode sink` puts what it receives.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use loopctl::{DatagramTransport, LoopRef, Task};

use super::refuse::Refusal;
use super::session::{Session, Wish};
use crate::exit::Exit;
use crate::message::Message;
use crate::output::written;
use crate::request::Outlet;
use crate::stdio::Sink;
use crate::style::Style;

/// Datagrams wait up to so many bytes; then the system keeps them, as far as it does.
const MOST_WAITING: usize = 1 << 20;

/// A file, or standard output.
pub(super) struct Store {
    sink: Sink,
    /// How it is called when it fails.
    name: String,
    failure: RefCell<Option<io::Error>>,
    /// Datagrams that have come while others are being written.
    waiting: RefCell<Vec<u8>>,
    /// Who writes them.
    writer: RefCell<Option<Task<()>>>,
}

impl Store {
    /// Opens it before anybody can send something.
    pub(super) async fn open(lp: &LoopRef, outlet: &Outlet) -> Result<Self, Refusal> {
        let path = &outlet.path;
        let (sink, name) = match path.to_str() {
            Some("-") => (Sink::stdout(lp).await, "output".to_owned()),
            _ => (Self::file(lp, outlet).await, format!("to `{}`", path.display())),
        };
        let sink = sink.map_err(|error| refuse(path, &error))?;
        let (failure, waiting, writer) = Default::default();
        Ok(Self { sink, name, failure, waiting, writer })
    }

    async fn file(lp: &LoopRef, outlet: &Outlet) -> io::Result<Sink> {
        let path = &outlet.path;
        // What is no file, such as a FIFO, has nothing that could be lost.
        let is_special = path.metadata().is_ok_and(|found| !found.is_file());
        let mut options = File::options();
        options.write(true);
        if !is_special {
            options.create_new(!outlet.may_replace).create(true).truncate(outlet.may_replace);
        }
        Sink::new(lp, options.open(path)?).await
    }

    /// At the pace of whoever takes it.
    pub(super) async fn write(&self, data: &[u8]) -> io::Result<()> {
        let result = self.sink.write_all(data).await;
        if let Err(error) = &result {
            self.failure.replace(Some(copy(error)));
        }
        result
    }

    /// Waits until all is written, so long, and tells what became of it.
    pub(super) async fn finish(&self, lp: &LoopRef, longest: Duration, style: Style) -> Exit {
        let writer = self.writer.take();
        let finish = async {
            if let Some(writer) = writer {
                // If it was broken off, its failure is known.
                let _ = writer.await;
            }
            self.sink.finish().await
        };
        let nobody_reads = |_| Err(io::Error::new(io::ErrorKind::TimedOut, "nobody reads it"));
        let finished = lp.timeout(longest, finish).await.unwrap_or_else(nobody_reads);
        written(self.failure.take().map_or(finished, Err), &self.name, style)
    }
}

impl Session {
    /// Keeps a datagram, after those that came before it.
    pub(super) fn keep(self: &Rc<Self>, data: &[u8], from: &DatagramTransport) {
        let Some(store) = self.store() else { return };
        store.waiting.borrow_mut().extend_from_slice(data);
        if store.waiting.borrow().len() > MOST_WAITING {
            from.pause_reading();
        }
        let mut writer = store.writer.borrow_mut();
        if writer.as_ref().is_none_or(Task::is_finished) {
            let (session, from) = (Rc::clone(self), from.clone());
            *writer = Some(self.lp.create_task(async move { session.empty(&from).await }));
        }
    }

    async fn empty(&self, from: &DatagramTransport) {
        let Some(store) = self.store() else { return };
        loop {
            let data = store.waiting.take();
            from.resume_reading();
            if data.is_empty() {
                return;
            }
            if store.write(&data).await.is_err() {
                return self.wish(Wish::CannotWrite);
            }
        }
    }
}

/// Errors cannot be cloned; their kind and number can.
fn copy(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(number) => io::Error::from_raw_os_error(number),
        None => error.kind().into(),
    }
}

fn refuse(path: &Path, error: &io::Error) -> Refusal {
    let mut message = Message::error(format!("cannot write to `{}`: {error}", path.display()));
    if error.kind() == io::ErrorKind::AlreadyExists {
        message.hints.push("--force replaces it".to_owned());
    }
    (message, Exit::CannotWrite)
}
