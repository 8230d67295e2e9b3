//! `--exec` and `--shell`: a program for each client, with the connection as its input and output.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::pin::pin;
use std::process::Command;
use std::rc::Rc;

use loopctl::{ChildStdio, Endpoint, Failure, SubprocessProtocol, SubprocessTransport};
use signal_hook::consts::{SIGKILL, SIGTERM};

use super::client::Client;
use super::conn::{Input, Output};
use super::session::{Session, Stage};
use crate::config::CommandLine;
use crate::report::served::{Area, End, Halt, Trouble};
use crate::util::message::plain;
use crate::util::select::first;
use crate::util::stdio::{Sink, Source};

/// Runs the words as they are.
pub(super) fn program(words: &CommandLine) -> Command {
    let mut command = Command::new(&words.program);
    command.args(&words.arguments);
    command
}

/// Runs a line of the shell.
pub(super) fn shell(line: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(line);
    command
}

/// Passes bytes on in both directions, until the program has exited.
pub(super) async fn talk(
    client: &Client,
    input: &mut Input,
    output: &mut Output,
    command: Command,
) -> Result<(), Halt> {
    let (child, to_child, mut from_child) = Child::start(client, command).await?;
    let feeding = async {
        feed(input, to_child).await?;
        pending().await
    };
    let telling = async {
        loop {
            let data = from_child.read().await.map_err(ours)?;
            if data.is_empty() {
                break;
            }
            output.write(&data).await?;
        }
        output.finish();
        child.exited().await
    };
    first(pin!(telling), pin!(feeding)).await
}

/// What the client sends, until it or the program has had enough. A program has the time that the server
/// gives its clients to finish, but no more input.
async fn feed(input: &mut Input, to_child: Sink) -> Result<(), Halt> {
    loop {
        let data = match input.read().await {
            Err(Halt::End(End::Shutdown, _)) => Vec::new(),
            read => read?,
        };
        if data.is_empty() {
            // It may have closed its input or exited, which is its own affair.
            let _ = to_child.finish().await;
            return Ok(());
        }
        if to_child.write_all(&data).await.is_err() {
            drop(to_child);
            return input.skip().await;
        }
    }
}

/// A child that does not outlive the conversation, nor does what it has started.
struct Child {
    child: Endpoint<SubprocessTransport, Quiet>,
    session: Rc<Session>,
}

/// Its pipes are ours, and its end is waited for.
struct Quiet;

impl SubprocessProtocol for Quiet {}

impl Child {
    /// With our ends of the pipes to it and from it. Its errors go where ours go.
    async fn start(client: &Client, mut command: Command) -> Result<(Self, Sink, Source), Halt> {
        command.process_group(0);
        let name = command.get_program().display().to_string();
        tell_peer(&mut command, client.peer(), client.local());
        let start = async {
            let (input, to_child) = io::pipe()?;
            let (from_child, output) = io::pipe()?;
            let child = client.event_loop.subprocess_exec(command).stderr(ChildStdio::Inherit);
            let child = child.stdin(ChildStdio::File(input.into()));
            let child = child.stdout(ChildStdio::File(output.into())).open(|| Quiet).await?;
            let to_child = Sink::new(&client.event_loop, to_child).await?;
            let child = Self { child, session: Rc::clone(&client.session) };
            Ok((child, to_child, Source::new(&client.event_loop, from_child).await?))
        };
        start.await.map_err(|error: io::Error| {
            let message = format!("cannot run `{name}`: {}", plain(&error));
            let failure = Failure { message, ..Failure::from(&error) };
            Halt::End(End::Error, Some(Trouble { failure, area: Area::Io }))
        })
    }

    /// A failure is told, and is no failure of the connection.
    async fn exited(&self) -> Result<(), Halt> {
        let status = self.child.transport.wait().await.map_err(ours)?;
        match status.success() {
            true => Ok(()),
            false => Err(Halt::because(End::Eof, io::Error::other(status.to_string()))),
        }
    }
}

/// The client has left or its time is up: nobody needs the rest.
impl Drop for Child {
    fn drop(&mut self) {
        let is_late = self.session.stage() == Stage::CutOff;
        // They may have exited, which is as good.
        let _ = self.child.transport.send_signal_to_group(if is_late { SIGKILL } else { SIGTERM });
    }
}

/// Not the client's fault.
fn ours(error: io::Error) -> Halt {
    Halt::because(End::Error, error)
}

/// Who the client is, in our words and in those of UCSPI (tcpserver).
fn tell_peer(command: &mut Command, peer: Option<SocketAddr>, local: Option<SocketAddr>) {
    command.env("PROTO", if local.is_some() { "TCP" } else { "UNIX" });
    let names = [("REMOTE", peer), ("LOCAL", local)];
    for (side, address) in names {
        let Some(address) = address else { continue };
        let (ip, port) = (address.ip().to_string(), address.port().to_string());
        command.env(format!("LOOPCTL_{side}_ADDR"), &ip).env(format!("TCP{side}IP"), ip);
        command.env(format!("LOOPCTL_{side}_PORT"), &port).env(format!("TCP{side}PORT"), port);
    }
}
