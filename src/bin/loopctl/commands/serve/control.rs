//! Faults that change while the server runs: `--control` and `--faults`.
//!
//! A client of the control socket sends one line, `get` or `set FAULT...`. The answer is `ok` and the faults in force,
//! a line each, or `refused` and the reason.

use std::io;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use loopctl::{Address, StreamReader, StreamWriter};

use super::listeners::SocketFile;
use super::refusal::{Refusal, refused, unavailable};
use super::server::Server;
use crate::config::Faults;
use crate::config::fault::FaultArg;
use crate::config::fault_file;
use crate::util::message::Message;
use crate::util::private_socket;

/// Limit for a client to send its line.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The control socket. Dropping this removes its file.
pub(super) struct Control {
    _file: Option<SocketFile>,
    listener: loopctl::Server,
}

impl Drop for Control {
    fn drop(&mut self) {
        self.listener.close();
    }
}

impl Server {
    /// Opens the socket of `--control`.
    pub(super) async fn open_control(self: &Rc<Self>) -> Result<(), Refusal> {
        let Some(path) = &self.context.request.control else { return Ok(()) };
        let name = format!("unix:{}", path.display());
        let socket = private_socket::listen(path)
            .map_err(|error| unavailable(&name, &Address::Unix(path.clone()), &error))?;
        let file = SocketFile::at(path);
        let server = Rc::downgrade(self);
        let serving = self.context.event_loop.create_server_on(socket).serve_streams(
            async move |reader, writer| match server.upgrade() {
                Some(server) => server.answer_control(reader, writer).await,
                None => Ok(()),
            },
        );
        let listener = serving.await.map_err(|error| refused(&name, error))?;
        self.control.replace(Some(Control { _file: file, listener }));
        Ok(())
    }

    async fn answer_control(
        &self,
        mut reader: StreamReader,
        mut writer: StreamWriter,
    ) -> io::Result<()> {
        let reading = self.context.event_loop.timeout(TIMEOUT, reader.read_line());
        // A client that sends no line, or too long a one, gets no answer.
        let Ok(Ok(line)) = reading.await else { return Ok(()) };
        let line = String::from_utf8_lossy(&line).into_owned();
        let mut words = line.split_whitespace();
        let answer = match (words.next(), words.clone().next()) {
            (Some("get"), None) => Ok(()),
            (Some("set"), _) => self.set_faults_by_text(words),
            _ => Err(Message::error("a request is get or set FAULT...")),
        };
        let answer = match answer {
            Ok(()) => {
                let in_force = self.context.printer.borrow().in_force().to_vec();
                in_force.iter().fold("ok\n".to_owned(), |text, fault| text + fault + "\n")
            }
            Err(message) => format!("refused\n{}\n", message.error.unwrap_or_default()),
        };
        writer.write_all(answer.as_bytes()).await
    }

    fn set_faults_by_text<'a>(&self, texts: impl Iterator<Item = &'a str>) -> Result<(), Message> {
        let parse = |text: &'a str| {
            let wrong = |error| Message::error(format!("`{text}` is not a fault: {error}"));
            text.parse::<FaultArg>().map_err(wrong)
        };
        self.set_faults(texts.map(parse).collect::<Result<_, _>>()?)
    }

    /// Replaces the faults of every connection, of those that are open, too.
    fn set_faults(&self, faults: Vec<FaultArg>) -> Result<(), Message> {
        let faults = Faults { faults, seed: self.context.request.faults.seed };
        self.context.request.check_new_faults(&faults)?;
        self.context.print(|printer| printer.faults_changed(&faults));
        self.context.set_faults(faults);
        self.wake_clients();
        Ok(())
    }

    /// Reads the file of `--faults` again. Where it cannot be used, the faults stay as they are.
    pub(super) async fn reload_faults(&self, path: &Path) {
        let file = path.to_owned();
        let reading = self.context.event_loop.run_in_executor(move || fault_file::read(&file));
        let result = match reading.await {
            Ok(Ok(faults)) => self.set_faults(faults),
            Ok(Err(error)) => Err(error.message),
            Err(error) => Err(Message::error(error.to_string())),
        };
        if let Err(mut message) = result {
            let warning = message.error.take().unwrap_or_default();
            message.warnings.push(format!("the faults stay as they are: {warning}"));
            self.context.printer.borrow().message(&message);
        }
    }
}
