//! Where `--mode sink` puts what it receives.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use loopctl::LoopRef;

use super::refuse::Refusal;
use super::spool::Spool;
use crate::exit::Exit;
use crate::message::Message;
use crate::output::written;
use crate::request::Outlet;
use crate::stdio::Sink;
use crate::style::Style;

/// A file, or standard output.
pub(super) struct Store {
    pub(super) spool: Spool,
    /// How it is called when it fails.
    name: String,
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
        Ok(Self { spool: Spool::new(lp, sink), name })
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

    /// Waits until all is written, so long, and tells what became of it.
    pub(super) async fn finish(&self, longest: Duration, style: Style) -> Exit {
        written(self.spool.finish(longest).await, &self.name, style)
    }
}

fn refuse(path: &Path, error: &io::Error) -> Refusal {
    let mut message = Message::error(format!("cannot write to `{}`: {error}", path.display()));
    if error.kind() == io::ErrorKind::AlreadyExists {
        message.hints.push("--force replaces it".to_owned());
    }
    (message, Exit::CannotWrite)
}
