//! Datagram endpoints: queues, limits, budgets, ends. A Unix socket's peer that does not read makes a
//! would-block that is no luck.

use std::cell::RefCell;
use std::os::unix::net::UnixDatagram;
use std::rc::Rc;

use loopctl::{
    Address, DatagramProtocol, DatagramTransport, Endpoint, EventLoop, LoopHandle, WriteLimits,
};

use crate::datagram::Diary;
use crate::support::{Reports, in_child, run, start_logging, take_logged, turns, until};
use crate::transport::{exit, run_to_exit};

type Pair = (Endpoint<DatagramTransport, Diary>, UnixDatagram);

async fn pair(event_loop: &LoopHandle) -> Pair {
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    (event_loop.create_datagram_endpoint().socket(ours).open(Diary::new).await.unwrap(), theirs)
}

/// Sends until something is queued; returns how many went.
fn fill(transport: &DatagramTransport) -> usize {
    let mut sent = 0;
    while transport.write_buffer_size() == 0 {
        transport.send_to(&number(sent), None).unwrap();
        sent += 1;
    }
    sent
}

fn number(at: usize) -> [u8; 8] {
    (at as u64).to_be_bytes()
}

/// Everything the peer has received and will receive, until `count` datagrams are there.
async fn drain(event_loop: &LoopHandle, theirs: &UnixDatagram, count: usize) -> Vec<Vec<u8>> {
    let mut received = Vec::new();
    let mut buffer = [0; 64];
    until(event_loop, || {
        while let Ok(length) = theirs.recv(&mut buffer) {
            received.push(buffer[..length].to_vec());
        }
        received.len() >= count
    })
    .await;
    received
}

#[test]
fn udp_14_a_queued_datagram_counts_eight_bytes_more() {
    run(async |event_loop| {
        let (endpoint, theirs) = pair(&event_loop).await;
        let transport = &endpoint.transport;
        let sent = fill(transport);
        assert_eq!(transport.write_buffer_size(), 8 + 8);
        transport.send_to(b"", None).unwrap();
        transport.send_to(b"abc", None).unwrap();
        assert_eq!(transport.write_buffer_size(), 16 + 8 + 11);
        drain(&event_loop, &theirs, sent + 2).await;
        assert_eq!(transport.write_buffer_size(), 0);
    });
}

#[test]
fn udp_15_queued_datagrams_keep_their_order() {
    run(async |event_loop| {
        let (endpoint, theirs) = pair(&event_loop).await;
        let mut count = fill(&endpoint.transport);
        for _ in 0..1000 {
            endpoint.transport.send_to(&number(count), None).unwrap();
            count += 1;
        }
        let wanted: Vec<_> = (0..count).map(|at| number(at).to_vec()).collect();
        assert_eq!(drain(&event_loop, &theirs, count).await, wanted);
    });
}

#[test]
fn udp_16_what_is_queued_is_a_copy() {
    run(async |event_loop| {
        let (endpoint, theirs) = pair(&event_loop).await;
        let sent = fill(&endpoint.transport);
        let mut data = *b"before";
        endpoint.transport.send_to(&data, None).unwrap();
        data.copy_from_slice(b"after!");
        let received = drain(&event_loop, &theirs, sent + 1).await;
        assert_eq!(received.last().unwrap(), b"before");
        assert_eq!(&data, b"after!");
    });
}

#[test]
fn udp_17_close_sends_the_queue_first() {
    run(async |event_loop| {
        let (endpoint, theirs) = pair(&event_loop).await;
        let sent = fill(&endpoint.transport);
        endpoint.transport.send_to(b"last", None).unwrap();
        endpoint.transport.close();
        endpoint.transport.close();
        assert!(endpoint.transport.is_closing());
        endpoint.transport.send_to(b"too late", None).unwrap();
        turns(&event_loop, 5).await;
        assert_eq!(endpoint.with(|diary| diary.told.clone()), ["made"], "not all is sent");
        assert_eq!(drain(&event_loop, &theirs, sent + 1).await.last().unwrap(), b"last");
        endpoint.transport.wait_closed().await;
        assert_eq!(endpoint.with(|diary| diary.told.clone()), ["made", "lost None"]);
        assert!(theirs.recv(&mut [0; 16]).is_err(), "what came after the close is dropped");
    });
}

#[test]
fn udp_17_abort_drops_the_queue() {
    run(async |event_loop| {
        let (endpoint, theirs) = pair(&event_loop).await;
        let sent = fill(&endpoint.transport);
        endpoint.transport.abort();
        endpoint.transport.wait_closed().await;
        assert_eq!(endpoint.with(|diary| diary.told.clone()), ["made", "lost None"]);
        assert_eq!(drain(&event_loop, &theirs, sent - 1).await.len(), sent - 1);
    });
}

#[test]
fn udp_17_who_goes_on_sending_is_warned_from_the_fifth_time_on() {
    in_child("datagram_flow::udp_17_who_goes_on_sending_is_warned_from_the_fifth_time_on", || {
        start_logging();
        run(async |event_loop| {
            let (endpoint, _theirs) = pair(&event_loop).await;
            endpoint.transport.close();
            (0..4).for_each(|_| endpoint.transport.send_to(b"x", None).unwrap());
            assert_eq!(take_logged(), [""; 0]);
            endpoint.transport.wait_closed().await;
            endpoint.transport.send_to(b"x", None).unwrap();
            assert_eq!(take_logged(), ["WARN: socket.send() raised exception."]);
        });
    });
}

#[test]
fn trans_13_pause_and_resume_alternate_and_come_from_the_queue() {
    run(async |event_loop| {
        let (endpoint, theirs) = pair(&event_loop).await;
        let transport = &endpoint.transport;
        transport.set_write_buffer_limits(Some(100), Some(20)).unwrap();
        assert_eq!(transport.write_buffer_limits(), WriteLimits { low: 20, high: 100 });
        let mut sent = fill(transport);
        while transport.write_buffer_size() <= 100 {
            transport.send_to(&number(sent), None).unwrap();
            sent += 1;
        }
        assert_eq!(endpoint.with(|diary| diary.told.len()), 1, "not from inside the call");
        turns(&event_loop, 2).await;
        assert_eq!(endpoint.with(|diary| diary.told.clone()), ["made", "pause"]);
        drain(&event_loop, &theirs, sent).await;
        until(&event_loop, || endpoint.with(|diary| diary.told.len()) == 3).await;
        assert_eq!(endpoint.with(|diary| diary.told.clone()), ["made", "pause", "resume"]);
    });
}

#[test]
fn trans_14_limits_that_contradict_each_other_change_nothing() {
    run(async |event_loop| {
        let (endpoint, _theirs) = pair(&event_loop).await;
        endpoint.transport.set_write_buffer_limits(None, Some(1024)).unwrap();
        let error = endpoint.transport.set_write_buffer_limits(Some(128), Some(256)).unwrap_err();
        assert_eq!(error.to_string(), "high (128) must be >= low (256) must be >= 0");
        let limits = endpoint.transport.write_buffer_limits();
        assert_eq!(limits, WriteLimits { low: 1024, high: 4096 });
    });
}

#[test]
fn udp_18_a_burst_is_received_to_the_end_and_leaves_others_their_turn() {
    const BURST: usize = 100;
    struct Counting(Rc<RefCell<Vec<&'static str>>>);
    impl DatagramProtocol for Counting {
        fn datagram_received(&mut self, _: &DatagramTransport, _: &[u8], _: Option<&Address>) {
            self.0.borrow_mut().push("datagram");
        }
    }
    run(async |event_loop| {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let ours = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let theirs = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..BURST {
            theirs.send_to(b"x", ours.local_addr().unwrap()).unwrap();
        }
        let notes = Rc::clone(&seen);
        let opening = event_loop.create_datagram_endpoint().socket(ours).open(|| Counting(notes));
        let _endpoint = opening.await.unwrap();
        let received = || seen.borrow().iter().filter(|what| **what == "datagram").count();
        while received() < BURST {
            seen.borrow_mut().push("turn");
            turns(&event_loop, 1).await;
        }
        let longest = seen.borrow().split(|what| *what == "turn").map(<[_]>::len).max().unwrap();
        assert!(longest <= 32, "{longest} datagrams in one turn");
    });
}

#[test]
fn udp_21_a_pause_holds_datagrams_back() {
    run(async |event_loop| {
        let (endpoint, theirs) = pair(&event_loop).await;
        endpoint.transport.pause_reading();
        endpoint.transport.pause_reading();
        assert!(!endpoint.transport.is_reading());
        theirs.send(b"later").unwrap();
        turns(&event_loop, 5).await;
        assert!(endpoint.with(|diary| diary.received.is_empty()));
        endpoint.transport.resume_reading();
        until(&event_loop, || endpoint.with(|diary| diary.data() == [b"later"])).await;
    });
}

/// Linux wakes nobody when the queue of a Unix socket empties that the sender is not connected to.
#[test]
fn udp_11_a_full_peer_that_we_are_not_connected_to_is_tried_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("peer");
    let theirs = UnixDatagram::bind(&path).unwrap();
    theirs.set_nonblocking(true).unwrap();
    run(async |event_loop| {
        let to = Address::Unix(path.clone());
        let ours = UnixDatagram::unbound().unwrap();
        let endpoint =
            event_loop.create_datagram_endpoint().socket(ours).open(Diary::new).await.unwrap();
        let mut sent = 0;
        while endpoint.transport.write_buffer_size() < 100 {
            endpoint.transport.send_to(&number(sent), Some(&to)).unwrap();
            sent += 1;
        }
        assert_eq!(drain(&event_loop, &theirs, sent).await.len(), sent);
        assert_eq!(endpoint.transport.write_buffer_size(), 0);
    });
}

#[test]
fn udp_a_protocol_that_panics_is_reported_and_the_endpoint_lives() {
    struct Fragile(usize);
    impl DatagramProtocol for Fragile {
        fn datagram_received(&mut self, _: &DatagramTransport, _: &[u8], _: Option<&Address>) {
            self.0 += 1;
            assert!(self.0 > 1, "not today");
        }
    }
    run(async |event_loop| {
        let reports = Reports::of(&event_loop);
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        let opening = event_loop.create_datagram_endpoint().socket(ours).open(|| Fragile(0));
        let endpoint = opening.await.unwrap();
        theirs.send(b"one").unwrap();
        theirs.send(b"two").unwrap();
        until(&event_loop, || endpoint.with(|fragile| fragile.0) == 2).await;
        let texts = reports.texts();
        assert!(texts[0].starts_with("protocol.datagram_received() call failed."), "{texts:?}");
        assert!(texts[0].contains("<DatagramTransport open bufsize=0>"), "{texts:?}");
        assert!(!endpoint.transport.is_closing());
    });
}

#[test]
fn dbg_10_the_start_is_logged_in_debug_mode() {
    in_child("datagram_flow::dbg_10_the_start_is_logged_in_debug_mode", || {
        start_logging();
        let mut event_loop = EventLoop::new().unwrap();
        let handle = event_loop.handle();
        handle.set_debug(true);
        let opening = handle.create_datagram_endpoint().local("127.0.0.1", 0).open(Diary::new);
        let _endpoint = event_loop.run_until_complete(opening).unwrap().unwrap();
        let line = "DEBUG: Datagram endpoint local_addr=127.0.0.1 remote_addr=None created: \
                    <DatagramTransport open bufsize=0>";
        let logged = take_logged();
        assert!(logged.iter().any(|it| it == line), "{logged:?}");
    });
}

/// Ends the run at every error, or answers it with a datagram that fails as well.
struct Errors {
    codes: Vec<Option<i32>>,
    exits: bool,
}

impl DatagramProtocol for Errors {
    fn datagram_received(&mut self, _: &DatagramTransport, _: &[u8], _: Option<&Address>) {}

    fn error_received(&mut self, transport: &DatagramTransport, error: std::io::Error) {
        self.codes.push(error.raw_os_error());
        if self.exits {
            exit();
        }
        fail(transport, 1);
    }
}

/// Too long, not allowed without an option, no port.
fn fail(transport: &DatagramTransport, count: usize) {
    let long = vec![0; 70_000];
    let cases = [("127.0.0.1:9", &long[..]), ("127.255.255.255:9", b"x"), ("127.0.0.1:0", b"x")];
    for (to, data) in &cases[..count] {
        let to = Address::from(to.parse::<std::net::SocketAddr>().unwrap());
        transport.send_to(data, Some(&to)).unwrap();
    }
}

async fn open(event_loop: &LoopHandle, exits: bool) -> Endpoint<DatagramTransport, Errors> {
    let creating = event_loop.create_datagram_endpoint().family(loopctl::plan::Family::Inet);
    creating.open(|| Errors { codes: Vec::new(), exits }).await.unwrap()
}

#[test]
fn exc_10_an_exit_in_error_received_loses_none_of_the_other_errors() {
    let mut event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    let endpoint = event_loop.run_until_complete(open(&handle, true)).unwrap();
    fail(&endpoint.transport, 3);
    for count in 1..=3 {
        run_to_exit(&mut event_loop);
        assert_eq!(endpoint.with(|errors| errors.codes.len()), count);
    }
    let wanted = [libc::EMSGSIZE, libc::EACCES, libc::EINVAL].map(Some);
    assert_eq!(endpoint.with(|errors| errors.codes.clone()), wanted, "in their order");
}

#[test]
fn udp_12_an_error_that_provokes_another_leaves_others_their_turn() {
    run(async |event_loop| {
        let endpoint = open(&event_loop, false).await;
        fail(&endpoint.transport, 1);
        turns(&event_loop, 5).await;
        let told = endpoint.with(|errors| errors.codes.len());
        assert!((2..=6).contains(&told), "{told}");
        endpoint.transport.abort();
    });
}
