//! A peer that answers early and closes: the error of a send overtakes what has been received.

use std::pin::pin;
use std::sync::OnceLock;
use std::task::{Context, Waker};

use super::*;
use crate::event_loop::Clock;

const BYE: &[u8] = b"bye";

impl Bench {
    /// A send that fails, in the hands of the caller or of the loop.
    fn fails_to_send(&mut self, in_flush: bool, kind: ErrorKind) {
        let _ = self.transport.write(if in_flush { b"queued" } else { b"" });
        self.script.room.borrow_mut().push_back(Err(kind.into()));
        if in_flush {
            self.ready(false, true, false);
        } else {
            assert_eq!(self.transport.write(b"x"), Flow::Closed);
            assert!(!self.log().iter().any(|line| line.starts_with("lost")), "inside the write");
            self.turns(4);
        }
    }

    /// Adds data to read without an event of the poller.
    fn has_received(&self, reads: Vec<io::Result<Vec<u8>>>) {
        self.script.reads.borrow_mut().extend(reads);
    }

    /// After a failed send, with something received and reading paused.
    fn is_held(&mut self) {
        self.transport.pause_reading();
        self.has_received(vec![Ok(BYE.to_vec())]);
        self.fails_to_send(false, ErrorKind::BrokenPipe);
        assert_eq!(self.log(), ["made"]);
    }
}

#[test]
fn trans_04_what_had_come_before_a_failed_send_is_delivered() {
    for kind in [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset, ErrorKind::TimedOut] {
        for in_flush in [false, true] {
            let mut bench = Bench::new();
            bench.has_received(vec![Ok(b"early".to_vec()), Ok(BYE.to_vec())]);
            bench.fails_to_send(in_flush, kind);
            let lost = format!("lost {kind:?}");
            assert_eq!(bench.log(), ["made", "data early", "data bye", &lost], "{in_flush}");
            assert_eq!(bench.transport.write_buffer_size(), 0);
            bench.turns(4);
            assert_eq!(bench.log().len(), 4, "lost once");
            assert!(bench.reports.borrow().is_empty());
        }
    }
}

#[test]
fn trans_04_the_error_of_the_send_is_told_not_the_one_that_a_read_finds() {
    let mut bench = Bench::new();
    let interrupted = Err(ErrorKind::Interrupted.into());
    let reset = Err(ErrorKind::ConnectionReset.into());
    bench.has_received(vec![Ok(b"early".to_vec()), interrupted, Ok(BYE.to_vec()), reset]);
    bench.fails_to_send(false, ErrorKind::BrokenPipe);
    bench.turns(2);
    assert_eq!(bench.log(), ["made", "data early", "data bye", "lost BrokenPipe"]);
}

/// Linux says so: a read of nothing follows either error, and only one of them came after an end.
#[test]
fn trans_04_the_end_is_told_where_the_peer_sent_one() {
    for (kind, wanted) in [
        (ErrorKind::BrokenPipe, &["made", "data bye", "eof", "lost BrokenPipe"][..]),
        (ErrorKind::ConnectionReset, &["made", "data bye", "lost ConnectionReset"]),
    ] {
        let mut bench = Bench::new();
        bench.has_received(vec![Ok(BYE.to_vec()), Ok(Vec::new())]);
        bench.fails_to_send(false, kind);
        assert_eq!(bench.log(), wanted);
    }
}

#[test]
fn trans_04_what_had_come_is_delivered_a_read_a_turn() {
    let mut bench = Bench::new();
    bench.has_received(vec![Ok(vec![b'a'; 150 * 1024])]);
    bench.script.room.borrow_mut().push_back(Err(ErrorKind::BrokenPipe.into()));
    let _ = bench.transport.write(b"x");
    assert!(bench.transport.is_closing() && bench.transport.is_reading());
    for turn in 1..=3 {
        bench.turns(1);
        assert_eq!(bench.log().len(), 1 + turn);
    }
    bench.turns(1);
    assert_eq!(bench.log()[4], "lost BrokenPipe");
}

#[test]
fn trans_04_a_buffered_protocol_receives_what_had_come_too() {
    let (mut bench, all) = (Bench::new(), Rc::<RefCell<Vec<u8>>>::default());
    let buffered = Buffered { buffer: vec![0; 4], all: Rc::clone(&all), panics: false };
    bench.transport.set_buffered_protocol(buffered);
    bench.has_received(vec![Ok(b"several rounds".to_vec())]);
    bench.fails_to_send(false, ErrorKind::BrokenPipe);
    bench.turns(4);
    assert_eq!(*all.borrow(), b"several rounds");
    assert_eq!(bench.transport.0.state().close, CloseState::Closed);
}

#[test]
fn trans_04_after_a_failed_send_nothing_is_taken_or_finished() {
    let mut bench = Bench::reacting(|what, transport| {
        if what == "data" {
            assert_eq!(transport.write(b"thanks"), Flow::Closed);
            transport.write_eof();
        }
    });
    bench.has_received(vec![Ok(BYE.to_vec())]);
    bench.fails_to_send(true, ErrorKind::BrokenPipe);
    assert_eq!(bench.log(), ["made", "data bye", "lost BrokenPipe"]);
    assert_eq!((bench.sent(), bench.script.ends.get()), (Vec::new(), 0));
}

#[test]
fn trans_26_and_29_a_close_or_an_abort_loses_what_had_come() {
    for is_abort in [false, true] {
        let end = move |transport: &Transport| match is_abort {
            true => transport.abort(),
            false => transport.close(),
        };
        let mut bench = Bench::reacting(move |what, transport| {
            if what == "data" {
                end(transport);
            }
        });
        bench.has_received(vec![Ok(b"early".to_vec()), Ok(BYE.to_vec())]);
        bench.fails_to_send(false, ErrorKind::BrokenPipe);
        assert_eq!(bench.log(), ["made", "data early", "lost BrokenPipe"], "abort: {is_abort}");

        let mut bench = Bench::new();
        bench.is_held();
        end(&bench.transport);
        bench.turns(1);
        assert_eq!(bench.log(), ["made", "lost BrokenPipe"], "abort: {is_abort}");
        assert_eq!(Rc::weak_count(&bench.transport.0), 0, "no timer is left");

        let mut bench = Bench::new();
        let _ = bench.transport.write(b"queued");
        bench.transport.close();
        bench.has_received(vec![Ok(BYE.to_vec())]);
        bench.fails_to_send(true, ErrorKind::BrokenPipe);
        assert_eq!(bench.log(), ["made", "lost BrokenPipe"], "closed before: nothing is received");
    }
}

#[test]
fn trans_21_a_pause_keeps_what_had_come_before_a_failed_send() {
    for in_flush in [false, true] {
        let mut bench = Bench::new();
        bench.transport.pause_reading();
        bench.has_received(vec![Ok(BYE.to_vec()), Ok(Vec::new())]);
        bench.fails_to_send(in_flush, ErrorKind::BrokenPipe);
        assert_eq!(bench.log(), ["made"]);
        assert!(bench.transport.is_closing());
        bench.transport.resume_reading();
        bench.turns(2);
        assert_eq!(bench.log(), ["made", "data bye", "eof", "lost BrokenPipe"]);
    }
}

#[test]
fn trans_21_a_failed_send_is_told_at_once_where_nothing_had_come() {
    for reads in [vec![], vec![Ok(Vec::new())], vec![Err(ErrorKind::ConnectionReset.into())]] {
        let mut bench = Bench::new();
        bench.transport.pause_reading();
        bench.has_received(reads);
        let _ = bench.transport.write(&[0; 100_000]);
        bench.turns(2);
        bench.fails_to_send(true, ErrorKind::BrokenPipe);
        assert_eq!(bench.log(), ["made", "pause", "lost BrokenPipe"], "nothing to go on for");
    }
}

/// The pair that [`Protocol`] shows: reading pauses for as long as writing does.
#[test]
fn trans_21_who_reads_only_while_there_is_room_to_write_is_told_to_go_on() {
    let mut bench = Bench::reacting(|what, transport| match what {
        "pause" => transport.pause_reading(),
        "resume" => {
            assert_eq!(transport.write(b"x"), Flow::Closed);
            transport.resume_reading();
        }
        _ => {}
    });
    let _ = bench.transport.write(&[0; 100_000]);
    bench.turns(2);
    bench.has_received(vec![Ok(BYE.to_vec())]);
    bench.fails_to_send(true, ErrorKind::ConnectionReset);
    let wanted = ["made", "pause", "resume", "data bye", "lost ConnectionReset"];
    assert_eq!(bench.log(), wanted);

    let mut bench = Bench::new();
    let _ = bench.transport.write(&[0; 100_000]);
    bench.turns(2);
    bench.has_received(vec![Ok(BYE.to_vec())]);
    bench.fails_to_send(true, ErrorKind::ConnectionReset);
    let wanted = ["made", "pause", "data bye", "lost ConnectionReset"];
    assert_eq!(bench.log(), wanted, "who reads all the time hears no more of writing");
}

#[test]
fn trans_21_a_pause_in_the_midst_of_what_had_come_is_kept_too() {
    let mut bench = Bench::reacting(|what, transport| {
        if what == "data" {
            transport.pause_reading();
        }
    });
    bench.has_received(vec![Ok(b"early".to_vec()), Ok(BYE.to_vec())]);
    bench.fails_to_send(false, ErrorKind::BrokenPipe);
    assert_eq!(bench.log(), ["made", "data early"]);
    bench.transport.resume_reading();
    bench.turns(3);
    assert_eq!(bench.log(), ["made", "data early", "data bye", "lost BrokenPipe"], "nothing more");
}

/// The log's word on bytes that are lost; other tests log as well.
struct Warnings(OnceLock<()>);

static WARNINGS: Warnings = Warnings(OnceLock::new());

impl log::Log for Warnings {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.args().to_string().contains("received data is lost") {
            self.0.get_or_init(|| ());
        }
    }

    fn flush(&self) {}
}

#[test]
fn trans_21_a_pause_that_does_not_end_does_not_keep_the_connection_for_ever() {
    let start = EventLoop::new().unwrap().handle().time();
    let event_loop = EventLoop::with_clock(Clock::Manual(start)).unwrap();
    let mut bench = Bench::on(event_loop, |_, _| ());
    let pass = |bench: &mut Bench, seconds| {
        let turns = bench.event_loop.enter().unwrap();
        turns.turn(Some(Duration::from_secs(seconds))).unwrap();
        turns.turn(Some(Duration::ZERO)).unwrap();
    };
    bench.is_held();
    pass(&mut bench, 59);
    // A resumed reader restarts the minute.
    bench.transport.resume_reading();
    bench.transport.pause_reading();
    bench.turns(2);
    pass(&mut bench, 59);
    assert_eq!(bench.log(), ["made"]);
    log::set_logger(&WARNINGS).expect("the only test that looks");
    log::set_max_level(log::LevelFilter::Warn);
    pass(&mut bench, 1);
    assert_eq!(bench.log(), ["made", "lost BrokenPipe"]);
    assert!(WARNINGS.0.get().is_some(), "not without a word");
    assert!(bench.transport.0.io.borrow().raw.is_none());
}

#[test]
fn strm_02_who_waits_for_room_hears_of_a_failed_send_although_reading_is_paused() {
    let mut bench = Bench::new();
    bench.transport.pause_reading();
    let _ = bench.transport.write(&[0; 100_000]);
    let handle = bench.event_loop.handle();
    let drain = |bench: &Bench| {
        let transport = bench.transport.clone();
        handle.create_task(async move { transport.drain().await.map_err(|error| error.kind()) })
    };
    let early = drain(&bench);
    bench.turns(2);
    bench.has_received(vec![Ok(BYE.to_vec())]);
    bench.fails_to_send(true, ErrorKind::BrokenPipe);
    let late = drain(&bench);
    let mut again = pin!(bench.transport.drain());
    let now = again.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(now.is_pending(), "who tries again and again lets others have a turn");
    for task in [early, late] {
        let drained = bench.event_loop.run_until_complete(task).unwrap();
        assert_eq!(drained.unwrap(), Err(ErrorKind::BrokenPipe));
    }
    assert_eq!(bench.log(), ["made", "pause", "resume"], "the answer is not lost");
}

#[test]
fn exc_10_what_had_come_is_delivered_also_after_an_exit() {
    for pauses in [false, true] {
        let mut bench = Bench::reacting(move |what, transport| {
            if what == "data" {
                if pauses {
                    transport.pause_reading();
                }
                std::panic::resume_unwind(Box::new(LoopExit));
            }
        });
        bench.has_received(vec![Ok(BYE.to_vec())]);
        bench.script.room.borrow_mut().push_back(Err(ErrorKind::BrokenPipe.into()));
        let _ = bench.transport.write(b"x");
        let run = std::panic::AssertUnwindSafe(|| bench.turns(2));
        assert!(std::panic::catch_unwind(run).unwrap_err().is::<LoopExit>());
        bench.turns(2);
        assert_eq!(bench.log(), ["made", "data bye", "lost BrokenPipe"], "pauses: {pauses}");
    }
}
