//! Crates of the ecosystem on this loop, and the forms without protocols: sockets, processes, descriptors.

use std::convert::Infallible;
use std::io::Write;
use std::rc::Rc;

use futures_util::io::{AsyncReadExt, AsyncWriteExt};
use futures_util::stream::StreamExt;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming as Body};
use hyper::service::service_fn;
use hyper::{Request, Response};
use loopctl::{Address, DuplexStream, HyperExecutor, HyperTimer};

use crate::support::{ms, pattern, run};

#[test]
fn eco_streams_are_those_of_futures_io_with_back_pressure() {
    run(async |event_loop| {
        let incoming = event_loop.create_server("127.0.0.1", 0).incoming().await.unwrap();
        let port = incoming.local_addrs()[0].port();
        let mut clients = incoming;
        let (reader, writer) = event_loop.open_connection("127.0.0.1", port).await.unwrap();
        let served = StreamExt::next(&mut clients).await.unwrap();
        let data = Rc::new(pattern(4 << 20));
        let sent = Rc::clone(&data);
        let sending = event_loop.create_task(async move {
            let mut stream = DuplexStream::from(served);
            stream.write_all(&sent).await.unwrap();
            stream.close().await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            answer
        });
        let mut received = Vec::new();
        let (mut reader, mut writer) = DuplexStream::new(reader, writer).into_parts();
        AsyncReadExt::read_to_end(&mut reader, &mut received).await.unwrap();
        assert!(received == *data);
        AsyncWriteExt::write_all(&mut writer, b"received").await.unwrap();
        AsyncWriteExt::close(&mut writer).await.unwrap();
        assert_eq!(sending.await.unwrap(), b"received");
        clients.close();
        assert!(StreamExt::next(&mut clients).await.is_none());
    });
}

async fn answer(request: Request<Body>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    Ok(Response::new(Full::from(format!("{path} {}", body.len()))))
}

#[test]
fn eco_hyper_serves_and_asks_over_http_1_and_2() {
    run(async |event_loop| {
        let executor = HyperExecutor::new(&event_loop);
        for is_http2 in [false, true] {
            let serving = executor.clone();
            let server = event_loop.start_server("127.0.0.1", 0, async move |reader, writer| {
                let stream = DuplexStream::new(reader, writer);
                let service = service_fn(answer);
                let ended = if is_http2 {
                    let server = hyper::server::conn::http2::Builder::new(serving.clone());
                    server.serve_connection(stream, service).await
                } else {
                    let mut server = hyper::server::conn::http1::Builder::new();
                    server.timer(HyperTimer::new()).header_read_timeout(ms(10_000));
                    server.serve_connection(stream, service).await
                };
                // A client that leaves is no error of the server.
                ended.or_else(|error| if error.is_closed() { Ok(()) } else { Err(error) })
            });
            let server = server.await.unwrap();
            let port = server.local_addrs()[0].port();
            let stream = event_loop.open_connection("127.0.0.1", port).await.unwrap();
            let stream = DuplexStream::from(stream);
            let body = Full::new(Bytes::from(vec![7; 300_000]));
            let uri = format!("http://127.0.0.1:{port}/path");
            let request = Request::post(uri).header("host", "localhost").body(body).unwrap();
            let response = if is_http2 {
                let handshake = hyper::client::conn::http2::handshake(executor.clone(), stream);
                let (mut client, connection) = handshake.await.unwrap();
                drop(event_loop.create_task(connection));
                client.send_request(request).await.unwrap()
            } else {
                let handshake = hyper::client::conn::http1::handshake(stream);
                let (mut client, connection) = handshake.await.unwrap();
                drop(event_loop.create_task(connection));
                client.send_request(request).await.unwrap()
            };
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body, "/path 300000");
        }
    });
}

#[test]
fn eco_a_hyper_timer_ends_a_client_that_sends_no_request() {
    run(async |event_loop| {
        let (tell, told) = (Rc::new(std::cell::Cell::new(false)), ms(30));
        let seen = Rc::clone(&tell);
        let server = event_loop.start_server("127.0.0.1", 0, async move |reader, writer| {
            let mut server = hyper::server::conn::http1::Builder::new();
            server.timer(HyperTimer::new()).header_read_timeout(told);
            let stream = DuplexStream::new(reader, writer);
            let ended = server.serve_connection(stream, service_fn(answer)).await;
            seen.set(ended.is_err_and(|error| error.is_timeout()));
        });
        let server = server.await.unwrap();
        let started = event_loop.time();
        let port = server.local_addrs()[0].port();
        let (mut reader, _writer) = event_loop.open_connection("127.0.0.1", port).await.unwrap();
        assert_eq!(reader.read_line().await.unwrap(), b"");
        assert!(event_loop.time() - started >= told);
        assert!(tell.get());
    });
}

#[test]
fn eco_any_descriptor_can_be_awaited() {
    run(async |event_loop| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        event_loop.writable(&writer).await.unwrap();
        let waiting = event_loop.timeout(ms(5), event_loop.readable(&reader));
        assert!(waiting.await.is_err());
        writer.write_all(b"x").unwrap();
        event_loop.readable(&reader).await.unwrap();
        event_loop.readable(&reader).await.unwrap();
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        assert!(event_loop.readable(&file).await.is_err());
    });
}

#[test]
fn eco_datagrams_without_a_protocol() {
    run(async |event_loop| {
        let open = |port| event_loop.create_datagram_endpoint().local("127.0.0.1", port);
        let (ours, theirs) = (open(0).open_socket().await, open(0).open_socket().await);
        let (ours, theirs) = (ours.unwrap(), theirs.unwrap());
        let to = theirs.local_addr().unwrap().clone();
        for number in 0..200_u8 {
            ours.send_to(&[number], &to).unwrap();
        }
        for number in 0..200_u8 {
            let (data, from) = theirs.recv_from().await.unwrap();
            assert_eq!((data, from.as_ref()), (vec![number], ours.local_addr()));
        }
        let gone = theirs.local_addr().and_then(Address::as_inet).unwrap();
        drop(theirs);
        event_loop.sleep(ms(1)).await;
        let client = event_loop.create_datagram_endpoint().remote_addr(gone);
        let client = client.open_socket().await.unwrap();
        client.send(b"x").unwrap();
        let error = client.recv().await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    });
}

#[test]
fn eco_processes_communicate_and_are_read_by_lines() {
    run(async |event_loop| {
        let input = pattern(1 << 20);
        let cat = event_loop.subprocess_shell("cat; echo done >&2; exit 7").spawn().await.unwrap();
        let output = cat.communicate(&input).await.unwrap();
        assert!(output.stdout == input);
        assert_eq!((&output.stderr[..], output.status.code()), (&b"done\n"[..], Some(7)));

        let lines = "i=0; while read line; do i=$((i+1)); echo \"$i $line\"; done";
        let mut child = event_loop.subprocess_shell(lines).spawn().await.unwrap();
        for number in 1..=3 {
            child.write_all(b"hello\n").await.unwrap();
            assert_eq!(child.read_line().await.unwrap(), format!("{number} hello\n").as_bytes());
        }
        child.close_stdin();
        assert_eq!(child.read_line().await.unwrap(), b"");
        assert!(child.wait().await.unwrap().success());

        let endless = event_loop.subprocess_shell("exec sleep 1000").output();
        assert!(event_loop.timeout(ms(20), endless).await.is_err(), "and the child is killed");
    });
}
