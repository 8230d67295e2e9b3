//! `loopctl control`: shows or replaces the faults of a running server.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::config::ControlRequest;
use crate::exit::{Exit, ExitResult, FatalError};
use crate::output::writer;
use crate::util::message::plain;

/// Limit for the answer of the server, which judges a request at once.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Sends the request, and prints the faults in force.
///
/// # Errors
/// A server that cannot be reached, and faults that it refuses.
pub(crate) fn run(request: &ControlRequest) -> ExitResult {
    let answer = ask(request).map_err(|error| {
        let path = request.path.display();
        let text = format!("cannot reach a server at `unix:{path}`: {}", plain(error));
        FatalError::new(Exit::NotConnected, text)
    })?;
    match answer.split_once('\n') {
        Some(("ok", in_force)) => writer::print(in_force.as_bytes()),
        Some(("refused", reason)) => Err(FatalError::usage(reason.trim_end())),
        _ => {
            let text = "the server ended before it answered";
            Err(FatalError::new(Exit::ReceiveFailed, text))
        }
    }
}

fn ask(request: &ControlRequest) -> io::Result<String> {
    let mut stream = UnixStream::connect(&request.path)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let line = match &request.faults {
        None => "get\n".to_owned(),
        Some(faults) => format!("set {}\n", faults.join(" ")),
    };
    stream.write_all(line.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
