//! What a pipe may be, and what becomes of its descriptor.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use loopctl::EventLoop;
use rustix::fs::{OFlags, fcntl_getfl};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::pipe::Diary;
use crate::support::{descriptors, in_child, run, turns, until};

fn blocks(fd: impl AsFd) -> bool {
    !fcntl_getfl(fd).unwrap().contains(OFlags::NONBLOCK)
}

/// A terminal: its master, and its slave in raw mode.
fn terminal() -> (OwnedFd, OwnedFd) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let slave = OpenOptions::new().read(true).write(true).open(name).unwrap();
    (master, slave.into())
}

#[test]
fn pipe_01_regular_files_are_refused_in_asyncios_words() {
    run(async |event_loop| {
        let file = || tempfile::tempfile().unwrap();
        let error = event_loop.connect_read_pipe(file(), Diary::new).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(error.to_string(), "Pipe transport is for pipes/sockets only.");
        let error = event_loop.connect_write_pipe(file(), Diary::new).await.unwrap_err();
        let text = "Pipe transport is only for pipes, sockets and character devices";
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::InvalidInput, text.to_owned()));
        let directory = File::open("/").unwrap();
        assert!(event_loop.connect_read_pipe(directory, Diary::new).await.is_err());
    });
}

#[test]
fn pipe_01_a_fifo_is_a_pipe() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    run(async |event_loop| {
        let both = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let reader = File::open(&path).unwrap();
        let writer = OpenOptions::new().write(true).open(&path).unwrap();
        drop(both);
        let reading = event_loop.connect_read_pipe(reader, Diary::new).await.unwrap();
        let writing = event_loop.connect_write_pipe(writer, Diary::new).await.unwrap();
        writing.transport.write(b"through a fifo");
        writing.transport.close();
        reading.transport.wait_closed().await;
        assert_eq!(reading.with(|diary| diary.data.clone()), b"through a fifo");
    });
}

/// Devices that the poller does not take, because they are ready at all times.
#[test]
fn pipe_01_devices_that_cannot_be_waited_for_work() {
    run(async |event_loop| {
        let null = File::open("/dev/null").unwrap();
        let reading = event_loop.connect_read_pipe(null, Diary::new).await.unwrap();
        reading.transport.wait_closed().await;
        assert_eq!(reading.with(|diary| diary.told.clone()), ["made", "eof", "lost None"]);
        let zero = File::open("/dev/zero").unwrap();
        let reading = event_loop.connect_read_pipe(zero, Diary::new).await.unwrap();
        until(&event_loop, || reading.with(|diary| diary.data.len()) > 1_000_000).await;
        reading.transport.close();
        reading.transport.wait_closed().await;
        let null = OpenOptions::new().write(true).open("/dev/null").unwrap();
        let writing = event_loop.connect_write_pipe(null, Diary::new).await.unwrap();
        writing.transport.write(&[0; 1000]);
        writing.transport.close();
        writing.transport.wait_closed().await;
        assert_eq!(writing.with(|diary| diary.told.clone()), ["made", "lost None"]);
    });
}

#[test]
fn pipe_03_the_hang_up_of_a_terminal_is_an_end_of_file() {
    run(async |event_loop| {
        let (master, slave) = terminal();
        let reading = event_loop.connect_read_pipe(master, Diary::new).await.unwrap();
        File::from(slave).write_all(b"bye").unwrap();
        reading.transport.wait_closed().await;
        assert_eq!(reading.with(|diary| diary.data.clone()), b"bye");
        let told = reading.with(|diary| diary.told.clone());
        assert_eq!(told, ["made", "data", "eof", "lost None"]);
    });
}

#[test]
fn pipe_08_the_descriptor_does_not_block_and_is_closed() {
    in_child("pipe_end::pipe_08_the_descriptor_does_not_block_and_is_closed", || {
        run(async |event_loop| {
            let before = descriptors();
            let (reader, writer) = io::pipe().unwrap();
            let same = reader.try_clone().unwrap();
            let pair = event_loop.connect_read_pipe(reader, Diary::new).await.unwrap();
            assert!(!blocks(&same));
            drop(writer);
            pair.transport.wait_closed().await;
            assert!(blocks(&same), "whoever shares it finds it as it was");
            drop(same);
            assert_eq!(descriptors(), before);
        });
    });
}

#[test]
fn pipe_08_one_that_did_not_block_before_does_not_afterwards() {
    run(async |event_loop| {
        let (reader, _writer) = io::pipe().unwrap();
        rustix::io::ioctl_fionbio(&reader, true).unwrap();
        let same = reader.try_clone().unwrap();
        let pair = event_loop.connect_read_pipe(reader, Diary::new).await.unwrap();
        pair.transport.close();
        pair.transport.wait_closed().await;
        assert!(!blocks(&same));
    });
}

/// A terminal is standard input and output at once. Whichever ends first, the other goes on, and the last
/// one puts it back for the shell.
#[test]
fn pipe_08_stdin_and_stdout_may_be_one_open_file() {
    for input_ends_first in [true, false] {
        run(async |event_loop| {
            let (_master, shell) = terminal();
            let dup = || shell.try_clone().unwrap();
            let input = event_loop.connect_read_pipe(dup(), Diary::new).await.unwrap();
            let output = event_loop.connect_write_pipe(dup(), Diary::new).await.unwrap();
            assert!(!blocks(&shell));
            if input_ends_first {
                input.transport.close();
                input.transport.wait_closed().await;
            } else {
                output.transport.close();
                output.transport.wait_closed().await;
            }
            assert!(!blocks(&shell), "the other one is still in use");
            input.transport.close();
            output.transport.close();
            input.transport.wait_closed().await;
            output.transport.wait_closed().await;
            assert!(blocks(&shell));
        });
    }
}

/// Both ends of a pipe have one inode, but they are two open files.
#[test]
fn pipe_08_the_other_end_of_the_same_pipe_is_none_of_our_business() {
    run(async |event_loop| {
        let (reader, writer) = io::pipe().unwrap();
        rustix::io::ioctl_fionbio(&writer, true).unwrap();
        let (our_reader, our_writer) = (reader.try_clone().unwrap(), writer.try_clone().unwrap());
        let reading = event_loop.connect_read_pipe(reader, Diary::new).await.unwrap();
        let writing = event_loop.connect_write_pipe(writer, Diary::new).await.unwrap();
        reading.transport.close();
        reading.transport.wait_closed().await;
        assert!(blocks(&our_reader));
        writing.transport.close();
        writing.transport.wait_closed().await;
        assert!(!blocks(&our_writer), "it did not block when it came");
    });
}

#[test]
fn pipe_08_closing_the_loop_restores_as_well() {
    let mut event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    let (_reader, writer) = io::pipe().unwrap();
    let same = writer.try_clone().unwrap();
    let connecting = handle.connect_write_pipe(writer, Diary::new);
    let pair = event_loop.run_until_complete(connecting).unwrap().unwrap();
    assert!(!blocks(&same));
    event_loop.close();
    assert!(blocks(&same));
    assert_eq!(pair.with(|diary| diary.told.clone()), ["made"], "nobody is told");
    // PIPE-10: it can still be shown.
    assert_eq!(format!("{pair:?}"), "<WritePipe closed bufsize=0>");
}

#[test]
fn pipe_09_a_protocol_that_cannot_be_made_closes_the_pipe() {
    in_child("pipe_end::pipe_09_a_protocol_that_cannot_be_made_closes_the_pipe", || {
        let mut event_loop = EventLoop::new().unwrap();
        let handle = event_loop.handle();
        let (reader, writer) = io::pipe().unwrap();
        let before = descriptors();
        let connecting = handle.connect_read_pipe(reader, || -> Diary { panic!("no protocol") });
        catch_unwind(AssertUnwindSafe(|| event_loop.run_until_complete(connecting))).unwrap_err();
        let connecting = handle.connect_write_pipe(writer, || -> Diary { panic!("no protocol") });
        catch_unwind(AssertUnwindSafe(|| event_loop.run_until_complete(connecting))).unwrap_err();
        assert_eq!(descriptors(), before - 2);
    });
}

#[test]
fn pipe_10_the_state_shows() {
    run(async |event_loop| {
        let (reader, _writer) = io::pipe().unwrap();
        let pair = event_loop.connect_read_pipe(reader, Diary::new).await.unwrap();
        assert_eq!(format!("{pair:?}"), "<ReadPipe open read=polling>");
        pair.transport.pause_reading();
        assert_eq!(format!("{pair:?}"), "<ReadPipe open read=paused>");
        pair.transport.close();
        assert_eq!(format!("{pair:?}"), "<ReadPipe closing read=paused>");
        turns(&event_loop, 2).await;
        assert_eq!(format!("{pair:?}"), "<ReadPipe closed read=paused>");
    });
}
