//! The server handle: serving, closing, and waiting for the end.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use loopctl::{EventLoop, LoopHandle, Server, ServerError, Shutdown};

use crate::support::{Guests, guest, is_refused, ms, pattern, reset, run, step, turns, until};

async fn serve(event_loop: &LoopHandle, guests: &Guests) -> (Server, SocketAddr) {
    let server = event_loop.create_server("127.0.0.1", 0).serve(guests.factory()).await.unwrap();
    let address = server.local_addrs()[0];
    (server, address)
}

#[test]
fn srv_15_a_server_that_does_not_serve_yet_refuses() {
    run(async |event_loop| {
        let guests = Guests::new();
        let creating = event_loop.create_server("127.0.0.1", 0).start_serving(false);
        let server = creating.serve(guests.factory()).await.unwrap();
        let address = server.local_addrs()[0];
        assert!(!server.is_serving() && address.port() != 0 && is_refused(address));
        for _ in 0..2 {
            server.start_serving().unwrap();
            assert!(server.is_serving());
        }
        guests.invite(&event_loop, address).await;
    });
}

#[test]
fn srv_16_serve_forever_starts_and_ends_with_the_server() {
    run(async |event_loop| {
        let guests = Guests::new();
        let creating = event_loop.create_server("127.0.0.1", 0).start_serving(false);
        let server = Rc::new(creating.serve(guests.factory()).await.unwrap());
        let serving = Rc::clone(&server);
        let task = event_loop.create_task(async move { serving.serve_forever().await });
        turns(&event_loop, 2).await;
        assert!(server.is_serving());
        let client = guests.invite(&event_loop, server.local_addrs()[0]).await;
        server.close();
        task.await.unwrap().unwrap();
        assert_eq!((server.client_count(), guests.lost()), (1, 0), "it does not wait for clients");
        drop(client);
    });
}

#[test]
fn srv_16_serve_forever_twice_is_refused() {
    run(async |event_loop| {
        let (server, _) = serve(&event_loop, &Guests::new()).await;
        let mut first = Box::pin(server.serve_forever());
        assert!(step(&mut first).is_pending());
        let error = server.serve_forever().await.unwrap_err();
        assert!(matches!(error, ServerError::AlreadyServing));
        assert_eq!(error.to_string(), "server is already being awaited on serve_forever()");
        assert!(server.is_serving(), "the refused call does no harm");
        server.close();
        first.await.unwrap();
    });
}

#[test]
fn srv_16_a_closed_server_serves_no_more() {
    run(async |event_loop| {
        let (server, _) = serve(&event_loop, &Guests::new()).await;
        server.close();
        let error = server.serve_forever().await.unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (ErrorKind::InvalidInput, "server is closed")
        );
        assert!(matches!(server.start_serving(), Err(ServerError::Closed)));
    });
}

#[test]
fn srv_17_cancelling_serve_forever_closes() {
    run(async |event_loop| {
        let (server, address) = serve(&event_loop, &Guests::new()).await;
        event_loop.timeout(ms(5), server.serve_forever()).await.unwrap_err();
        assert!(!server.is_serving() && is_refused(address));
        server.wait_closed().await;
    });
}

#[test]
fn srv_18_close_wakes_serve_forever() {
    run(async |event_loop| {
        let (server, _) = serve(&event_loop, &Guests::new()).await;
        let server = Rc::new(server);
        let serving = Rc::clone(&server);
        let serving = event_loop.create_task(async move { serving.serve_forever().await });
        turns(&event_loop, 3).await;
        assert!(!serving.is_finished() && server.is_serving());
        server.close();
        turns(&event_loop, 3).await;
        assert!(serving.is_finished(), "within some turns, without a client to wait for");
        serving.await.unwrap().unwrap();
    });
}

#[test]
fn srv_19_close_refuses_at_once_and_leaves_clients_alone() {
    run(async |event_loop| {
        let guests = Guests::new();
        let (server, address) = serve(&event_loop, &guests).await;
        let mut client = guests.invite(&event_loop, address).await;
        for _ in 0..2 {
            server.close();
            assert!(!server.is_serving() && is_refused(address));
            assert!(server.local_addrs().is_empty() && server.with_sockets(|_| ()).is_empty());
            assert_eq!(format!("{server:?}"), "<Server sockets=()>");
        }
        client.write_all(b"still there").unwrap();
        turns(&event_loop, 4).await;
        let mut answer = [0; 11];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"still there");
    });
}

/// B1: all four states, with two waiters in each; the end comes only when both conditions hold.
#[test]
fn srv_20_wait_closed_in_all_four_states() {
    for (closed, has_client) in [(false, false), (false, true), (true, false), (true, true)] {
        run(async |event_loop| {
            let guests = Guests::new();
            let (server, address) = serve(&event_loop, &guests).await;
            let client =
                if has_client { Some(guests.invite(&event_loop, address).await) } else { None };
            if closed {
                server.close();
            }
            let mut waiters = [Box::pin(server.wait_closed()), Box::pin(server.wait_closed())];
            let is_over = closed && !has_client;
            for waiter in &mut waiters {
                assert_eq!(step(waiter).is_ready(), is_over, "{closed} {has_client}");
            }
            if is_over {
                return;
            }
            server.close();
            drop(client);
            for waiter in waiters {
                waiter.await;
            }
            assert_eq!((guests.lost(), server.client_count()), (guests.made(), 0));
            server.wait_closed().await;
        });
    }
}

#[test]
fn srv_20_either_order_of_close_and_the_last_client() {
    for close_first in [true, false] {
        run(async |event_loop| {
            let guests = Guests::new();
            let (server, address) = serve(&event_loop, &guests).await;
            let clients = [
                guests.invite(&event_loop, address).await,
                guests.invite(&event_loop, address).await,
            ];
            let server = Rc::new(server);
            let waiting = Rc::clone(&server);
            let waiter = event_loop.create_task(async move { waiting.wait_closed().await });
            let mut leaving = clients.into_iter();
            if close_first {
                server.close();
                drop(leaving.next());
                until(&event_loop, || guests.lost() == 1).await;
                assert!(!waiter.is_finished(), "one client is left");
                drop(leaving);
            } else {
                drop(leaving);
                until(&event_loop, || guests.lost() == 2).await;
                turns(&event_loop, 3).await;
                assert!(!waiter.is_finished(), "the server is open");
                server.close();
            }
            waiter.await.unwrap();
        });
    }
}

#[test]
fn srv_20_a_cancelled_waiter_is_harmless() {
    run(async |event_loop| {
        let guests = Guests::new();
        let (server, address) = serve(&event_loop, &guests).await;
        let client = guests.invite(&event_loop, address).await;
        server.close();
        event_loop.timeout(ms(2), server.wait_closed()).await.unwrap_err();
        let other = server.wait_closed();
        drop(client);
        other.await;
    });
}

#[test]
fn srv_22_close_clients_sends_what_is_queued() {
    run(async |event_loop| {
        let guests = Guests::new();
        let (server, address) = serve(&event_loop, &guests).await;
        let client = guests.invite(&event_loop, address).await;
        let whole = pattern(4 << 20);
        let _ = guests.transports()[0].write(&whole);
        assert_eq!(server.close_clients(), 1);
        assert!(server.is_serving(), "the server itself goes on");
        let reader = std::thread::Builder::new().spawn(move || {
            let mut received = Vec::new();
            (&client).read_to_end(&mut received).map(|_| received)
        });
        until(&event_loop, || guests.lost() == 1).await;
        assert!(reader.unwrap().join().unwrap().unwrap() == whole, "every byte");
    });
}

#[test]
fn srv_22_abort_clients_takes_two_turns_however_much_is_queued() {
    run(async |event_loop| {
        let guests = Guests::new();
        let (server, address) = serve(&event_loop, &guests).await;
        let clients =
            [guests.invite(&event_loop, address).await, guests.invite(&event_loop, address).await];
        for transport in guests.transports() {
            let _ = transport.write(&pattern(8 << 20));
        }
        turns(&event_loop, 3).await;
        assert_eq!((server.abort_clients(), guests.lost()), (2, 0));
        turns(&event_loop, 2).await;
        assert_eq!((guests.lost(), server.client_count()), (2, 0));
        drop(clients);
    });
}

#[test]
fn srv_21_shutdown_with_idle_and_stubborn_clients() {
    run(async |event_loop| {
        let guests = Guests::new();
        let (server, address) = serve(&event_loop, &guests).await;
        let mut idle = Vec::new();
        for _ in 0..3 {
            idle.push(guests.invite(&event_loop, address).await);
        }
        let _stubborn = guests.invite(&event_loop, address).await;
        let _ = guests.transports()[3].write(&pattern(8 << 20));
        let began = event_loop.time();
        let end = server.shutdown(ms(60)).await;
        let took = event_loop.time() - began;
        assert_eq!((end.closed, end.aborted), (3, 1));
        assert!(took >= ms(60) && took < Duration::from_secs(5), "{took:?}");
        assert_eq!((guests.lost(), server.client_count(), server.is_serving()), (4, 0, false));
        for client in &mut idle {
            assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
        }
    });
}

#[test]
fn srv_21_shutdown_is_at_once_when_nobody_holds_it_up() {
    run(async |event_loop| {
        let guests = Guests::new();
        let (server, address) = serve(&event_loop, &guests).await;
        let _idle = guests.invite(&event_loop, address).await;
        let began = event_loop.time();
        let end = server.shutdown(Duration::from_secs(60)).await;
        assert_eq!((end.closed, end.aborted), (1, 0));
        assert!(event_loop.time() - began < Duration::from_secs(5));
        assert_eq!(server.shutdown(Duration::ZERO).await, Shutdown::default(), "twice");
    });
}

#[test]
fn srv_29_dropping_a_server_closes_it_and_leaves_clients() {
    run(async |event_loop| {
        let guests = Guests::new();
        let (server, address) = serve(&event_loop, &guests).await;
        let mut client = guests.invite(&event_loop, address).await;
        drop(server);
        assert!(is_refused(address));
        client.write_all(b"hello").unwrap();
        turns(&event_loop, 4).await;
        client.read_exact(&mut [0; 5]).unwrap();
        drop(client);
        until(&event_loop, || guests.lost() == 1).await;
    });
}

/// A factory that holds its own server would keep it alive for ever, did not the close let go of it.
#[test]
fn srv_29_a_close_forgets_the_factory() {
    run(async |event_loop| {
        let witness = Rc::new(());
        let held = Rc::clone(&witness);
        let factory = move || {
            let _ = &held;
            crate::support::Recorder::new()
        };
        let server = event_loop.create_server("127.0.0.1", 0).serve(factory).await.unwrap();
        assert_eq!(Rc::strong_count(&witness), 2);
        server.close();
        assert_eq!(Rc::strong_count(&witness), 1);
    });
}

#[test]
fn srv_32_the_loop_and_the_addresses() {
    run(async |event_loop| {
        let (server, address) = serve(&event_loop, &Guests::new()).await;
        assert_eq!(format!("{server:?}"), format!("<Server sockets=({address})>"));
        assert!(server.handle().is_running());
    });
}

#[test]
fn srv_34_the_name_of_a_client_that_is_gone_already() {
    run(async |event_loop| {
        let guests = Guests::new();
        let (_server, address) = serve(&event_loop, &guests).await;
        let client = guest(address);
        let name = client.local_addr().unwrap();
        reset(client);
        until(&event_loop, || guests.made() == 1).await;
        assert_eq!(guests.transports()[0].peer_addr().unwrap(), name);
        assert_eq!(guests.transports()[0].local_addr().unwrap(), address);
    });
}

#[test]
fn srv_a_closed_loop_closes_its_servers() {
    let mut event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    let guests = Guests::new();
    let (server, address, client) = event_loop
        .run_until_complete(async {
            let (server, address) = serve(&handle, &guests).await;
            let client = guests.invite(&handle, address).await;
            (server, address, client)
        })
        .unwrap();
    event_loop.close();
    assert!(!server.is_serving() && is_refused(address));
    assert_eq!(server.client_count(), 0);
    assert_eq!((&client).read(&mut [0; 1]).unwrap(), 0);
}

/// SRV-30: uvloop's test: everybody sends a megabyte, reads a word, and that twice.
#[test]
fn srv_30_twenty_five_clients_of_a_megabyte() {
    run(async |event_loop| {
        let guests = Guests::new();
        let (server, address) = serve(&event_loop, &guests).await;
        let whole = pattern(1 << 20);
        let clients: Vec<_> = (0..25)
            .map(|_| {
                let whole = whole.clone();
                let talk = move || {
                    let client = guest(address);
                    for _ in 0..2 {
                        let mut writing = client.try_clone().unwrap();
                        let sent = whole.clone();
                        let write = move || writing.write_all(&sent).unwrap();
                        let writer = std::thread::Builder::new().spawn(write).unwrap();
                        let mut answer = vec![0; whole.len()];
                        (&client).read_exact(&mut answer).unwrap();
                        writer.join().unwrap();
                        assert!(answer == whole);
                    }
                };
                std::thread::Builder::new().spawn(talk).unwrap()
            })
            .collect();
        until(&event_loop, || guests.lost() == 25).await;
        clients.into_iter().for_each(|client| client.join().unwrap());
        assert_eq!(server.client_count(), 0);
    });
}
