//! `add_reader` and `add_writer`: level-triggered callbacks on an edge-triggered poller.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use loopctl::LoopHandle;

use crate::support::{Reports, in_child, ms, run, turns, until};

fn pair() -> (Rc<UnixStream>, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    (Rc::new(ours), theirs)
}

/// A callback that counts its calls.
fn counter() -> (Rc<Cell<usize>>, impl FnMut() + 'static) {
    let count = Rc::new(Cell::new(0));
    let inside = Rc::clone(&count);
    (count, move || inside.set(inside.get() + 1))
}

async fn quiet(event_loop: &LoopHandle, count: &Cell<usize>) -> bool {
    let before = count.get();
    event_loop.sleep(ms(10)).await;
    count.get() == before
}

#[test]
fn sock_12_a_second_reader_replaces_the_first() {
    run(async |event_loop| {
        let (ours, mut theirs) = pair();
        let ((first, call_first), (second, call_second)) = (counter(), counter());
        let handle = event_loop.add_reader(&ours, call_first).unwrap();
        let newer = event_loop.add_reader(&ours, call_second).unwrap();
        assert!(handle.is_cancelled() && !newer.is_cancelled());
        theirs.write_all(b"x").unwrap();
        until(&event_loop, || second.get() > 0).await;
        assert_eq!(first.get(), 0);
        assert!(event_loop.remove_reader(&ours));
    });
}

/// Replaced after the poller has spoken and before the first one's turn.
#[test]
fn sock_12_a_reader_replaced_when_ready_is_not_called() {
    run(async |event_loop| {
        let (ours, mut theirs) = pair();
        let ((first, call_first), (second, call_second)) = (counter(), counter());
        // An earlier reader of the same turn replaces the later one.
        let (trigger, mut pull) = pair();
        let (inside, watched, mut kept) = (event_loop.clone(), Rc::clone(&ours), Some(call_second));
        let replace = move || {
            if let Some(call) = kept.take() {
                inside.add_reader(&watched, call).map(drop)?;
            }
            Ok::<(), std::io::Error>(())
        };
        event_loop.add_reader(&trigger, replace).unwrap();
        event_loop.add_reader(&ours, call_first).unwrap();
        pull.write_all(b"x").unwrap();
        theirs.write_all(b"x").unwrap();
        until(&event_loop, || second.get() > 0).await;
        assert!(first.get() == 0, "the trigger was ready first");
        assert!(event_loop.remove_reader(&ours) && event_loop.remove_reader(&trigger));
    });
}

#[test]
fn sock_12_reader_and_writer_are_independent() {
    run(async |event_loop| {
        let (ours, mut theirs) = pair();
        let ((reads, read), (writes, write)) = (counter(), counter());
        event_loop.add_reader(&ours, read).unwrap();
        event_loop.add_writer(&ours, write).unwrap();
        until(&event_loop, || writes.get() >= 3).await;
        assert_eq!(reads.get(), 0, "nothing to read");
        assert!(event_loop.remove_writer(&ours));
        assert!(quiet(&event_loop, &writes).await);
        theirs.write_all(b"x").unwrap();
        until(&event_loop, || reads.get() >= 3).await;
        event_loop.add_writer(&ours, || ()).unwrap();
        assert!(event_loop.remove_reader(&ours));
        assert!(quiet(&event_loop, &reads).await);
        assert!(event_loop.remove_writer(&ours));
    });
}

#[test]
fn sock_12_removing_tells_whether_there_was_one() {
    run(async |event_loop| {
        let (ours, _theirs) = pair();
        assert!(!event_loop.remove_reader(&ours) && !event_loop.remove_writer(&ours));
        let handle = event_loop.add_reader(&ours, || ()).unwrap();
        assert!(!event_loop.remove_writer(&ours));
        assert!(event_loop.remove_reader(&ours));
        assert!(handle.is_cancelled());
        assert!(!event_loop.remove_reader(&ours));
    });
}

#[test]
fn sock_12_a_cancelled_handle_is_no_reader() {
    run(async |event_loop| {
        let (ours, mut theirs) = pair();
        let (count, call) = counter();
        let handle = event_loop.add_reader(&ours, call).unwrap();
        theirs.write_all(b"x").unwrap();
        handle.cancel();
        assert!(quiet(&event_loop, &count).await);
        assert!(!event_loop.remove_reader(&ours));
        assert_eq!(count.get(), 0);
    });
}

/// The poller says nothing more about a descriptor that nobody watches: the loop sleeps.
#[test]
fn sock_13_removing_the_last_interest_unregisters_at_once() {
    let mut event_loop = loopctl::EventLoop::new().unwrap();
    let (handle, (ours, mut theirs)) = (event_loop.handle(), pair());
    let turns = event_loop.enter().unwrap();
    for _ in 0..3 {
        handle.add_reader(&ours, || ()).unwrap();
        handle.add_writer(&ours, || ()).unwrap();
        assert!(handle.remove_writer(&ours) && handle.remove_reader(&ours));
        theirs.write_all(b"x").unwrap();
        let began = handle.time();
        turns.turn(Some(ms(20))).unwrap();
        assert!(handle.time() - began >= ms(20));
    }
}

/// The number is free for a stranger the moment the reader is gone and the descriptor closed.
#[test]
fn sock_13_closing_right_after_removing_is_safe() {
    in_child("readers::sock_13_closing_right_after_removing_is_safe", || {
        run(async |event_loop| {
            for _ in 0..100 {
                let (ours, mut theirs) = pair();
                let (old, call_old) = counter();
                event_loop.add_reader(&ours, call_old).unwrap();
                theirs.write_all(b"x").unwrap();
                turns(&event_loop, 2).await;
                let (number, before) = (ours.as_raw_fd(), old.get());
                assert!(before > 0);
                assert!(event_loop.remove_reader(&ours));
                drop((ours, theirs));
                let (stranger, _peer) = pair();
                assert_eq!(stranger.as_raw_fd(), number, "the number is used again");
                let (new, call_new) = counter();
                event_loop.add_reader(&stranger, call_new).unwrap();
                turns(&event_loop, 3).await;
                assert_eq!((old.get(), new.get()), (before, 0));
                event_loop.remove_reader(&stranger);
            }
        });
    });
}

/// Closed without being removed, which is wrong, and its number used again: the new reader works.
#[test]
fn sock_17_a_forgotten_reader_does_not_harm_the_next_descriptor() {
    in_child("readers::sock_17_a_forgotten_reader_does_not_harm_the_next_descriptor", || {
        run(async |event_loop| {
            let (ours, theirs) = pair();
            let (old, call_old) = counter();
            event_loop.add_reader(&ours, call_old).unwrap();
            turns(&event_loop, 1).await;
            let number = ours.as_raw_fd();
            drop((ours, theirs));
            let (stranger, mut peer) = pair();
            assert_eq!(stranger.as_raw_fd(), number, "the number is used again");
            let (new, call_new) = counter();
            event_loop.add_reader(&stranger, call_new).unwrap();
            peer.write_all(b"x").unwrap();
            until(&event_loop, || new.get() > 0).await;
            assert_eq!(old.get(), 0);
            assert!(event_loop.remove_reader(&stranger));
        });
    });
}

#[test]
fn sock_15_what_cannot_be_watched_is_refused() {
    run(async |event_loop| {
        let file = File::open("/proc/self/exe").unwrap();
        let error = event_loop.add_reader(&file, || ()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EPERM));
        assert!(!event_loop.remove_reader(&file), "nothing was left behind");
    });
}

/// Both are ready in one turn; the first one's callback removes the second.
#[test]
fn sock_16_a_reader_removed_by_another_in_the_same_turn_is_not_called() {
    run(async |event_loop| {
        let (pairs, calls) = ([pair(), pair()], Rc::new(RefCell::new(Vec::new())));
        for at in 0..2 {
            let (inside, other) = (event_loop.clone(), Rc::clone(&pairs[1 - at].0));
            let log = Rc::clone(&calls);
            let call = move || {
                log.borrow_mut().push(at);
                inside.remove_reader(&other);
            };
            event_loop.add_reader(&pairs[at].0, call).unwrap();
        }
        for (_, theirs) in &pairs {
            let mut theirs = theirs;
            theirs.write_all(b"x").unwrap();
        }
        turns(&event_loop, 5).await;
        let calls = calls.borrow().clone();
        assert!(!calls.is_empty() && calls.iter().all(|at| *at == calls[0]), "{calls:?}");
    });
}

/// One byte at a time, though the poller speaks only once.
#[test]
fn sock_19_a_reader_is_called_as_long_as_there_is_something() {
    run(async |event_loop| {
        let (ours, mut theirs) = pair();
        theirs.write_all(b"abcdefgh").unwrap();
        let (text, socket) = (Rc::new(RefCell::new(Vec::new())), Rc::clone(&ours));
        let received = Rc::clone(&text);
        let (count, mut call) = counter();
        let read_one = move || {
            let mut byte = [0];
            call();
            (&*socket).read_exact(&mut byte).map(|()| received.borrow_mut().extend(byte))
        };
        event_loop.add_reader(&ours, read_one).unwrap();
        until(&event_loop, || *text.borrow() == b"abcdefgh").await;
        assert!(quiet(&event_loop, &count).await, "and no longer");
        theirs.write_all(b"i").unwrap();
        until(&event_loop, || text.borrow().ends_with(b"i")).await;
        event_loop.remove_reader(&ours);
    });
}

#[test]
fn sock_19_a_writer_is_called_as_long_as_there_is_room() {
    run(async |event_loop| {
        let (ours, mut theirs) = pair();
        let socket = Rc::clone(&ours);
        let (count, mut call) = counter();
        let fill = move || {
            call();
            (&*socket).write(&[0; 1024]).map(drop)
        };
        event_loop.add_writer(&ours, fill).unwrap();
        until(&event_loop, || count.get() >= 8).await;
        // Until the socket is full, which ends it.
        while !quiet(&event_loop, &count).await {}
        theirs.set_nonblocking(true).unwrap();
        while theirs.read(&mut [0; 4096]).is_ok() {}
        let before = count.get();
        until(&event_loop, || count.get() > before).await;
        event_loop.remove_writer(&ours);
    });
}

/// asyncio's readers survive their exceptions; so do ours, error or panic.
#[test]
fn exc_02_a_reader_that_fails_is_reported_and_stays() {
    run(async |event_loop| {
        let reports = Reports::of(&event_loop);
        let (ours, mut theirs) = pair();
        let (socket, mut calls) = (Rc::clone(&ours), 0);
        event_loop
            .add_reader(&ours, move || {
                calls += 1;
                match calls {
                    1 => Err(std::io::Error::other("first")),
                    2 => panic!("second"),
                    _ => (&*socket).read_exact(&mut [0]),
                }
            })
            .unwrap();
        theirs.write_all(b"x").unwrap();
        until(&event_loop, || reports.texts().len() == 2).await;
        turns(&event_loop, 3).await;
        let texts = reports.texts();
        assert!(texts[0].contains("first") && texts[1].contains("second"), "{texts:?}");
        assert!(event_loop.remove_reader(&ours), "it is still there");
        assert_eq!((&*ours).read(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    });
}

/// Its descriptor cannot be watched any more, which is not the news.
#[test]
fn exc_02_a_reader_that_closes_its_descriptor_and_fails_is_reported_for_that() {
    run(async |event_loop| {
        let reports = Reports::of(&event_loop);
        let (ours, mut theirs) = pair();
        let (slot, inside) = (Rc::new(RefCell::new(Some(ours))), event_loop.clone());
        let socket = Rc::clone(&slot);
        let callback = move || {
            drop(socket.take());
            inside.call_soon(|| ());
            Err(std::io::Error::other("the reason"))
        };
        let ours = slot.borrow().clone().unwrap();
        event_loop.add_reader(&ours, callback).unwrap();
        drop(ours);
        theirs.write_all(b"x").unwrap();
        until(&event_loop, || !reports.texts().is_empty()).await;
        assert!(reports.texts()[0].contains("the reason"), "{:?}", reports.texts());
    });
}

#[test]
fn loop_17_closing_the_loop_frees_its_readers() {
    let held = Rc::new(());
    let event_loop = loopctl::EventLoop::new().unwrap();
    let (handle, (ours, _theirs)) = (event_loop.handle(), pair());
    let inside = Rc::clone(&held);
    handle.add_reader(&ours, move || drop(Rc::clone(&inside))).unwrap();
    assert_eq!(Rc::strong_count(&held), 2);
    event_loop.close();
    assert_eq!(Rc::strong_count(&held), 1);
    assert!(!handle.remove_reader(&ours));
    assert!(handle.add_reader(&ours, || ()).is_err());
}
