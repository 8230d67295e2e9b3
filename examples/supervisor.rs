//! Keeps a program running: `cargo run --example supervisor -- PROGRAM ARGUMENT...`.
//!
//! When the program ends, it is started again, after a pause that doubles from 100 ms to 5 s. SIGTERM and ^C end it:
//! SIGTERM first, SIGKILL after 2 s.
#![allow(clippy::print_stdout)]

use std::env;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use futures_util::future::{Either, select};
use loopctl::{BoxError, ChildStdio, LoopHandle, SubprocessTransport};

const GRACE: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

async fn stop(
    event_loop: &LoopHandle,
    child: &SubprocessTransport,
) -> Result<ExitStatus, BoxError> {
    child.terminate()?;
    if let Ok(status) = event_loop.timeout(GRACE, child.wait()).await {
        return Ok(status?);
    }
    child.kill()?;
    Ok(child.wait().await?)
}

async fn supervise(event_loop: LoopHandle, words: Vec<String>) -> Result<(), BoxError> {
    let (program, arguments) =
        words.split_first().ok_or("usage: supervisor PROGRAM ARGUMENT...")?;
    let mut terminated = event_loop.signal(libc::SIGTERM);
    let mut pause = FIRST_PAUSE;
    loop {
        let mut command = Command::new(program);
        command.args(arguments);
        let child = event_loop.subprocess_exec(command);
        let child = child
            .stdin(ChildStdio::Inherit)
            .stdout(ChildStdio::Inherit)
            .stderr(ChildStdio::Inherit);
        let child = child.spawn().await?;
        println!("{program} runs as process {}", child.pid());
        let started = event_loop.time();
        match select(&mut terminated, Box::pin(child.wait())).await {
            Either::Left(_) => {
                println!("{program} is stopped: {}", stop(&event_loop, child.transport()).await?);
                return Ok(());
            }
            Either::Right((status, _)) => println!("{program} has ended: {}", status?),
        }
        if event_loop.time() - started > LONGEST_PAUSE {
            pause = FIRST_PAUSE;
        }
        if let Either::Left(_) = select(&mut terminated, event_loop.sleep(pause)).await {
            return Ok(());
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn main() -> Result<(), BoxError> {
    let words = env::args().skip(1).collect();
    loopctl::run(async |event_loop| supervise(event_loop, words).await)?
}
