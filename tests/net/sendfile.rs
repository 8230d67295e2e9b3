//! Files over sockets and transports: by the kernel, copied, and broken off.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::net::{TcpStream, UdpSocket};
use std::num::NonZero;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::rc::Rc;
use std::thread::{Builder, JoinHandle};

use loopctl::{
    CopyReason, Flow, LoopHandle, Sendfile, SendfileError, SendfileMethod, SendfilePath,
    SendfilePhase, Sent, SocketOptions, Transport,
};
use socket2::{Domain, SockRef, Socket, Type};

use crate::support::{
    Guests, Recorder, Reports, Seen, Server, guest, ms, pattern, reset, run, turns, until,
};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
const METHODS: [SendfileMethod; 2] = [SendfileMethod::Auto, SendfileMethod::Copy];

fn file_of(data: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(data).unwrap();
    file
}

fn position(mut file: &File) -> u64 {
    file.stream_position().unwrap()
}

fn count(bytes: u64) -> NonZero<u64> {
    NonZero::new(bytes).unwrap()
}

/// Both ends of a TCP connection; ours does not block.
fn tcp_pair() -> (TcpStream, TcpStream) {
    let server = Server::new();
    let ours = guest(server.address());
    ours.set_nonblocking(true).unwrap();
    (ours, server.accept())
}

fn unix_pair() -> (UnixStream, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    (ours, theirs)
}

fn spawn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    Builder::new().spawn(work).unwrap()
}

/// Receives until the end, as fast as it comes.
fn receive(mut from: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    spawn(move || {
        let mut all = Vec::new();
        from.read_to_end(&mut all).unwrap();
        all
    })
}

/// What was received, while the loop runs on.
async fn received<T>(event_loop: &LoopHandle, receiving: JoinHandle<T>) -> T {
    until(event_loop, || receiving.is_finished()).await;
    receiving.join().unwrap()
}

/// A transport whose peer is a blocking stream.
async fn connected(event_loop: &LoopHandle) -> (loopctl::Connection<Recorder>, TcpStream) {
    let server = Server::new();
    let connection =
        event_loop.create_connection_to([server.address()]).open(Recorder::new).await.unwrap();
    (connection, server.accept())
}

/// So little room that a megabyte does not fit in.
fn narrow(transport: &Transport, theirs: &TcpStream) {
    transport.socket().set_send_buffer_size(16 * KIB).unwrap();
    SockRef::from(theirs).set_recv_buffer_size(64 * KIB).unwrap();
}

fn is_native(sent: &Sent) -> bool {
    sent.path == SendfilePath::Native
}

#[test]
fn sf_01_sf_27_a_whole_file_over_every_stream() {
    let data = pattern(3 * MIB + 1);
    run(async |event_loop| {
        for method in METHODS {
            let file = file_of(&data);
            let what = Sendfile::new(&file).method(method);
            let (ours, theirs) = tcp_pair();
            let receiving = receive(theirs);
            let sent = event_loop.sock_sendfile(&ours, what).await.unwrap();
            drop(ours);
            assert_eq!(sent.bytes, data.len() as u64);
            assert_eq!(is_native(&sent), method == SendfileMethod::Auto);
            assert_eq!(position(&file), data.len() as u64);
            assert!(received(&event_loop, receiving).await == data, "over TCP, {method:?}");

            let (ours, theirs) = unix_pair();
            let receiving = receive(theirs);
            let sent = event_loop.sock_sendfile(&ours, what).await.unwrap();
            drop(ours);
            assert_eq!(is_native(&sent), method == SendfileMethod::Auto);
            assert!(
                received(&event_loop, receiving).await == data,
                "over a Unix socket, {method:?}"
            );
        }
    });
}

#[test]
fn sf_01_sf_27_a_whole_file_over_every_transport() {
    let data = pattern(3 * MIB + 1);
    run(async |event_loop| {
        for method in METHODS {
            let file = file_of(&data);
            let what = Sendfile::new(&file).method(method);
            let (connection, theirs) = connected(&event_loop).await;
            let receiving = receive(theirs);
            let sent = connection.transport.sendfile(what).await.unwrap();
            connection.transport.close();
            assert_eq!((sent.bytes, position(&file)), (data.len() as u64, data.len() as u64));
            assert_eq!(is_native(&sent), method == SendfileMethod::Auto);
            assert!(received(&event_loop, receiving).await == data, "over TCP, {method:?}");

            let (ours, theirs) = UnixStream::pair().unwrap();
            let connection =
                event_loop.create_connection_on(ours).open(Recorder::new).await.unwrap();
            let receiving = receive(theirs);
            let sent = connection.transport.sendfile(what).await.unwrap();
            connection.transport.close();
            assert_eq!(is_native(&sent), method == SendfileMethod::Auto);
            assert!(
                received(&event_loop, receiving).await == data,
                "over a Unix socket, {method:?}"
            );
        }
    });
}

#[test]
fn sf_02_offset_and_count_are_honoured() {
    let data = pattern(10_000);
    run(async |event_loop| {
        for method in METHODS {
            let file = file_of(&data);
            let (ours, theirs) = tcp_pair();
            let receiving = receive(theirs);
            let what = Sendfile::new(&file).offset(1000).count(count(2000)).method(method);
            let sent = event_loop.sock_sendfile(&ours, what).await.unwrap();
            drop(ours);
            assert_eq!((sent.bytes, position(&file)), (2000, 3000), "{method:?}");
            assert!(received(&event_loop, receiving).await == data[1000..3000], "{method:?}");
        }
    });
}

/// CPython's copy sent from the position of the file instead (gh-150107).
#[test]
fn sf_03_offset_0_is_the_start_of_the_file_wherever_its_position_is() {
    run(async |event_loop| {
        for method in METHODS {
            let mut file = file_of(b"0123456789");
            file.seek(SeekFrom::Start(4)).unwrap();
            let what = Sendfile::new(&file).offset(0).method(method);
            let (ours, theirs) = tcp_pair();
            assert_eq!(event_loop.sock_sendfile(&ours, what).await.unwrap().bytes, 10);
            drop(ours);
            assert_eq!(received(&event_loop, receive(theirs)).await, b"0123456789", "{method:?}");

            file.seek(SeekFrom::Start(4)).unwrap();
            let what = Sendfile::new(&file).method(method);
            let (connection, theirs) = connected(&event_loop).await;
            assert_eq!(connection.transport.sendfile(what).await.unwrap().bytes, 10);
            connection.transport.close();
            assert_eq!(received(&event_loop, receive(theirs)).await, b"0123456789", "{method:?}");
        }
    });
}

#[test]
fn sf_04_sf_05_sf_06_the_end_of_the_file_is_no_error() {
    run(async |event_loop| {
        for method in METHODS {
            for (size, offset, wanted, bytes) in
                [(10, 10, None, 0), (0, 0, None, 0), (10, 4, Some(100), 6), (10, 99, Some(1), 0)]
            {
                let mut file = file_of(&pattern(size));
                file.seek(SeekFrom::Start(3)).unwrap();
                let (ours, theirs) = tcp_pair();
                let mut what = Sendfile::new(&file).offset(offset).method(method);
                if let Some(wanted) = wanted {
                    what = what.count(count(wanted));
                }
                let sent = event_loop.sock_sendfile(&ours, what).await.unwrap();
                drop(ours);
                assert_eq!(sent.bytes, bytes, "{size} {offset} {method:?}");
                assert_eq!(received(&event_loop, receive(theirs)).await.len() as u64, bytes);
                let at = if bytes == 0 { 3 } else { offset + bytes };
                assert_eq!(position(&file), at, "what sends nothing moves nothing");
            }
        }
    });
}

#[test]
fn sf_07_what_is_no_regular_file_is_copied() {
    run(async |event_loop| {
        let (pipe, mut writer) = std::io::pipe().unwrap();
        writer.write_all(b"from a pipe").unwrap();
        drop(writer);
        let pipe = File::from(OwnedFd::from(pipe));
        let (ours, theirs) = tcp_pair();
        let sent = event_loop.sock_sendfile(&ours, &pipe).await.unwrap();
        drop(ours);
        assert_eq!(sent.path, SendfilePath::Copied(CopyReason::NotRegularFile));
        assert_eq!(received(&event_loop, receive(theirs)).await, b"from a pipe");

        // It has a size of 0, and the kernel sends none of it.
        let status = File::open("/proc/self/status").unwrap();
        let (ours, theirs) = tcp_pair();
        let sent = event_loop.sock_sendfile(&ours, &status).await.unwrap();
        drop(ours);
        assert_eq!(sent.path, SendfilePath::Copied(CopyReason::Refused(libc::EINVAL)));
        let text = String::from_utf8(received(&event_loop, receive(theirs)).await).unwrap();
        assert!(text.starts_with("Name:") && text.len() as u64 == sent.bytes, "{text}");

        let device = File::open("/dev/zero").unwrap();
        let (ours, theirs) = tcp_pair();
        let what = Sendfile::new(&device).offset(7).count(count(70_000));
        assert_eq!(event_loop.sock_sendfile(&ours, what).await.unwrap().bytes, 70_000);
        drop(ours);
        assert_eq!(received(&event_loop, receive(theirs)).await, vec![0; 70_000]);
    });
}

/// No thread waits with it, which nobody could end: the program's test of a FIFO hears of one that is left.
#[test]
fn sf_07_a_pipe_that_nobody_fills_is_waited_for_by_the_loop() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    run(async |event_loop| {
        let (ours, theirs) = tcp_pair();
        let receiving = receive(theirs);
        let fifo = loopctl::open_to_send(&path).unwrap();
        let sending = event_loop.timeout(ms(30), event_loop.sock_sendfile(&ours, &fifo)).await;
        assert!(sending.is_err(), "nothing, not even an end, before somebody writes");
        let (end, writing) = (path.clone(), ms(50));
        let writer = spawn(move || {
            let mut file = File::options().write(true).open(end).unwrap();
            for piece in 0..3 {
                std::thread::sleep(writing);
                file.write_all(&[b'0' + piece; 3]).unwrap();
            }
        });
        assert_eq!(event_loop.sock_sendfile(&ours, &fifo).await.unwrap().bytes, 9);
        received(&event_loop, writer).await;
        drop(ours);
        assert_eq!(received(&event_loop, receiving).await, b"000111222");
        let (silent, _writer) = std::io::pipe().unwrap();
        let silent = File::from(OwnedFd::from(silent));
        let (ours, _theirs) = tcp_pair();
        assert!(
            event_loop.timeout(ms(30), event_loop.sock_sendfile(&ours, &silent)).await.is_err()
        );
    });
}

#[test]
fn sf_07_what_cannot_be_read_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("write-only");
    run(async |event_loop| {
        let (ours, _theirs) = tcp_pair();
        let folder = File::open(directory.path()).unwrap();
        let error = event_loop.sock_sendfile(&ours, &folder).await.unwrap_err();
        assert_eq!((error.kind(), error.bytes), (ErrorKind::IsADirectory, 0));

        let file = File::create(&path).unwrap();
        std::fs::write(&path, "x").unwrap();
        let error = event_loop.sock_sendfile(&ours, &file).await.unwrap_err();
        assert_eq!(
            (error.phase, error.error.raw_os_error()),
            (SendfilePhase::Read, Some(libc::EBADF))
        );
        assert!(error.to_string().starts_with("sendfile: reading the file, after 0 bytes: "));

        let (pipe, _writer) = std::io::pipe().unwrap();
        let pipe = File::from(OwnedFd::from(pipe));
        let error =
            event_loop.sock_sendfile(&ours, Sendfile::new(&pipe).offset(1)).await.unwrap_err();
        assert_eq!(error.to_string(), "sendfile: an offset needs a seekable file");
    });
}

#[test]
fn sf_08_without_a_copy_what_the_kernel_cannot_do_is_an_error() {
    run(async |event_loop| {
        let status = File::open("/proc/self/status").unwrap();
        let (pipe, _writer) = std::io::pipe().unwrap();
        let pipe = File::from(OwnedFd::from(pipe));
        for (file, text) in [(&status, "Invalid argument"), (&pipe, "not a regular file")] {
            let (ours, theirs) = tcp_pair();
            let what = Sendfile::new(file).method(SendfileMethod::Native);
            let error = event_loop.sock_sendfile(&ours, what).await.unwrap_err();
            assert_eq!((error.kind(), error.phase), (ErrorKind::Unsupported, SendfilePhase::Check));
            assert!(error.to_string().contains(text), "{error}");
            drop(ours);
            assert_eq!(received(&event_loop, receive(theirs)).await, b"", "nothing was sent");
        }
        let file = file_of(b"a file");
        let (ours, _theirs) = tcp_pair();
        let what = Sendfile::new(&file).method(SendfileMethod::Native);
        assert!(is_native(&event_loop.sock_sendfile(&ours, what).await.unwrap()));
    });
}

#[test]
fn sf_09_sf_25_only_streams_that_do_not_block_and_offsets_that_there_are() {
    run(async |event_loop| {
        let file = file_of(b"a file");
        let refused = |error: SendfileError, text: &str| {
            assert_eq!(
                (error.kind(), error.phase),
                (ErrorKind::InvalidInput, SendfilePhase::Check)
            );
            assert_eq!(error.to_string(), format!("sendfile: {text}"));
        };
        let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
        datagrams.set_nonblocking(true).unwrap();
        let error = event_loop.sock_sendfile(&datagrams, &file).await.unwrap_err();
        refused(error, "only SOCK_STREAM type sockets are supported");
        let (ours, _theirs) = tcp_pair();
        let beyond = Sendfile::new(&file).offset(1 << 63);
        let error = event_loop.sock_sendfile(&ours, beyond).await.unwrap_err();
        refused(error, "the offset exceeds the largest file offset");
    });
}

#[test]
fn sf_10_a_transport_that_is_closing_is_refused() {
    run(async |event_loop| {
        let file = file_of(b"a file");
        let (connection, theirs) = connected(&event_loop).await;
        connection.transport.write_eof();
        let error = connection.transport.sendfile(&file).await.unwrap_err();
        assert_eq!(error.to_string(), "sendfile: Cannot call sendfile() after write_eof()");
        connection.transport.close();
        for _ in 0..2 {
            let error = connection.transport.sendfile(&file).await.unwrap_err();
            assert_eq!((error.kind(), error.bytes), (ErrorKind::BrokenPipe, 0));
            assert_eq!(error.to_string(), "sendfile: Transport is closing");
            connection.transport.wait_closed().await;
        }
        assert_eq!(
            (received(&event_loop, receive(theirs)).await, position(&file)),
            (Vec::new(), 6)
        );
    });
}

#[test]
fn sf_11_what_is_written_before_goes_before_and_what_is_written_after_goes_after() {
    let (before, data, after) = (pattern(MIB), pattern(2 * MIB + 17), pattern(77_777));
    run(async |event_loop| {
        for method in METHODS {
            let file = file_of(&data);
            let (connection, theirs) = connected(&event_loop).await;
            narrow(&connection.transport, &theirs);
            assert_eq!(connection.transport.write(&before), Flow::Full);
            let receiving = receive(theirs);
            let what = Sendfile::new(&file).method(method);
            assert_eq!(connection.transport.sendfile(what).await.unwrap().bytes, data.len() as u64);
            let _ = connection.transport.write(&after);
            connection.transport.close();
            let wanted = [&before[..], &data, &after].concat();
            assert!(received(&event_loop, receiving).await == wanted, "{method:?}");
        }
    });
}

#[test]
fn sf_12_what_is_written_meanwhile_waits_and_a_second_file_is_refused() {
    let data = pattern(MIB);
    run(async |event_loop| {
        for method in METHODS {
            let file = file_of(&data);
            let (connection, theirs) = connected(&event_loop).await;
            narrow(&connection.transport, &theirs);
            let transport = connection.transport.clone();
            let what = (file.try_clone().unwrap(), method);
            let task = event_loop.create_task(async move {
                transport.sendfile(Sendfile::new(&what.0).method(what.1)).await
            });
            until(&event_loop, || position(&file) == MIB as u64 && !task.is_finished()).await;
            turns(&event_loop, 5).await;
            assert_eq!(connection.transport.write(b"later"), Flow::Open);
            assert_eq!(connection.transport.write_buffer_size(), 5);
            assert_eq!(connection.transport.write(&pattern(100_000)), Flow::Full);
            connection.transport.write_eof();
            let error = connection.transport.sendfile(&file).await.unwrap_err();
            assert_eq!(error.to_string(), "sendfile: sendfile is in progress");
            assert_eq!(error.kind(), ErrorKind::ResourceBusy);
            let receiving = receive(theirs);
            assert_eq!(task.await.unwrap().unwrap().bytes, MIB as u64, "{method:?}");
            connection.transport.drain().await.unwrap();
            let wanted = [&data[..], b"later", &pattern(100_000)].concat();
            assert!(received(&event_loop, receiving).await == wanted, "{method:?}");
        }
    });
}

#[test]
fn sf_13_sf_23_reading_is_paused_meanwhile_and_restored() {
    run(async |event_loop| {
        for (method, was_paused) in METHODS.into_iter().flat_map(|m| [(m, false), (m, true)]) {
            let file = file_of(&pattern(MIB));
            let (connection, mut theirs) = connected(&event_loop).await;
            narrow(&connection.transport, &theirs);
            if was_paused {
                connection.transport.pause_reading();
            }
            let transport = connection.transport.clone();
            let task = event_loop.create_task(async move {
                transport.sendfile(Sendfile::new(&file).method(method)).await
            });
            theirs.write_all(b"meanwhile").unwrap();
            event_loop.sleep(ms(20)).await;
            assert!(!connection.transport.is_reading() && !task.is_finished());
            assert_eq!(connection.with(|p| p.seen.clone()), [Seen::Made]);
            let receiving = receive(theirs.try_clone().unwrap());
            task.await.unwrap().unwrap();
            assert_eq!(connection.transport.is_reading(), !was_paused);
            if was_paused {
                turns(&event_loop, 5).await;
                assert_eq!(connection.with(|p| p.seen.clone()), [Seen::Made]);
                connection.transport.resume_reading();
            }
            until(&event_loop, || connection.with(|p| p.data() == b"meanwhile")).await;
            connection.transport.close();
            received(&event_loop, receiving).await;
        }
    });
}

/// One that sends back what it gets takes nothing more until it has been heard.
#[test]
fn sf_13_a_peer_that_talks_meanwhile_is_heard_where_that_is_wanted() {
    run(async |event_loop| {
        let data = pattern(8 * MIB);
        for method in METHODS {
            let file = file_of(&data);
            let (connection, mut theirs) = connected(&event_loop).await;
            // What is on its way at any time is less than the file: the end cannot come unless much was heard before.
            narrow(&connection.transport, &theirs);
            SockRef::from(&theirs).set_send_buffer_size(64 * KIB).unwrap();
            let echo = spawn(move || {
                let mut buffer = vec![0; 64 * KIB];
                loop {
                    match theirs.read(&mut buffer).unwrap() {
                        0 => return,
                        count => theirs.write_all(&buffer[..count]).unwrap(),
                    }
                }
            });
            let what = Sendfile::new(&file).method(method).keep_reading();
            let sent = connection.transport.sendfile(what).await.unwrap();
            assert_eq!(sent.bytes, 8 * MIB as u64);
            assert!(connection.with(|p| p.data().len()) > MIB, "it was heard meanwhile");
            connection.transport.write_eof();
            until(&event_loop, || connection.with(|p| p.data().len() == data.len())).await;
            assert!(connection.with(|p| p.data() == data));
            received(&event_loop, echo).await;
            // The next one is asyncio's again.
            let (file, transport) = (file_of(b"x"), connection.transport.clone());
            let error = transport.sendfile(&file).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        }
    });
}

#[test]
fn sf_13_an_error_of_the_file_leaves_the_connection_as_it_was() {
    run(async |event_loop| {
        let directory = tempfile::tempdir().unwrap();
        let file = File::create(directory.path().join("write-only")).unwrap();
        let (connection, mut theirs) = connected(&event_loop).await;
        for method in METHODS {
            let what = Sendfile::new(&file).method(method);
            let error = connection.transport.sendfile(what).await.unwrap_err();
            assert_eq!(error.phase, SendfilePhase::Read);
            assert!(connection.transport.is_reading() && !connection.transport.is_closing());
        }
        theirs.write_all(b"still").unwrap();
        until(&event_loop, || connection.with(|p| p.data() == b"still")).await;
        let _ = connection.transport.write(b"here");
        connection.transport.close();
        assert_eq!(received(&event_loop, receive(theirs)).await, b"here");
    });
}

/// CPython 3.11 stays paused, refuses to write, and fails to abort (gh-157025).
#[test]
fn sf_14_a_cancel_while_what_was_written_before_goes_restores_all() {
    run(async |event_loop| {
        let before = pattern(MIB);
        let (connection, theirs) = connected(&event_loop).await;
        narrow(&connection.transport, &theirs);
        let _ = connection.transport.write(&before);
        let transport = connection.transport.clone();
        let task = event_loop
            .create_task(async move { transport.sendfile(&file_of(b"never sent")).await });
        turns(&event_loop, 5).await;
        assert!(!connection.transport.is_reading());
        let _ = connection.transport.write(b", after");
        task.cancel();
        assert!(task.await.is_err());
        assert!(connection.transport.is_reading() && !connection.transport.is_closing());
        let _ = connection.transport.write(b" all");
        connection.transport.close();
        let wanted = [&before[..], b", after all"].concat();
        assert!(received(&event_loop, receive(theirs)).await == wanted);
        connection.transport.wait_closed().await;
        assert_eq!(connection.with(|p| p.seen.last().cloned()), Some(Seen::Lost(None)));
    });
}

#[test]
fn sf_14_a_cancel_in_the_middle_leaves_a_connection_that_can_be_used() {
    let data = pattern(4 * MIB);
    run(async |event_loop| {
        for method in METHODS {
            let file = file_of(&data);
            let (connection, theirs) = connected(&event_loop).await;
            narrow(&connection.transport, &theirs);
            let transport = connection.transport.clone();
            let what = file.try_clone().unwrap();
            let sent = Rc::new(Cell::new(0));
            let known = Rc::clone(&sent);
            let task = event_loop.create_task(async move {
                let tell = |sent: Sent| known.set(sent.bytes);
                let what = Sendfile::new(&what).method(method).progress(&tell);
                transport.sendfile(what).await
            });
            until(&event_loop, || sent.get() > 0).await;
            turns(&event_loop, 10).await;
            task.cancel();
            assert!(task.await.is_err());
            let bytes = position(&file);
            assert_eq!(bytes, sent.get(), "the position tells how much went");
            assert!(bytes < data.len() as u64);
            let _ = connection.transport.write(b"the rest is silence");
            connection.transport.close();
            let wanted = [&data[..bytes as usize], b"the rest is silence"].concat();
            assert!(received(&event_loop, receive(theirs)).await == wanted, "{method:?}");
        }
    });
}

#[test]
fn sf_15_sf_24_a_peer_that_leaves_in_the_middle_is_an_error_with_what_went() {
    let data = pattern(8 * MIB);
    run(async |event_loop| {
        for method in METHODS {
            let file = file_of(&data);
            let (connection, mut theirs) = connected(&event_loop).await;
            narrow(&connection.transport, &theirs);
            let leaving = spawn(move || {
                theirs.read_exact(&mut [0; 1024]).unwrap();
                reset(theirs);
            });
            let what = Sendfile::new(&file).method(method);
            let error = connection.transport.sendfile(what).await.unwrap_err();
            received(&event_loop, leaving).await;
            assert!(
                [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset].contains(&error.kind()),
                "{error}"
            );
            assert_eq!(error.phase, SendfilePhase::Send);
            assert!((1024..data.len() as u64).contains(&error.bytes), "{error}");
            assert_eq!(position(&file), error.bytes);
            let peer = connection.transport.peer().unwrap().to_string();
            let text = error.to_string();
            let wanted = format!("sendfile: sending to {peer}, after {} bytes: ", error.bytes);
            assert!(text.starts_with(&wanted), "{text}");
            assert!(connection.transport.is_closing());
            connection.transport.wait_closed().await;
            assert!(matches!(
                connection.with(|p| p.seen.last().cloned()),
                Some(Seen::Lost(Some(_)))
            ));
        }
    });
}

#[test]
fn sf_15_the_last_words_of_a_peer_that_leaves_are_heard() {
    run(async |event_loop| {
        let file = file_of(&pattern(8 * MIB));
        let (connection, mut theirs) = connected(&event_loop).await;
        narrow(&connection.transport, &theirs);
        let leaving = spawn(move || {
            theirs.read_exact(&mut [0; 1024]).unwrap();
            theirs.write_all(b"too long!").unwrap();
        });
        connection.transport.sendfile(&file).await.unwrap_err();
        received(&event_loop, leaving).await;
        connection.transport.wait_closed().await;
        // A reset may overtake what was sent before it: then there is nothing to hear.
        let seen = connection.with(|p| p.seen.clone());
        let heard = connection.with(|p| p.data());
        assert!(heard == b"too long!" || matches!(seen[..], [Seen::Made, Seen::Lost(Some(_))]));
    });
}

#[test]
fn sf_16_what_the_peer_has_acknowledged_is_known() {
    run(async |event_loop| {
        let file = file_of(&pattern(300_000));
        let (connection, theirs) = connected(&event_loop).await;
        let socket = connection.transport.socket();
        let before = socket.acknowledged().unwrap();
        let receiving = receive(theirs);
        connection.transport.sendfile(&file).await.unwrap();
        until(&event_loop, || socket.is_acknowledged() == Some(true)).await;
        assert_eq!(socket.acknowledged(), Some(before + 300_000));
        connection.transport.close();
        received(&event_loop, receiving).await;
        assert_eq!(socket.acknowledged(), None, "there is no socket any more");
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let connection = event_loop.create_connection_on(ours).open(Recorder::new).await.unwrap();
        assert_eq!(connection.transport.socket().acknowledged(), None);
    });
}

/// `TCP_INFO` of a multipath socket whose peer knows only TCP tells of bytes that are not sent, for ever.
#[test]
fn sf_16_every_kind_of_socket_tells_when_the_peer_has_it_all() {
    let data = pattern(10 * MIB);
    run(async |event_loop| {
        for multipath in [None, Some(false), Some(true)] {
            let file = file_of(&data);
            let (server, (ours, theirs)) = (Server::new(), unix_pair());
            let (connection, receiver): (_, Box<dyn Read + Send>) = match multipath {
                None => {
                    let opening = event_loop.create_connection_on(ours).open(Recorder::new);
                    (opening.await.unwrap(), Box::new(theirs))
                }
                Some(multipath) => {
                    let options = SocketOptions { multipath, ..Default::default() };
                    let address = server.address();
                    let to = event_loop
                        .create_connection(address.ip().to_string().as_str(), address.port());
                    let connection = to.socket_options(options).open(Recorder::new).await.unwrap();
                    (connection, Box::new(server.accept()))
                }
            };
            let transport = connection.transport;
            let sent = || transport.socket().is_acknowledged();
            assert_eq!(sent(), Some(true), "{multipath:?}: nothing yet");
            let sending = {
                let transport = transport.clone();
                event_loop.create_task(async move { transport.sendfile(&file).await })
            };
            until(&event_loop, || transport.socket().send_memory() > Some(100_000)).await;
            assert_eq!(sent(), Some(false), "{multipath:?}: nobody reads");
            let receiving = receive(receiver);
            sending.await.unwrap().unwrap();
            transport.write_eof();
            assert!(received(&event_loop, receiving).await == data, "{multipath:?}");
            until(&event_loop, || sent() != Some(false)).await;
        }
    });
}

#[test]
fn sf_16_a_peer_that_leaves_with_everything_is_no_error() {
    let data = pattern(300_000);
    run(async |event_loop| {
        for method in METHODS {
            let file = file_of(&data);
            let (connection, mut theirs) = connected(&event_loop).await;
            let leaving = spawn(move || {
                let mut all = vec![0; 300_000];
                theirs.read_exact(&mut all).unwrap();
                all
            });
            let what = Sendfile::new(&file).method(method);
            assert_eq!(connection.transport.sendfile(what).await.unwrap().bytes, 300_000);
            assert!(received(&event_loop, leaving).await == data);
        }
    });
}

#[test]
fn sf_15_close_and_abort_in_the_middle_break_the_transfer_off() {
    run(async |event_loop| {
        for (method, aborts) in METHODS.into_iter().flat_map(|m| [(m, false), (m, true)]) {
            let (connection, theirs) = connected(&event_loop).await;
            narrow(&connection.transport, &theirs);
            let (transport, sent) = (connection.transport.clone(), Rc::new(Cell::new(0)));
            let known = Rc::clone(&sent);
            let task = event_loop.create_task(async move {
                let file = file_of(&pattern(8 * MIB));
                let tell = |sent: Sent| known.set(sent.bytes);
                transport.sendfile(Sendfile::new(&file).method(method).progress(&tell)).await
            });
            until(&event_loop, || sent.get() > 0).await;
            match aborts {
                true => connection.transport.abort(),
                false => connection.transport.close(),
            }
            let error = task.await.unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
            assert_eq!(error.phase, SendfilePhase::Send);
            assert_eq!(error.bytes, sent.get());
            assert!(error.bytes < 8 * MIB as u64);
            connection.transport.wait_closed().await;
            assert_eq!(connection.with(|p| p.seen.last().cloned()), Some(Seen::Lost(None)));
        }
    });
}

/// 5 GiB of nothing, of which the end is sent: neither offset nor size fits into 32 bits.
#[test]
fn sf_17_offsets_beyond_32_bits() {
    const SIZE: u64 = 5 << 30;
    run(async |event_loop| {
        for method in METHODS {
            let mut file = tempfile::tempfile().unwrap();
            file.set_len(SIZE - 3).unwrap();
            file.seek(SeekFrom::End(0)).unwrap();
            file.write_all(b"end").unwrap();
            let (ours, theirs) = tcp_pair();
            let receiving = receive(theirs);
            let what = Sendfile::new(&file).offset(SIZE - MIB as u64).method(method);
            assert_eq!(event_loop.sock_sendfile(&ours, what).await.unwrap().bytes, MIB as u64);
            drop(ours);
            assert_eq!(position(&file), SIZE);
            let all = received(&event_loop, receiving).await;
            assert_eq!((all.len(), &all[MIB - 5..]), (MIB, &b"\0\0end"[..]));
        }
    });
}

/// A step is at most 16 MiB, and others have their turn in between, also where the peer takes all at once.
#[test]
fn sf_17_a_large_file_goes_in_few_calls_and_leaves_others_their_turn() {
    run(async |event_loop| {
        let file = tempfile::tempfile().unwrap();
        file.set_len(64 << 20).unwrap();
        let (ours, mut theirs) = tcp_pair();
        let receiving = spawn(move || std::io::copy(&mut theirs, &mut std::io::sink()).unwrap());
        let turns = Rc::new(Cell::new(0));
        let (known, inside) = (Rc::clone(&turns), event_loop.clone());
        let counting = event_loop.create_task(async move {
            loop {
                known.set(known.get() + 1);
                inside.sleep(std::time::Duration::ZERO).await;
            }
        });
        let what = Sendfile::new(&file).count(count(64 << 20));
        let sent = event_loop.sock_sendfile(&ours, what).await.unwrap();
        assert!((4..200).contains(&sent.calls), "{sent:?}");
        assert!(turns.get() >= 4, "{} turns", turns.get());
        counting.cancel();
        drop(ours);
        assert_eq!(received(&event_loop, receiving).await, 64 << 20);
    });
}

#[test]
fn sf_17_a_receiver_with_17_blocks_and_one_byte() {
    let data = pattern(17 * 64 * KIB + 1);
    run(async |event_loop| {
        for method in METHODS {
            let file = file_of(&data);
            let (ours, theirs) = tcp_pair();
            SockRef::from(&theirs).set_recv_buffer_size(64 * KIB).unwrap();
            SockRef::from(&ours).set_send_buffer_size(4 * KIB).unwrap();
            let receiving = receive(theirs);
            let what = Sendfile::new(&file).method(method);
            event_loop.sock_sendfile(&ours, what).await.unwrap();
            drop(ours);
            assert!(received(&event_loop, receiving).await == data, "{method:?}");
        }
    });
}

#[test]
fn sf_18_sf_19_a_connection_that_is_gone_is_no_reason_to_copy() {
    run(async |event_loop| {
        let file = file_of(b"a file");
        let lonely = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        lonely.set_nonblocking(true).unwrap();
        let (gone, theirs) = unix_pair();
        drop(theirs);
        for (method, phase) in [(SendfileMethod::Auto, SendfilePhase::Send)] {
            let what = Sendfile::new(&file).method(method);
            let error = event_loop.sock_sendfile(&gone, what).await.unwrap_err();
            assert_eq!((error.kind(), error.phase), (ErrorKind::BrokenPipe, phase));
            let error = event_loop.sock_sendfile(&lonely, what).await.unwrap_err();
            // An unconnected TCP socket is a broken pipe to Linux.
            let kinds = [ErrorKind::BrokenPipe, ErrorKind::NotConnected];
            assert!(kinds.contains(&error.kind()), "{error}");
            assert_eq!((error.bytes, error.phase), (0, phase));
        }
        let unconnected = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        unconnected.set_nonblocking(true).unwrap();
        let error = event_loop.sock_sendfile(&unconnected, &file).await.unwrap_err();
        assert_eq!(error.to_string(), "sendfile: sending, after 0 bytes: socket is not connected");
    });
}

/// What the pollers of this process watch, by number.
fn watched() -> Vec<String> {
    let entries = std::fs::read_dir("/proc/self/fdinfo").unwrap();
    let texts = entries.filter_map(|entry| std::fs::read_to_string(entry.ok()?.path()).ok());
    let lines: Vec<String> =
        texts.flat_map(|t| t.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    let numbers = lines.iter().filter_map(|line| line.strip_prefix("tfd:"));
    numbers.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}

#[test]
fn sf_20_a_cancel_ends_the_wait_for_room() {
    crate::support::in_child("sendfile::sf_20_a_cancel_ends_the_wait_for_room", || {
        run(async |event_loop| {
            for method in METHODS {
                let (ours, _theirs) = unix_pair();
                let (ours, number) = (Rc::new(ours), event_loop.clone());
                let held = Rc::clone(&ours);
                let task = event_loop.create_task(async move {
                    let file = file_of(&pattern(8 * MIB));
                    number.sock_sendfile(&*held, Sendfile::new(&file).method(method)).await
                });
                let number = ours.as_raw_fd().to_string();
                until(&event_loop, || watched().contains(&number)).await;
                task.cancel();
                assert!(task.await.is_err());
                assert!(!watched().contains(&number));
            }
        });
    });
}

#[test]
fn sf_21_a_copy_reads_256_kib_at_a_time() {
    run(async |event_loop| {
        let file = file_of(&pattern(MIB));
        for (wanted, reads) in [(MIB as u64, 4), (MIB as u64 + 1, 5), (1000, 1), (300_000, 2)] {
            let (ours, theirs) = tcp_pair();
            let receiving = receive(theirs);
            let what = Sendfile::new(&file).count(count(wanted)).method(SendfileMethod::Copy);
            let sent = event_loop.sock_sendfile(&ours, what).await.unwrap();
            assert_eq!((sent.calls, sent.path), (reads, SendfilePath::Copied(CopyReason::Asked)));
            drop(ours);
            assert_eq!(received(&event_loop, receiving).await.len() as u64, sent.bytes);
        }
    });
}

#[test]
fn sf_26_sock_sendall_and_sock_sendfile_keep_their_order() {
    let data = pattern(MIB);
    run(async |event_loop| {
        for method in METHODS {
            let file = file_of(&data);
            let (ours, theirs) = tcp_pair();
            let receiving = receive(theirs);
            event_loop.sock_sendall(&ours, b"mix_regular_send").await.unwrap();
            let what = Sendfile::new(&file).method(method);
            event_loop.sock_sendfile(&ours, what).await.unwrap();
            event_loop.sock_sendall(&ours, b"mix_regular_send").await.unwrap();
            drop(ours);
            let wanted = [b"mix_regular_send", &data[..], b"mix_regular_send"].concat();
            assert!(received(&event_loop, receiving).await == wanted, "{method:?}");
        }
    });
}

#[test]
fn sf_28_a_file_that_shrinks_meanwhile_ends_where_it_ends() {
    run(async |event_loop| {
        for method in METHODS {
            let file = file_of(&pattern(8 * MIB));
            let (connection, theirs) = connected(&event_loop).await;
            narrow(&connection.transport, &theirs);
            let transport = connection.transport.clone();
            let what = file.try_clone().unwrap();
            let task = event_loop.create_task(async move {
                transport.sendfile(Sendfile::new(&what).method(method)).await
            });
            event_loop.sleep(ms(20)).await;
            file.set_len(4 * MIB as u64).unwrap();
            let receiving = receive(theirs);
            let sent = task.await.unwrap().unwrap();
            // A block that was read before it shrank is sent.
            assert!((sent.bytes as usize) < 5 * MIB, "{sent:?}");
            assert!(sent.bytes as usize >= 4 * MIB || method == SendfileMethod::Copy, "{sent:?}");
            connection.transport.close();
            assert_eq!(received(&event_loop, receiving).await.len() as u64, sent.bytes);
        }
    });
}

#[test]
fn sf_a_server_sends_files_to_many_clients_at_once() {
    let data = pattern(MIB);
    run(async |event_loop| {
        let reports = Reports::of(&event_loop);
        let whole = data.clone();
        let server = event_loop.start_server("127.0.0.1", 0, async move |_, mut writer| {
            let file = file_of(&whole);
            let sent = writer.sendfile(&file).await.unwrap();
            assert!(is_native(&sent));
        });
        let server = server.await.unwrap();
        let address = server.local_addrs()[0];
        let clients: Vec<_> = (0..25).map(|_| receive(guest(address))).collect();
        for client in clients {
            assert!(received(&event_loop, client).await == data);
        }
        assert_eq!(reports.texts(), [""; 0]);
    });
}

#[test]
fn sf_progress_only_grows_and_ends_with_all() {
    run(async |event_loop| {
        for method in METHODS {
            let file = file_of(&pattern(3 * MIB));
            let (ours, theirs) = tcp_pair();
            let receiving = receive(theirs);
            let told = RefCell::new(Vec::new());
            let tell = |sent: Sent| told.borrow_mut().push(sent);
            let what = Sendfile::new(&file).offset(MIB as u64).method(method).progress(&tell);
            let whole = event_loop.sock_sendfile(&ours, what).await.unwrap();
            assert_eq!(whole.bytes, 2 * MIB as u64);
            drop(ours);
            received(&event_loop, receiving).await;
            let told = told.borrow();
            assert!(told.is_sorted_by_key(|sent| (sent.bytes, sent.calls)), "{told:?}");
            assert_eq!(told.last(), Some(&whole), "the last word is that of the result");
            assert!(told.iter().all(|sent| sent.path == whole.path), "{told:?}");
        }
    });
}

#[test]
fn sf_a_transport_made_by_a_server_sends_and_receives() {
    run(async |event_loop| {
        let guests = Guests::new();
        let server =
            event_loop.create_server("127.0.0.1", 0).serve(guests.factory()).await.unwrap();
        let mut client = guests.invite(&event_loop, server.local_addrs()[0]).await;
        let transport = guests.transports()[0].clone();
        let file = file_of(b"a file, ");
        client.write_all(b"an echo").unwrap();
        transport.sendfile(&file).await.unwrap();
        let mut answer = [0; 15];
        let reading = spawn(move || {
            client.read_exact(&mut answer).unwrap();
            answer
        });
        let answer = received(&event_loop, reading).await;
        assert!([b"a file, an echo", b"an echoa file, "].contains(&&answer));
    });
}

/// The kernel lists what can be put above TCP; asking for it loads its module where there is one.
#[test]
fn sf_09_kernel_tls_is_found_where_the_kernel_lists_it() {
    let found = loopctl::kernel_tls();
    let listed =
        std::fs::read_to_string("/proc/sys/net/ipv4/tcp_available_ulp").unwrap_or_default();
    assert_eq!(
        found.is_ok(),
        listed.split_whitespace().any(|it| it == "tls"),
        "{found:?} {listed}"
    );
    let number = found.map_err(|error| error.raw_os_error().unwrap());
    assert!(matches!(number, Ok(()) | Err(libc::ENOENT | libc::ENOPROTOOPT)), "{number:?}");
}

#[cfg(feature = "tls")]
mod secure {
    use super::*;
    use crate::support::tls::{pair, serve_tls, to};

    #[test]
    fn sf_08_sf_09_over_tls_it_is_a_copy_and_says_so() {
        run(async |event_loop| {
            let (client, server) = pair();
            let (_server, address) = serve_tls(&event_loop, server, Recorder::new).await;
            let file = file_of(b"a file");
            let connection = to(&event_loop, address, &client).open(Recorder::new).await.unwrap();
            let sent = connection.transport.sendfile(&file).await.unwrap();
            assert_eq!(sent.path, SendfilePath::Copied(CopyReason::Tls));
            assert_eq!((sent.bytes, position(&file)), (6, 6));
            let native = Sendfile::new(&file).method(SendfileMethod::Native);
            let error = connection.transport.sendfile(native).await.unwrap_err();
            assert_eq!((error.kind(), error.phase), (ErrorKind::Unsupported, SendfilePhase::Check));
            assert_eq!(
                error.to_string(),
                "sendfile: fallback is disabled and native sendfile is not supported for transport: \
                 TLS encrypts in this process"
            );
            assert!(!connection.transport.is_closing());
        });
    }

    #[test]
    fn sf_11_sf_22_over_tls_the_order_is_kept_and_little_waits() {
        let (before, data, after) = (pattern(MIB), pattern(5 * MIB + 17), pattern(77_777));
        run(async |event_loop| {
            let (client, server) = pair();
            let received = Rc::new(RefCell::new(Vec::new()));
            let known = Rc::clone(&received);
            let (inside, serving) = (event_loop.clone(), event_loop.clone());
            let factory = move || {
                let (known, event_loop) = (Rc::clone(&known), inside.clone());
                loopctl::StreamProtocol::serving(&serving, async move |mut reader, _| {
                    while let Ok(piece) = reader.read_some(64 * KIB).await
                        && !piece.is_empty()
                    {
                        known.borrow_mut().extend(piece);
                        event_loop.sleep(ms(1)).await;
                    }
                })
            };
            let (_server, address) = serve_tls(&event_loop, server, factory).await;
            let connection = to(&event_loop, address, &client).open(Recorder::new).await.unwrap();
            let transport = connection.transport.clone();
            transport.socket().set_send_buffer_size(16 * KIB).unwrap();
            let _ = transport.write(&before);
            let file = file_of(&data);
            let most = Cell::new(0);
            let look = || most.set(most.get().max(transport.write_buffer_size()));
            // It is told of the way while what was written before still waits.
            let tell = |sent: Sent| {
                if sent.bytes > 0 {
                    look()
                }
            };
            let sending = transport.sendfile(Sendfile::new(&file).progress(&tell));
            let watching = async {
                // What was written before has gone by the time the first block is there.
                while received.borrow().len() < before.len() {
                    event_loop.sleep(ms(1)).await;
                }
                loop {
                    look();
                    event_loop.sleep(ms(1)).await;
                }
            };
            let mut watching = Box::pin(watching);
            let sent = {
                let mut sending = Box::pin(sending);
                std::future::poll_fn(|cx| {
                    let _ = watching.as_mut().poll(cx);
                    sending.as_mut().poll(cx)
                })
                .await
                .unwrap()
            };
            assert_eq!(sent.bytes, data.len() as u64);
            assert!((1..=300 * KIB).contains(&most.get()), "{} bytes waited", most.get());
            let _ = transport.write(&after);
            transport.close();
            transport.wait_closed().await;
            let wanted = [&before[..], &data, &after].concat();
            until(&event_loop, || received.borrow().len() >= wanted.len()).await;
            assert!(*received.borrow() == wanted);
        });
    }

    #[test]
    fn sf_15_over_tls_a_peer_that_leaves_is_an_error_with_what_went() {
        run(async |event_loop| {
            let (client, server) = pair();
            let guests = Rc::new(RefCell::new(Vec::<Transport>::new()));
            let known = Rc::clone(&guests);
            struct Leaves(Rc<RefCell<Vec<Transport>>>);
            impl loopctl::Protocol for Leaves {
                fn connection_made(&mut self, transport: &Transport) {
                    self.0.borrow_mut().push(transport.clone());
                }
                fn data_received(&mut self, transport: &Transport, _: &[u8]) {
                    transport.abort();
                }
            }
            let factory = move || Leaves(Rc::clone(&known));
            let (_server, address) = serve_tls(&event_loop, server, factory).await;
            let connection = to(&event_loop, address, &client).open(Recorder::new).await.unwrap();
            let file = file_of(&pattern(32 * MIB));
            let error = connection.transport.sendfile(&file).await.unwrap_err();
            assert_eq!(error.phase, SendfilePhase::Send);
            assert!(error.bytes < 32 * MIB as u64);
            let at = if error.bytes == 0 { 32 * MIB as u64 } else { error.bytes };
            assert_eq!(position(&file), at);
            assert!(connection.transport.is_closing());
            connection.transport.wait_closed().await;
        });
    }

    #[test]
    fn sf_12_tls_cannot_begin_while_a_file_is_sent() {
        run(async |event_loop| {
            let (client, _) = pair();
            let (connection, theirs) = connected(&event_loop).await;
            narrow(&connection.transport, &theirs);
            let transport = connection.transport.clone();
            let task = event_loop
                .create_task(async move { transport.sendfile(&file_of(&pattern(MIB))).await });
            event_loop.sleep(ms(10)).await;
            let client = client.server_name("localhost").unwrap();
            connection.transport.start_tls(client, Vec::new()).await.unwrap_err();
            let receiving = receive(theirs);
            assert_eq!(task.await.unwrap().unwrap().bytes, MIB as u64);
            connection.transport.close();
            assert!(received(&event_loop, receiving).await == pattern(MIB));
        });
    }
}
