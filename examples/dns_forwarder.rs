//! Passes DNS questions on to a name server over UDP: `cargo run --example dns_forwarder -- 127.0.0.1:5353 9.9.9.9:53`.
//!
//! Each question goes out from a socket of its own, so that its port is hard to guess (RFC 5452, section 9.2). A
//! question without an answer in 5 s is dropped: the client asks again.
#![allow(clippy::print_stderr, clippy::print_stdout)]

use std::env;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use loopctl::{Address, BoxError, DatagramSocket, LoopHandle};

const LIMIT: Duration = Duration::from_secs(5);
const HEADER: usize = 12;

async fn ask(
    event_loop: &LoopHandle,
    server: SocketAddr,
    question: &[u8],
) -> Result<Vec<u8>, BoxError> {
    let socket = event_loop.create_datagram_endpoint().remote_addr(server).open_socket().await?;
    socket.send(question)?;
    let answer = async {
        loop {
            let datagram = socket.recv().await?;
            // Another ID is an answer to something else, or a forgery.
            if datagram.len() >= HEADER && datagram[..2] == question[..2] {
                return Ok(datagram);
            }
        }
    };
    event_loop.timeout(LIMIT, answer).await?
}

async fn forward(
    event_loop: LoopHandle,
    clients: Rc<DatagramSocket>,
    server: SocketAddr,
    question: Vec<u8>,
    from: Address,
) {
    let answer = ask(&event_loop, server, &question).await;
    let sent = answer.and_then(|answer| Ok(clients.send_to(&answer, &from)?));
    if let Err(error) = sent {
        eprintln!("{from}: {error}");
    }
}

fn main() -> Result<(), BoxError> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [listen, server] = arguments.as_slice() else {
        return Err("usage: dns_forwarder LISTEN-ADDRESS SERVER-ADDRESS".into());
    };
    let (listen, server): (SocketAddr, SocketAddr) = (listen.parse()?, server.parse()?);
    loopctl::run(async |event_loop| {
        let clients = event_loop.create_datagram_endpoint().local_addr(listen).open_socket();
        let clients = Rc::new(clients.await?);
        println!("listening on {}", clients.local_addr().ok_or("no address")?);
        loop {
            let (question, from) = clients.recv_from().await?;
            if let Some(from) = from
                && question.len() >= HEADER
            {
                let clients = Rc::clone(&clients);
                drop(event_loop.create_task(forward(
                    event_loop.clone(),
                    clients,
                    server,
                    question,
                    from,
                )));
            }
        }
    })?
}
