//! Stream connections on a scripted stream: the test decides when a call returns would-block, a partial result
//! or an error.

mod write_failure;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::rc::Rc;
use std::time::Duration;

use super::{CloseState, StreamTransport};
use crate::event_loop::{EventLoop, LoopExit, LoopHandle, Readiness, Source};
use crate::net::protocol::ProtocolRef;
use crate::net::socket::address_pair::AddressPair;
use crate::net::transport::raw_stream::{ByteStream, RawStream};
use crate::net::{AfterEof, BufferedProtocol, Protocol, Transport};
use crate::plan::Flow;

/// Script of the peer.
#[derive(Default)]
struct Script {
    reads: RefCell<VecDeque<io::Result<Vec<u8>>>>,
    /// The number of bytes that each send accepts; when empty, the stream is full.
    room: RefCell<VecDeque<io::Result<usize>>>,
    sent: RefCell<Vec<u8>>,
    ends: Cell<usize>,
    error: RefCell<Option<io::Error>>,
}

struct End(Rc<Script>);

impl ByteStream for End {
    fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let next = self.0.reads.borrow_mut().pop_front();
        let data = next.unwrap_or_else(|| Err(ErrorKind::WouldBlock.into()))?;
        let count = data.len().min(buffer.len());
        buffer[..count].copy_from_slice(&data[..count]);
        if count < data.len() {
            self.0.reads.borrow_mut().push_front(Ok(data[count..].to_vec()));
        }
        Ok(count)
    }

    fn has_more(&self) -> bool {
        matches!(self.0.reads.borrow().front(), Some(Ok(data)) if !data.is_empty())
    }

    fn send(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let next = self.0.room.borrow_mut().pop_front();
        let most = next.unwrap_or_else(|| Err(ErrorKind::WouldBlock.into()))?;
        let all = pieces.iter().flat_map(|piece| piece.iter().copied());
        let before = self.0.sent.borrow().len();
        self.0.sent.borrow_mut().extend(all.take(most));
        Ok(self.0.sent.borrow().len() - before)
    }

    fn shutdown(&self) -> io::Result<()> {
        self.0.ends.set(self.0.ends.get() + 1);
        Err(ErrorKind::NotConnected.into())
    }

    fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(self.0.error.take())
    }
}

type Log = Rc<RefCell<Vec<String>>>;
type Reaction = Rc<RefCell<dyn FnMut(&'static str, &Transport)>>;

/// A protocol that logs its calls and reacts to them.
struct Diary {
    log: Log,
    react: Reaction,
    transport: Option<Transport>,
}

impl Diary {
    fn note(&mut self, what: &'static str, detail: &str, transport: &Transport) {
        self.log.borrow_mut().push(format!("{what}{detail}"));
        self.react.borrow_mut()(what, transport);
    }
}

impl Protocol for Diary {
    fn connection_made(&mut self, transport: &Transport) {
        self.transport = Some(transport.clone());
        self.note("made", "", transport);
    }

    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        let text = format!(" {}", String::from_utf8_lossy(&data[..data.len().min(8)]));
        self.note("data", &text, transport);
    }

    fn eof_received(&mut self, transport: &Transport) -> AfterEof {
        self.note("eof", "", transport);
        AfterEof::KeepOpen
    }

    fn pause_writing(&mut self, transport: &Transport) {
        self.note("pause", "", transport);
    }

    fn resume_writing(&mut self, transport: &Transport) {
        self.note("resume", "", transport);
    }

    fn connection_lost(&mut self, error: Option<io::Error>) {
        let detail = error.map_or_else(String::new, |error| format!(" {:?}", error.kind()));
        let transport = self.transport.take().expect("made");
        self.note("lost", &detail, &transport);
    }
}

/// A loop with one scripted transport.
struct Bench {
    event_loop: EventLoop,
    script: Rc<Script>,
    transport: Transport,
    log: Log,
    reports: Log,
}

fn attach(event_loop: &LoopHandle, script: &Rc<Script>, log: &Log, react: Reaction) -> Transport {
    let diary = Diary { log: Rc::clone(log), react, transport: None };
    let raw = RawStream::Scripted(Box::new(End(Rc::clone(script))));
    let receiver = ProtocolRef::Plain(Rc::new(RefCell::new(diary)), || "diary");
    Transport(
        StreamTransport::start(event_loop, raw, AddressPair::default(), receiver, |_| ()).unwrap(),
    )
}

impl Bench {
    fn new() -> Self {
        Self::reacting(|_, _| ())
    }

    fn reacting(react: impl FnMut(&'static str, &Transport) + 'static) -> Self {
        Self::on(EventLoop::new().unwrap(), react)
    }

    fn on(event_loop: EventLoop, react: impl FnMut(&'static str, &Transport) + 'static) -> Self {
        let (script, log, reports) = (Rc::<Script>::default(), Log::default(), Log::default());
        let texts = Rc::clone(&reports);
        event_loop.handle().set_exception_handler(Some(Rc::new(move |_, context| {
            texts.borrow_mut().push(context.to_string());
        })));
        let react = Rc::new(RefCell::new(react));
        let transport = attach(&event_loop.handle(), &script, &log, react);
        Self { event_loop, script, transport, log, reports }
    }

    fn turns(&mut self, count: usize) {
        let turns = self.event_loop.enter().unwrap();
        (0..count).for_each(|_| turns.turn(Some(Duration::ZERO)).unwrap());
    }

    /// The poller speaks, and a few turns pass.
    fn ready(&mut self, readable: bool, writable: bool, read_closed: bool) {
        let connection = Rc::clone(&self.transport.0);
        connection.ready(&self.event_loop.handle(), Readiness { readable, writable, read_closed });
        self.turns(4);
    }

    fn has_room(&mut self, counts: &[usize]) {
        self.script.room.borrow_mut().extend(counts.iter().map(|count| Ok(*count)));
        self.ready(false, true, false);
    }

    fn receives(&mut self, reads: Vec<io::Result<Vec<u8>>>) {
        self.script.reads.borrow_mut().extend(reads);
        self.ready(true, false, false);
    }

    fn log(&self) -> Vec<String> {
        self.log.borrow().clone()
    }

    fn sent(&self) -> Vec<u8> {
        self.script.sent.borrow().clone()
    }
}

/// A server keeps one for each client, in a block of 144 bytes.
#[test]
fn tls_01_a_connection_without_tls_is_as_small_as_if_there_were_none() {
    // The scripted wires of these tests are wider than sockets.
    let scripted = size_of::<Option<RawStream>>() - size_of::<u64>();
    assert!(size_of::<StreamTransport>() - scripted <= 120, "{}", size_of::<StreamTransport>());
}

#[test]
fn trans_08_what_the_wire_does_not_take_is_kept() {
    let mut bench = Bench::new();
    bench.script.room.borrow_mut().push_back(Ok(2));
    assert_eq!(bench.transport.write(b"data"), Flow::Open);
    assert_eq!((bench.sent(), bench.transport.write_buffer_size()), (b"da".to_vec(), 2));
    assert_eq!(bench.transport.write(b"more"), Flow::Open);
    assert_eq!(bench.sent(), b"da", "nothing overtakes what waits");
    bench.has_room(&[1]);
    assert_eq!(bench.sent(), b"dat");
    bench.script.room.borrow_mut().push_back(Err(ErrorKind::Interrupted.into()));
    bench.has_room(&[usize::MAX]);
    assert_eq!((bench.sent(), bench.transport.write_buffer_size()), (b"datamore".to_vec(), 0));
}

#[test]
fn trans_08_the_memory_of_what_is_sent_is_given_back() {
    let mut bench = Bench::new();
    let _ = bench.transport.write(&[0; 1000]);
    assert!(bench.transport.0.io.borrow().cold.is_some());
    bench.has_room(&[usize::MAX]);
    assert!(bench.transport.0.io.borrow().cold.is_none());
}

#[test]
fn trans_04_a_failing_wire_is_the_error_that_ended_the_connection() {
    let mut bench = Bench::new();
    bench.receives(vec![Err(ErrorKind::Interrupted.into()), Ok(b"x".to_vec())]);
    bench.receives(vec![Err(ErrorKind::ConnectionReset.into())]);
    assert_eq!(bench.log(), ["made", "data x", "lost ConnectionReset"]);

    let mut bench = Bench::new();
    bench.script.room.borrow_mut().push_back(Err(ErrorKind::BrokenPipe.into()));
    assert_eq!(bench.transport.write(b"x"), Flow::Closed);
    assert_eq!(bench.log(), ["made"], "not from inside the write");
    bench.turns(2);
    assert_eq!(bench.log(), ["made", "lost BrokenPipe"]);
    assert!(bench.reports.borrow().is_empty(), "the network is no bug");
}

#[test]
fn trans_13_pause_above_the_high_mark_resume_at_the_low_one() {
    let mut bench = Bench::new();
    assert_eq!(bench.transport.write(&[0; 64 * 1024]), Flow::Open);
    bench.turns(2);
    assert_eq!(bench.log(), ["made"], "the mark itself is not above the mark");
    assert_eq!(bench.transport.write(&[0]), Flow::Full);
    assert_eq!(bench.log(), ["made"], "not from inside the write");
    bench.turns(2);
    assert_eq!(bench.log(), ["made", "pause"]);
    assert_eq!(bench.transport.write(&[0]), Flow::Full);
    bench.has_room(&[48 * 1024 + 1]);
    assert_eq!((bench.transport.write_buffer_size(), bench.log().len()), (16 * 1024 + 1, 2));
    bench.has_room(&[1]);
    assert_eq!(bench.log(), ["made", "pause", "resume"]);
}

#[test]
fn trans_13_who_saw_full_hears_of_room_although_the_queue_drained_first() {
    let mut bench = Bench::new();
    assert_eq!(bench.transport.write(&[0; 100_000]), Flow::Full);
    bench.has_room(&[usize::MAX, usize::MAX]);
    assert_eq!(bench.log(), ["made", "pause", "resume"]);
}

#[test]
fn trans_15_changed_limits_judge_what_waits() {
    let mut bench = Bench::new();
    let _ = bench.transport.write(&[0; 1000]);
    bench.transport.set_write_buffer_limits(Some(999), None).unwrap();
    bench.turns(2);
    assert_eq!(bench.log(), ["made", "pause"]);
    bench.transport.set_write_buffer_limits(None, Some(1000)).unwrap();
    bench.turns(2);
    assert_eq!(bench.log(), ["made", "pause", "resume"]);
    let error = bench.transport.set_write_buffer_limits(Some(0), Some(1)).unwrap_err();
    assert_eq!(error.to_string(), "high (0) must be >= low (1) must be >= 0");
    assert_eq!(bench.transport.write_buffer_limits().high, 4000, "as before");
}

#[test]
fn trans_16_a_panic_in_pause_or_resume_is_reported_and_the_transport_goes_on() {
    let mut bench = Bench::reacting(|what, _| assert!(!["pause", "resume"].contains(&what), "no"));
    let _ = bench.transport.write(&[0; 100_000]);
    bench.turns(2);
    bench.has_room(&[usize::MAX]);
    let reports = bench.reports.borrow().clone();
    assert!(reports[0].starts_with("protocol.pause_writing() failed"), "{reports:?}");
    assert!(reports[1].starts_with("protocol.resume_writing() failed"), "{reports:?}");
    assert!(!bench.transport.is_closing());
    assert_eq!(bench.log(), ["made", "pause", "resume"]);
}

#[test]
fn trans_17_resume_writing_may_write_to_another_transport() {
    let other: Rc<RefCell<Option<Transport>>> = Rc::default();
    let target = Rc::clone(&other);
    let mut bench = Bench::reacting(move |what, _| {
        if what == "resume" {
            let _ = target.borrow().as_ref().unwrap().write(&[1; 100_000]);
        }
    });
    let (script, log) = (Rc::<Script>::default(), Log::default());
    let quiet: Reaction = Rc::new(RefCell::new(|_: &'static str, _: &Transport| ()));
    *other.borrow_mut() = Some(attach(&bench.event_loop.handle(), &script, &log, quiet));
    let _ = bench.transport.write(&[0; 100_000]);
    bench.has_room(&[usize::MAX]);
    assert_eq!(*log.borrow(), ["made", "pause"]);
    assert_eq!(bench.log(), ["made", "pause", "resume"]);
}

#[test]
fn trans_18_resume_writing_may_close_or_abort() {
    for is_abort in [false, true] {
        let mut bench = Bench::reacting(move |what, transport| {
            if what == "resume" {
                if is_abort {
                    transport.abort()
                } else {
                    transport.close()
                }
                assert_eq!(transport.write(b"late"), Flow::Closed);
            }
        });
        let _ = bench.transport.write(&[0; 100_000]);
        bench.turns(2);
        bench.has_room(&[100_000 - 10]);
        bench.has_room(&[usize::MAX]);
        bench.turns(4);
        assert_eq!(bench.log(), ["made", "pause", "resume", "lost"], "abort: {is_abort}");
        assert!(bench.reports.borrow().is_empty(), "{:?}", bench.reports);
    }
}

#[test]
fn trans_27_what_resume_writing_writes_during_the_last_flush_is_sent() {
    let mut bench = Bench::reacting(|what, transport| {
        if what == "resume" {
            assert_eq!(transport.write(b"trailer"), Flow::Open);
        }
    });
    let _ = bench.transport.write(&[0; 100_000]);
    bench.turns(2);
    bench.transport.close();
    assert_eq!(bench.transport.write(b"late"), Flow::Closed);
    bench.has_room(&[usize::MAX, 2]);
    assert_eq!(bench.log(), ["made", "pause", "resume"], "the trailer is on its way");
    bench.has_room(&[usize::MAX]);
    assert_eq!(bench.log(), ["made", "pause", "resume", "lost"]);
    assert!(bench.sent().ends_with(b"\0trailer"));
}

#[test]
fn trans_21_pausing_in_connection_made_prevents_any_data() {
    let mut bench = Bench::reacting(|what, transport| {
        if what == "made" {
            transport.pause_reading();
            transport.pause_reading();
        }
    });
    bench.receives(vec![Ok(b"x".to_vec())]);
    assert!(!bench.transport.is_reading());
    assert_eq!(bench.log(), ["made"]);
    bench.transport.resume_reading();
    bench.transport.resume_reading();
    bench.turns(2);
    assert!(bench.transport.is_reading());
    assert_eq!(bench.log(), ["made", "data x"]);
}

#[test]
fn trans_22_after_close_pause_and_resume_do_nothing() {
    let mut bench = Bench::new();
    bench.transport.close();
    bench.transport.pause_reading();
    bench.transport.resume_reading();
    bench.receives(vec![Ok(b"x".to_vec())]);
    bench.transport.resume_reading();
    bench.turns(3);
    assert_eq!(bench.log(), ["made", "lost"]);
}

#[test]
fn trans_25_a_peer_that_is_gone_needs_no_end() {
    let mut bench = Bench::new();
    assert!(bench.transport.can_write_eof());
    let _ = bench.transport.write(b"x");
    bench.transport.write_eof();
    assert_eq!(bench.script.ends.get(), 0, "after what is queued");
    bench.has_room(&[usize::MAX]);
    bench.transport.write_eof();
    bench.turns(2);
    assert_eq!((bench.script.ends.get(), bench.log()), (1, vec!["made".to_owned()]));
    assert_eq!(bench.transport.write(b"x"), Flow::Closed);
    assert_eq!(bench.transport.writelines(&[b"x"]), Flow::Closed);
}

#[test]
fn trans_31_writelines_is_write_in_pieces() {
    let mut bench = Bench::new();
    bench.script.room.borrow_mut().push_back(Ok(4));
    assert_eq!(bench.transport.writelines(&["", "abc", "", "def"]), Flow::Open);
    assert_eq!((bench.sent(), bench.transport.write_buffer_size()), (b"abcd".to_vec(), 2));
    assert_eq!(bench.transport.writelines(&[[0; 40_000], [0; 40_000]]), Flow::Full);
    bench.turns(2);
    assert_eq!(bench.log(), ["made", "pause"]);
    bench.transport.abort();
    assert_eq!(bench.transport.writelines(&["x"]), Flow::Closed);
}

#[test]
fn trans_32_a_protocol_that_ends_the_run_is_released_all_the_same() {
    let mut bench = Bench::reacting(|what, _| {
        if what == "lost" {
            std::panic::resume_unwind(Box::new(LoopExit));
        }
    });
    bench.transport.close();
    let run = std::panic::AssertUnwindSafe(|| bench.turns(2));
    assert!(std::panic::catch_unwind(run).unwrap_err().is::<LoopExit>());
    let io = bench.transport.0.io.borrow();
    assert!(io.raw.is_none() && io.protocol.is_none());
}

#[test]
fn trans_07_a_reset_that_came_with_the_end_is_noticed() {
    let mut bench = Bench::new();
    *bench.script.error.borrow_mut() = Some(ErrorKind::ConnectionReset.into());
    bench.receives(vec![Ok(Vec::new())]);
    assert_eq!(bench.log(), ["made", "eof", "lost ConnectionReset"]);
}

#[test]
fn trans_38_a_short_read_is_not_the_last_when_the_end_is_near() {
    let mut bench = Bench::new();
    let pieces = [&b"one"[..], b"two", b""].map(|piece| Ok(piece.to_vec()));
    bench.script.reads.borrow_mut().extend(pieces);
    bench.ready(true, false, true);
    assert_eq!(bench.log(), ["made", "data one", "data two", "eof"]);
}

#[test]
fn trans_03_a_read_takes_at_most_its_budget_and_asks_for_another_turn() {
    let mut bench = Bench::new();
    bench.script.reads.borrow_mut().push_back(Ok(vec![b'a'; 150 * 1024]));
    let connection = Rc::clone(&bench.transport.0);
    connection
        .ready(&bench.event_loop.handle(), Readiness { readable: true, ..Readiness::default() });
    for turn in 1..=3 {
        bench.turns(1);
        assert_eq!(bench.log().len(), 1 + turn);
    }
    bench.turns(2);
    assert_eq!(bench.log().len(), 4, "the third read was short");
}

/// A protocol with a buffer of a given size, and the data received.
struct Buffered {
    buffer: Vec<u8>,
    all: Rc<RefCell<Vec<u8>>>,
    panics: bool,
}

impl BufferedProtocol for Buffered {
    fn get_buffer(&mut self) -> &mut [u8] {
        &mut self.buffer
    }

    fn buffer_updated(&mut self, _: &Transport, count: usize) {
        assert!(!self.panics, "broken");
        self.all.borrow_mut().extend_from_slice(&self.buffer[..count]);
    }
}

#[test]
fn buf_01_03_and_trans_35_plain_and_buffered_protocols_take_turns() {
    let (mut bench, all) = (Bench::new(), Rc::<RefCell<Vec<u8>>>::default());
    bench.receives(vec![Ok(b"plain".to_vec())]);
    let buffered = Buffered { buffer: vec![0; 4], all: Rc::clone(&all), panics: false };
    bench.transport.set_buffered_protocol(buffered);
    // BUF-03: more than the buffer holds takes several rounds.
    bench.receives(vec![Ok(b"several rounds".to_vec())]);
    assert_eq!(*all.borrow(), b"several rounds");
    let (log, quiet) = (Log::default(), Rc::new(RefCell::new(|_: &'static str, _: &Transport| ())));
    let transport = Some(bench.transport.clone());
    bench.transport.set_protocol(Diary { log: Rc::clone(&log), react: quiet, transport });
    bench.receives(vec![Ok(b"again".to_vec())]);
    bench.transport.close();
    bench.turns(2);
    assert_eq!(*log.borrow(), ["data again", "lost"]);
    assert_eq!(bench.log(), ["made", "data plain"]);
}

#[test]
fn buf_02_an_empty_buffer_or_a_panic_is_fatal() {
    for (size, panics, failed) in [(0, false, "get_buffer"), (4, true, "buffer_updated")] {
        let mut bench = Bench::new();
        bench.transport.set_buffered_protocol(Buffered {
            buffer: vec![0; size],
            all: Rc::default(),
            panics,
        });
        bench.receives(vec![Ok(b"x".to_vec())]);
        let reports = bench.reports.borrow().clone();
        let wanted = format!("Fatal error: protocol.{failed}() call failed.");
        assert!(reports.len() == 1 && reports[0].starts_with(&wanted), "{reports:?}");
        assert_eq!(size == 0, reports[0].contains("get_buffer() returned an empty buffer"));
        assert_eq!(bench.transport.0.state().close, CloseState::Closed);
    }
}

#[test]
fn trans_35_a_new_protocol_hears_of_a_full_queue() {
    let mut bench = Bench::new();
    let _ = bench.transport.write(&[0; 100_000]);
    bench.turns(2);
    let (log, quiet) = (Log::default(), Rc::new(RefCell::new(|_: &'static str, _: &Transport| ())));
    let transport = Some(bench.transport.clone());
    bench.transport.set_protocol(Diary { log: Rc::clone(&log), react: quiet, transport });
    bench.has_room(&[usize::MAX]);
    assert_eq!(bench.log(), ["made", "pause"]);
    assert_eq!(*log.borrow(), ["pause", "resume"]);
}
