//! `connection_made`: when it is called, and what it may do.

use std::io::{Read, Write};

use loopctl::{AfterEof, Protocol, Transport};

use crate::support::{Recorder, Reports, Seen, Server, pattern, run, turns, until};

/// Does something in `connection_made`, and otherwise keeps a diary.
struct Doing<F> {
    made: F,
    diary: Recorder,
}

impl<F: FnMut(&Transport) + 'static> Doing<F> {
    fn new(made: F) -> Self {
        Self { made, diary: Recorder::new() }
    }
}

impl<F: FnMut(&Transport) + 'static> Protocol for Doing<F> {
    fn connection_made(&mut self, transport: &Transport) {
        self.diary.connection_made(transport);
        (self.made)(transport);
    }

    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        self.diary.data_received(transport, data);
    }

    fn eof_received(&mut self, transport: &Transport) -> AfterEof {
        self.diary.eof_received(transport)
    }

    fn connection_lost(&mut self, error: Option<std::io::Error>) {
        self.diary.connection_lost(error);
    }
}

/// The data is there before the transport is.
#[test]
fn conn_23_connection_made_comes_before_data() {
    let server = Server::new();
    run(async |event_loop| {
        let stream = std::net::TcpStream::connect(server.address()).unwrap();
        server.accept().write_all(b"early").unwrap();
        let connection = event_loop.create_connection_on(stream).open(Recorder::new).await.unwrap();
        assert_eq!(connection.with(|recorder| recorder.seen.clone()), [Seen::Made]);
        connection.transport.wait_closed().await;
        let seen = connection.with(|recorder| recorder.seen.clone());
        let data = Seen::Data(b"early".to_vec());
        assert_eq!(seen, [Seen::Made, data, Seen::Eof, Seen::Lost(None)]);
    });
}

#[test]
fn conn_23_connection_made_may_write_more_than_the_socket_takes() {
    let server = Server::new();
    let whole = pattern(8 << 20);
    let expected = whole.clone();
    run(async |event_loop| {
        let talk = move || {
            Doing::new(move |transport: &Transport| {
                let _ = transport.write(&whole);
            })
        };
        let connecting = event_loop.create_connection_to([server.address()]);
        let connection = connecting.open(talk).await.unwrap();
        let mut peer = server.accept();
        let read = event_loop.run_in_executor(move || {
            let mut all = vec![0; expected.len()];
            peer.read_exact(&mut all).map(|()| all == expected)
        });
        assert!(read.await.unwrap().unwrap());
        connection.transport.abort();
    });
}

#[test]
fn conn_24_a_panic_in_connection_made_is_reported_and_the_connection_lives() {
    let server = Server::new();
    run(async |event_loop| {
        let reports = Reports::of(&event_loop);
        let broken = || Doing::new(|_: &Transport| panic!("not today"));
        let connecting = event_loop.create_connection_to([server.address()]);
        let connection = connecting.open(broken).await.unwrap();
        turns(&event_loop, 3).await;
        let texts = reports.texts();
        assert!(texts.len() == 1 && texts[0].contains("not today"), "{texts:?}");
        assert!(texts[0].contains("connection_made"), "{texts:?}");
        server.accept().write_all(b"data").unwrap();
        until(&event_loop, || connection.with(|broken| broken.diary.data() == b"data")).await;
        connection.transport.close();
        connection.transport.wait_closed().await;
        assert_eq!(
            connection.with(|broken| broken.diary.seen.last().cloned()),
            Some(Seen::Lost(None))
        );
    });
}

#[test]
fn conn_25_abort_in_connection_made_gives_a_closing_transport() {
    let server = Server::new();
    run(async |event_loop| {
        let aborting = || {
            Doing::new(|transport: &Transport| {
                let _ = transport.write(b"never mind");
                transport.abort();
            })
        };
        let connecting = event_loop.create_connection_to([server.address()]);
        let connection = connecting.open(aborting).await.unwrap();
        assert!(connection.transport.is_closing());
        connection.transport.wait_closed().await;
        let seen = connection.with(|aborting| aborting.diary.seen.clone());
        assert_eq!(seen, [Seen::Made, Seen::Lost(None)]);
    });
}

#[test]
fn conn_25_close_in_connection_made_still_sends() {
    let server = Server::new();
    run(async |event_loop| {
        let farewell = || {
            Doing::new(|transport: &Transport| {
                let _ = transport.write(b"good bye");
                transport.close();
            })
        };
        let connecting = event_loop.create_connection_to([server.address()]);
        let connection = connecting.open(farewell).await.unwrap();
        connection.transport.wait_closed().await;
        let mut text = String::new();
        server.accept().read_to_string(&mut text).unwrap();
        assert_eq!(text, "good bye");
    });
}

/// A task step that is a connect does not return before the protocol has its transport.
#[test]
fn conn_01_connection_made_comes_before_open_returns() {
    let server = Server::new();
    let order = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    run(async |event_loop| {
        let log = std::rc::Rc::clone(&order);
        let noting = || Doing::new(move |_: &Transport| log.borrow_mut().push("made"));
        let connecting = event_loop.create_connection_to([server.address()]);
        connecting.open(noting).await.unwrap();
        order.borrow_mut().push("opened");
    });
    assert_eq!(*order.borrow(), ["made", "opened"]);
}
