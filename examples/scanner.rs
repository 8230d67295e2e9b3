//! Finds the open ports of a host: `cargo run --example scanner -- localhost 1 1024`.
//!
//! At most 200 connections are in progress at a time, each for at most one second.
#![allow(clippy::print_stdout)]

use std::env;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use loopctl::{BoxError, LoopHandle};

const IN_PROGRESS: usize = 200;
const LIMIT: Duration = Duration::from_secs(1);

async fn is_open(event_loop: &LoopHandle, host: &str, port: u16) -> bool {
    let connecting = event_loop.create_connection(host, port).timeout(LIMIT);
    match connecting.open_stream().await {
        Ok((_reader, mut writer)) => {
            writer.close();
            true
        }
        Err(_) => false,
    }
}

fn main() -> Result<(), BoxError> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [host, first, last] = arguments.as_slice() else {
        return Err("usage: scanner HOST FIRST-PORT LAST-PORT".into());
    };
    let ports = first.parse()?..=last.parse::<u16>()?;
    loopctl::run(async |event_loop| {
        let probes = ports.map(async |port| (port, is_open(&event_loop, host, port).await));
        let mut results = stream::iter(probes).buffered(IN_PROGRESS);
        while let Some((port, is_open)) = results.next().await {
            if is_open {
                println!("{port}");
            }
        }
    })?;
    Ok(())
}
