//! Transports: what the protocol hears, and in which order.

use std::cell::{Cell, RefCell};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use loopctl::{AfterEof, Connection, LoopHandle, Protocol, Transport};

use crate::support::{Recorder, Reports, Seen, Server, pattern, reset, run, turns, until};

async fn connect<P: Protocol>(event_loop: &LoopHandle, protocol: P) -> (Connection<P>, TcpStream) {
    let server = Server::new();
    let connecting = event_loop.create_connection_to([server.address()]);
    let connection = connecting.open(|| protocol).await.unwrap();
    (connection, server.accept())
}

struct Echo;

impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        let _ = transport.write(data);
    }
}

#[test]
fn trans_01_made_data_eof_lost() {
    run(async |event_loop| {
        let (connection, mut peer) = connect(&event_loop, Recorder::new()).await;
        peer.write_all(b"one").unwrap();
        until(&event_loop, || connection.with(|recorder| recorder.data() == b"one")).await;
        peer.write_all(b" two").unwrap();
        drop(peer);
        connection.transport.wait_closed().await;
        turns(&event_loop, 3).await;
        let data = Seen::Data(b"one two".to_vec());
        let wanted = [Seen::Made, data, Seen::Eof, Seen::Lost(None)];
        assert_eq!(connection.with(|recorder| recorder.seen.clone()), wanted);
    });
}

/// Both ends are transports, and neither can take a megabyte at once.
#[test]
fn trans_08_a_megabyte_there_and_back() {
    run(async |event_loop| {
        let (server, whole) = (Server::new(), pattern(1 << 20));
        let connecting = event_loop.create_connection_to([server.address()]);
        let client = connecting.open(Recorder::new).await.unwrap();
        event_loop.create_connection_on(server.accept()).open(|| Echo).await.unwrap();
        for _ in 0..8 {
            let _ = client.transport.write(&whole);
        }
        assert!(client.transport.write_buffer_size() > 0, "nothing was written in parts");
        client.transport.write_eof();
        client.transport.wait_closed().await;
        let data = client.with(|recorder| recorder.data());
        assert_eq!(data.len(), 8 << 20);
        assert!(data == whole.repeat(8), "every byte in its place");
        assert!(client.with(|recorder| recorder.seen.ends_with(&[Seen::Eof, Seen::Lost(None)])));
    });
}

/// Notes in which turn each piece of data came.
struct Turns {
    turn: Rc<Cell<usize>>,
    seen: Vec<usize>,
}

impl Protocol for Turns {
    fn data_received(&mut self, _: &Transport, _: &[u8]) {
        self.seen.push(self.turn.get());
    }
}

fn count_turns(event_loop: &LoopHandle, turn: Rc<Cell<usize>>) {
    turn.set(turn.get() + 1);
    let again = event_loop.clone();
    event_loop.call_soon(move || count_turns(&again, turn));
}

#[test]
fn trans_03_one_read_a_turn_leaves_room_for_others() {
    run(async |event_loop| {
        let turn = Rc::new(Cell::new(0));
        let protocol = Turns { turn: Rc::clone(&turn), seen: Vec::new() };
        let (connection, peer) = connect(&event_loop, protocol).await;
        peer.set_nonblocking(true).unwrap();
        while (&peer).write(&[0; 64 * 1024]).is_ok() {}
        count_turns(&event_loop, turn);
        until(&event_loop, || connection.with(|turns| turns.seen.len() >= 3)).await;
        let seen = connection.with(|turns| turns.seen.clone());
        assert!(seen.is_sorted_by(|earlier, later| earlier < later), "{seen:?}");
        connection.transport.abort();
    });
}

#[test]
fn trans_04_a_reset_is_the_error_that_ended_the_connection() {
    run(async |event_loop| {
        let reports = Reports::of(&event_loop);
        let (connection, peer) = connect(&event_loop, Recorder::new()).await;
        reset(peer);
        connection.transport.wait_closed().await;
        let wanted = [Seen::Made, Seen::Lost(Some(ErrorKind::ConnectionReset))];
        assert_eq!(connection.with(|recorder| recorder.seen.clone()), wanted);
        assert!(reports.texts().is_empty(), "the network is no bug: {:?}", reports.texts());
    });
}

#[test]
fn trans_04_data_before_a_reset_of_the_writing_side() {
    run(async |event_loop| {
        let (connection, peer) = connect(&event_loop, Recorder::new()).await;
        reset(peer);
        let _ = connection.transport.write(&pattern(1 << 20));
        connection.transport.wait_closed().await;
        let last = connection.with(|recorder| recorder.seen.last().cloned());
        let kinds = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
        assert!(kinds.iter().any(|kind| last == Some(Seen::Lost(Some(*kind)))), "{last:?}");
    });
}

/// Panics where it is told to.
struct Broken {
    at: &'static str,
    lost: Rc<RefCell<Vec<Option<String>>>>,
}

impl Broken {
    fn check(&self, here: &str) {
        assert!(self.at != here, "broken in {here}");
    }
}

impl Protocol for Broken {
    fn data_received(&mut self, _: &Transport, _: &[u8]) {
        self.check("data_received");
    }

    fn eof_received(&mut self, _: &Transport) -> AfterEof {
        self.check("eof_received");
        AfterEof::Close
    }

    fn connection_lost(&mut self, error: Option<std::io::Error>) {
        self.lost.borrow_mut().push(error.map(|error| error.to_string()));
        self.check("connection_lost");
    }
}

async fn break_in(event_loop: &LoopHandle, at: &'static str) -> (Vec<String>, Vec<Option<String>>) {
    let reports = Reports::of(event_loop);
    let lost = Rc::new(RefCell::new(Vec::new()));
    let (connection, mut peer) = connect(event_loop, Broken { at, lost: Rc::clone(&lost) }).await;
    peer.write_all(b"x").unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    connection.transport.wait_closed().await;
    assert!(matches!(peer.read(&mut [0]), Ok(0) | Err(_)), "the socket is closed");
    let lost = lost.borrow().clone();
    (reports.texts(), lost)
}

#[test]
fn trans_05_a_panic_in_a_callback_is_fatal_and_reported() {
    run(async |event_loop| {
        for method in ["data_received", "eof_received"] {
            let (reports, lost) = break_in(&event_loop, method).await;
            let first = format!("Fatal error: protocol.{method}() call failed.");
            assert!(reports.len() == 1 && reports[0].starts_with(&first), "{reports:?}");
            assert!(reports[0].contains(&format!("broken in {method}")), "{reports:?}");
            assert!(reports[0].contains("\ntransport: <Transport closing"), "{reports:?}");
            let [Some(error)] = &lost[..] else { panic!("{lost:?}") };
            assert!(error.contains(&format!("broken in {method}")), "{error}");
        }
    });
}

#[test]
fn trans_32_a_panic_in_connection_lost_closes_all_the_same() {
    run(async |event_loop| {
        let (reports, lost) = break_in(&event_loop, "connection_lost").await;
        assert!(reports.len() == 1 && reports[0].contains("connection_lost"), "{reports:?}");
        assert_eq!(lost, [None], "called once");
    });
}

/// Ends the run when it hears of data, or else of the end.
struct Exits {
    in_the_end: bool,
}

impl Protocol for Exits {
    fn data_received(&mut self, _: &Transport, _: &[u8]) {
        if !self.in_the_end {
            exit();
        }
    }

    fn connection_lost(&mut self, _: Option<std::io::Error>) {
        if self.in_the_end {
            exit();
        }
    }
}

pub(crate) fn exit() -> ! {
    std::panic::resume_unwind(Box::new(loopctl::LoopExit));
}

pub(crate) fn run_to_exit(event_loop: &mut loopctl::EventLoop) {
    let run = std::panic::AssertUnwindSafe(|| event_loop.run_forever());
    assert!(std::panic::catch_unwind(run).unwrap_err().is::<loopctl::LoopExit>());
}

#[test]
fn exc_10_an_exit_in_connection_lost_closes_all_the_same() {
    let mut event_loop = loopctl::EventLoop::new().unwrap();
    let handle = event_loop.handle();
    let connecting = connect(&handle, Exits { in_the_end: true });
    let (connection, mut peer) = event_loop.run_until_complete(connecting).unwrap();
    connection.transport.close();
    run_to_exit(&mut event_loop);
    assert_eq!(peer.read(&mut [0]).unwrap(), 0, "the descriptor is closed");
    event_loop.run_until_complete(connection.transport.wait_closed()).unwrap();
}

#[test]
fn exc_10_what_came_before_an_exit_and_was_not_read_is_read_in_the_next_run() {
    let mut event_loop = loopctl::EventLoop::new().unwrap();
    let handle = event_loop.handle();
    let connecting = connect(&handle, Exits { in_the_end: false });
    let (connection, mut peer) = event_loop.run_until_complete(connecting).unwrap();
    peer.write_all(b"x").unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    run_to_exit(&mut event_loop);
    let end_of_file = handle.timeout(Duration::from_secs(10), connection.transport.wait_closed());
    assert_eq!(event_loop.run_until_complete(end_of_file).unwrap(), Ok(()));
}

/// What others read goes on after a run that a protocol ended.
#[test]
fn exc_10_an_exit_in_a_protocol_leaves_the_others_readable() {
    let mut event_loop = loopctl::EventLoop::new().unwrap();
    let handle = event_loop.handle();
    let connecting = async {
        (
            connect(&handle, Exits { in_the_end: false }).await,
            connect(&handle, Recorder::new()).await,
        )
    };
    let ((_exits, mut one), (recorder, mut two)) =
        event_loop.run_until_complete(connecting).unwrap();
    one.write_all(b"x").unwrap();
    run_to_exit(&mut event_loop);
    two.write_all(b"hello").unwrap();
    let heard =
        async { until(&handle, || recorder.with(|recorder| recorder.seen.len() > 1)).await };
    event_loop.run_until_complete(heard).unwrap();
    assert_eq!(recorder.with(|recorder| recorder.data()), b"hello");
}

#[test]
fn trans_06_a_connection_kept_open_after_eof_can_write() {
    run(async |event_loop| {
        let (connection, mut peer) = connect(&event_loop, Recorder::keeping_open()).await;
        peer.shutdown(Shutdown::Write).unwrap();
        until(&event_loop, || connection.with(|recorder| recorder.has_eof())).await;
        turns(&event_loop, 3).await;
        assert!(!connection.transport.is_closing());
        let _ = connection.transport.write(b"after the end");
        connection.transport.close();
        let mut text = String::new();
        connection.transport.wait_closed().await;
        peer.read_to_string(&mut text).unwrap();
        assert_eq!(text, "after the end");
        let wanted = [Seen::Made, Seen::Eof, Seen::Lost(None)];
        assert_eq!(connection.with(|recorder| recorder.seen.clone()), wanted);
    });
}

/// CPython's transports sleep through it.
#[test]
fn trans_07_a_reset_after_eof_is_noticed_at_once() {
    run(async |event_loop| {
        let (connection, peer) = connect(&event_loop, Recorder::keeping_open()).await;
        peer.shutdown(Shutdown::Write).unwrap();
        until(&event_loop, || connection.with(|recorder| recorder.has_eof())).await;
        reset(peer);
        connection.transport.wait_closed().await;
        let last = connection.with(|recorder| recorder.seen.last().cloned());
        assert!(matches!(last, Some(Seen::Lost(Some(_)))), "{last:?}");
    });
}

#[test]
fn trans_38_all_bytes_before_the_end_are_delivered() {
    run(async |event_loop| {
        let (connection, mut peer) = connect(&event_loop, Recorder::new()).await;
        let whole = pattern(3 << 20);
        let expected = whole.clone();
        let sent = event_loop.run_in_executor(move || peer.write_all(&whole));
        sent.await.unwrap().unwrap();
        connection.transport.wait_closed().await;
        assert!(connection.with(|recorder| recorder.data() == expected));
        assert!(connection.with(|recorder| recorder.has_eof()));
    });
}
