//! `--exec` and `--shell`: a program for each client, with the connection as its standard input and output.

use std::future::pending;
use std::io;
use std::os::unix::process::CommandExt;
use std::pin::pin;
use std::process::Command;
use std::rc::Rc;

use futures_util::future::select;
use loopctl::{ChildStdio, Endpoint, Failure, SubprocessProtocol, SubprocessTransport};
use signal_hook::consts::{SIGKILL, SIGTERM};

use crate::commands::serve::client_io::{ClientIo, ClientReader};
use crate::commands::serve::connection::Connection;
use crate::commands::serve::context::{ServerContext, ServerPhase};
use crate::commands::serve::disconnect::Disconnect;
use crate::config::ProgramCommand;
use crate::report::served::{ClientError, EndReason, Endpoints, ErrorSource};
use crate::util::message::plain;
use crate::util::stdio::{Sink, Source};

/// `--exec`, without a shell.
pub(super) fn program(program: &ProgramCommand) -> Command {
    let mut command = Command::new(&program.program);
    command.args(&program.arguments);
    command
}

/// `--shell`.
pub(super) fn shell(line: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(line);
    command
}

/// Runs the command and relays in both directions, until it exits.
pub(super) async fn serve(io: &mut ClientIo, command: Command) -> Result<(), Disconnect> {
    let (child, stdin, mut stdout) = Child::start(&io.connection, command).await?;
    let feeding = async {
        feed(&mut io.input, stdin).await?;
        pending().await
    };
    let replying = async {
        loop {
            let data = stdout.read().await.map_err(internal)?;
            if data.is_empty() {
                break;
            }
            io.output.write(&data).await?;
        }
        io.output.write_eof();
        child.wait().await
    };
    select(pin!(replying), pin!(feeding)).await.factor_first().0
}

/// Relays the client's bytes to the program. A shutdown ends its input; for its output it has the grace period.
async fn feed(input: &mut ClientReader, stdin: Sink) -> Result<(), Disconnect> {
    loop {
        let data = match input.read().await {
            Err(Disconnect::Close(EndReason::Shutdown, _)) => Vec::new(),
            read => read?,
        };
        if data.is_empty() {
            // The program may have closed its input before, which is not an error.
            let _ = stdin.finish().await;
            return Ok(());
        }
        if stdin.write_all(&data).await.is_err() {
            drop(stdin);
            return input.discard_rest().await;
        }
    }
}

/// A process group that is killed when the conversation ends.
struct Child {
    child: Endpoint<SubprocessTransport, NoProtocol>,
    context: Rc<ServerContext>,
}

/// The pipes are ours and [`Child::wait`] waits for the exit, so there is nothing to be notified of.
struct NoProtocol;

impl SubprocessProtocol for NoProtocol {}

impl Child {
    /// Starts the command; returns our ends of its standard input and output. It shares our standard error.
    async fn start(
        connection: &Connection,
        mut command: Command,
    ) -> Result<(Self, Sink, Source), Disconnect> {
        command.process_group(0);
        let name = command.get_program().display().to_string();
        set_environment(&mut command, connection.endpoints());
        let event_loop = connection.event_loop();
        let start = async {
            let (child_stdin, stdin) = io::pipe()?;
            let (stdout, child_stdout) = io::pipe()?;
            let child = event_loop.subprocess_exec(command).stderr(ChildStdio::Inherit);
            let child = child.stdin(ChildStdio::File(child_stdin.into()));
            let child = child.stdout(ChildStdio::File(child_stdout.into()));
            let child = child.open(|| NoProtocol).await?;
            let stdin = Sink::new(event_loop, stdin).await?;
            let child = Self { child, context: Rc::clone(&connection.context) };
            Ok((child, stdin, Source::new(event_loop, stdout).await?))
        };
        start.await.map_err(|error: io::Error| {
            let message = format!("cannot run `{name}`: {}", plain(&error));
            let failure = Failure { message, ..Failure::from(&error) };
            let error = ClientError { failure, source: ErrorSource::Io };
            Disconnect::Close(EndReason::Error, Some(error))
        })
    }

    /// Waits for the exit. An exit status other than 0 is in the record; the connection ended well nevertheless.
    async fn wait(&self) -> Result<(), Disconnect> {
        let status = self.child.transport.wait().await.map_err(internal)?;
        match status.success() {
            true => Ok(()),
            false => {
                let error = io::Error::other(status.to_string());
                Err(Disconnect::with_error(EndReason::Eof, error))
            }
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let is_aborting = self.context.phase() == ServerPhase::Aborting;
        let signal = if is_aborting { SIGKILL } else { SIGTERM };
        // The process group may have exited already.
        let _ = self.child.transport.send_signal_to_group(signal);
    }
}

/// An error on our side, not of the client.
fn internal(error: io::Error) -> Disconnect {
    Disconnect::with_error(EndReason::Error, error)
}

/// Sets the addresses in variables of our own, and in those of UCSPI (tcpserver).
fn set_environment(command: &mut Command, endpoints: Endpoints) {
    command.env("PROTO", if endpoints.local.is_some() { "TCP" } else { "UNIX" });
    for (side, address) in [("REMOTE", endpoints.peer), ("LOCAL", endpoints.local)] {
        let Some(address) = address else { continue };
        let (ip, port) = (address.ip().to_string(), address.port().to_string());
        command.env(format!("LOOPCTL_{side}_ADDR"), &ip).env(format!("TCP{side}IP"), ip);
        command.env(format!("LOOPCTL_{side}_PORT"), &port).env(format!("TCP{side}PORT"), port);
    }
}
