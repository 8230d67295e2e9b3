//! Counts the primes below each number on the threads of the executor: `cargo run --example cpu_work -- 1000000 2000000`.
//!
//! The loop goes on: it prints the progress every 500 ms. ^C lets work that runs end, and starts no other.
#![allow(clippy::print_stdout)]

use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::{Either, select};
use futures_util::stream::{FuturesUnordered, StreamExt};
use loopctl::{BoxError, LoopHandle};

const INTERVAL: Duration = Duration::from_millis(500);

/// `None` if it was asked to stop.
fn count_primes(below: u32, is_stopped: &AtomicBool) -> Option<usize> {
    let is_prime = |number: u32| {
        (2..)
            .take_while(|factor| factor * factor <= number)
            .all(|factor| !number.is_multiple_of(factor))
    };
    let mut count = 0;
    for number in 2..below {
        if number.is_multiple_of(1024) && is_stopped.load(Ordering::Relaxed) {
            return None;
        }
        count += usize::from(is_prime(number));
    }
    Some(count)
}

async fn work(event_loop: &LoopHandle, limits: Vec<u32>) -> Result<(), BoxError> {
    let is_stopped = Arc::new(AtomicBool::new(false));
    let jobs = limits.into_iter().map(|below| {
        let is_stopped = Arc::clone(&is_stopped);
        event_loop.run_in_executor(move || (below, count_primes(below, &is_stopped)))
    });
    let mut jobs: FuturesUnordered<_> = jobs.collect();
    let mut interrupted = event_loop.signal(libc::SIGINT);
    let mut ticks = event_loop.sleep(INTERVAL);
    while !jobs.is_empty() {
        match select(&mut interrupted, select(jobs.next(), &mut ticks)).await {
            Either::Left(_) => {
                is_stopped.store(true, Ordering::Relaxed);
                return Err("interrupted".into());
            }
            Either::Right((Either::Left((Some(result), _)), _)) => match result? {
                (below, Some(count)) => println!("{count} primes below {below}"),
                (below, None) => println!("{below}: stopped"),
            },
            Either::Right((Either::Left((None, _)), _)) => break,
            Either::Right((Either::Right(_), _)) => {
                println!("{} jobs to do", jobs.len());
                ticks = event_loop.sleep(INTERVAL);
            }
        }
    }
    Ok(())
}

fn main() -> Result<(), BoxError> {
    let limits = env::args().skip(1).map(|limit| limit.parse()).collect::<Result<_, _>>()?;
    loopctl::run(async |event_loop| work(&event_loop, limits).await)?
}
