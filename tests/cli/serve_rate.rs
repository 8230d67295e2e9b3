//! `--rate` and `--fault rate=`: as much as was asked for, and no more.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::served::Served;

/// Bytes a second that move within a second after the first ones.
fn measure(mut step: impl FnMut() -> usize) -> f64 {
    let (mut moved, begin) = (0, Instant::now());
    while begin.elapsed() < Duration::from_secs(1) {
        moved += step();
    }
    moved as f64 / begin.elapsed().as_secs_f64()
}

/// The best of five, because the machine does other things, too. It is never more than was asked for.
fn best(asked: f64, mut measure: impl FnMut() -> f64) -> f64 {
    (0..5)
        .map(|_| measure() / asked)
        .inspect(|share| assert!(*share < 1.1, "{share}"))
        .fold(0.0, f64::max)
}

fn reading(mut stream: TcpStream) -> impl FnMut() -> usize {
    let mut buffer = vec![0; 1 << 20];
    move || stream.read(&mut buffer).unwrap()
}

#[test]
fn a_reader_gets_what_was_asked_for_in_every_mode() {
    for (mode, asked) in [
        (&["--mode", "chargen"][..], 100_000.0),
        (&["--mode", "chargen"], 10_000_000.0),
        (&["--shell", "yes"], 10_000_000.0),
    ] {
        let rate = format!("{asked}/s");
        let server = Served::start(&[mode, &["--rate", &rate]].concat());
        let share = best(asked, || measure(reading(server.connect())));
        assert!(share > 0.7, "{mode:?} {asked}: {share}");
    }
}

#[test]
fn a_sender_is_taken_at_the_rate_too() {
    let server = Served::start(&["--mode", "discard", "--fault", "rate=10MB/s"]);
    let share = best(10e6, || {
        let mut stream = server.connect();
        // What the buffers of the kernel take is no rate.
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_millis(500) {
            let _ = stream.write(&[0; 65_536]).unwrap();
        }
        measure(|| stream.write(&[0; 65_536]).unwrap())
    });
    assert!(share > 0.7, "{share}");
}
