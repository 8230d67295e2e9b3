//! `--exec` and `--shell`: a program for each client, with the connection as its standard input and output.

use std::cell::Cell;
use std::io;
use std::os::unix::process::CommandExt;
use std::pin::pin;
use std::process::Command;
use std::rc::Rc;

use futures_util::future::select;
use loopctl::{ChildStdio, Failure};

use crate::commands::serve::connection::Connection;
use crate::commands::serve::disconnect::Disconnect;
use crate::commands::serve::peer_io::{PeerIo, PeerReader, PeerWriter};
use crate::commands::serve::program::{NoProtocol, Program};
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

/// Runs the command and relays in both directions, until it exits or the client has left.
pub(super) async fn serve(io: &mut PeerIo, command: Command) -> Result<(), Disconnect> {
    let (program, stdin, stdout) = start(&io.connection, command).await?;
    let connection = Rc::clone(&io.connection);
    let has_said_all = Cell::new(false);
    let feeding = async {
        feed(&mut io.input, stdin).await?;
        // The client has finished, and waits for the rest of the output, or has left.
        let departed = connection.wait_departed().await;
        if has_said_all.get() {
            // It has everything. The program is about to exit.
            connection.event_loop().sleep(connection.context.request.limits.grace).await;
            return Err(Disconnect::Close(EndReason::Eof, None));
        }
        Err(departed)
    };
    let replying = async {
        relay_output(&mut io.output, stdout).await?;
        has_said_all.set(true);
        io.output.write_eof();
        exit_of(&program).await
    };
    select(pin!(replying), pin!(feeding)).await.factor_first().0
}

/// Relays the program's output to the client. After `half-close` it is dropped, and the program still gets its input.
async fn relay_output(output: &mut PeerWriter, mut stdout: Source) -> Result<(), Disconnect> {
    let mut is_shut = false;
    loop {
        let data = stdout.read().await.map_err(internal)?;
        if data.is_empty() {
            return Ok(());
        }
        if !is_shut {
            match output.write(&data).await {
                Err(Disconnect::OutputShut) => is_shut = true,
                written => written?,
            }
        }
    }
}

/// Relays the client's bytes to the program. A shutdown ends its input; for its output it has the grace period.
async fn feed(input: &mut PeerReader, stdin: Sink) -> Result<(), Disconnect> {
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

/// The program, which gets SIGTERM when this is dropped, and our ends of its standard input and output.
type Started = (TerminateOnDrop, Sink, Source);

struct TerminateOnDrop(Rc<Program>);

impl Drop for TerminateOnDrop {
    fn drop(&mut self) {
        self.0.terminate();
    }
}

/// Starts the command. It shares our standard error.
async fn start(connection: &Connection, mut command: Command) -> Result<Started, Disconnect> {
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
        let program = Rc::new(Program::new(&connection.context, child.open(|| NoProtocol).await?));
        connection.set_program(&program);
        let program = TerminateOnDrop(program);
        let stdin = Sink::new(event_loop, stdin).await?;
        Ok((program, stdin, Source::new(event_loop, stdout).await?))
    };
    start.await.map_err(|error: io::Error| {
        let message = format!("cannot run `{name}`: {}", plain(&error));
        let failure = Failure { message, ..Failure::from(&error) };
        let error = ClientError { failure, source: ErrorSource::Io };
        Disconnect::Close(EndReason::Error, Some(error))
    })
}

/// Waits for the exit. An exit status other than 0 is in the record; the connection ended well nevertheless.
async fn exit_of(program: &TerminateOnDrop) -> Result<(), Disconnect> {
    let status = program.0.wait().await.map_err(internal)?;
    match status.success() {
        true => Ok(()),
        false => Err(Disconnect::with_error(EndReason::Eof, io::Error::other(status.to_string()))),
    }
}

/// An error on our side, not of the client.
fn internal(error: io::Error) -> Disconnect {
    Disconnect::with_error(EndReason::Error, error)
}

/// Variables of UCSPI (tcpserver), of other protocols too, and of sd_listen_fds(3): they are about this process, or
/// about nothing.
const CLEARED: [&str; 17] = [
    "PROTO",
    "TCPLOCALHOST",
    "TCPLOCALIP",
    "TCPLOCALPORT",
    "TCPREMOTEHOST",
    "TCPREMOTEINFO",
    "TCPREMOTEIP",
    "TCPREMOTEPORT",
    "UNIXLOCALPATH",
    "UNIXREMOTEPATH",
    "UNIXREMOTEPID",
    "UNIXREMOTEEUID",
    "UNIXREMOTEEGID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "LISTEN_PID",
    "LISTEN_PIDFDID",
];

/// Sets the addresses in variables of our own, and in those of UCSPI.
fn set_environment(command: &mut Command, endpoints: Endpoints) {
    for name in CLEARED {
        command.env_remove(name);
    }
    for name in std::env::vars_os().map(|(name, _)| name) {
        let is_ours = |prefix: &str| name.as_encoded_bytes().starts_with(prefix.as_bytes());
        if is_ours("SSLREMOTE")
            || is_ours("SSLLOCAL")
            || is_ours("LOOPCTL_REMOTE_")
            || is_ours("LOOPCTL_LOCAL_")
        {
            command.env_remove(&name);
        }
    }
    command.env("PROTO", if endpoints.local.is_some() { "TCP" } else { "UNIX" });
    for (side, address) in [("REMOTE", endpoints.peer), ("LOCAL", endpoints.local)] {
        let Some(address) = address else { continue };
        let (ip, port) = (address.ip().to_string(), address.port().to_string());
        command.env(format!("LOOPCTL_{side}_ADDR"), &ip).env(format!("TCP{side}IP"), ip);
        command.env(format!("LOOPCTL_{side}_PORT"), &port).env(format!("TCP{side}PORT"), port);
    }
}
