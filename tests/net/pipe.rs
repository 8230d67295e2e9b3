//! `connect_read_pipe` and `connect_write_pipe`: what goes through.

use std::io::{self, ErrorKind, Read, Write};

use loopctl::{
    Endpoint, EventLoop, LoopHandle, ReadPipe, ReadPipeProtocol, WritePipe, WritePipeProtocol,
};

use crate::support::{Reports, in_child, pattern, run, start_logging, take_logged, turns, until};
use crate::transport::{exit, run_to_exit};

/// Writes down what it is told.
#[derive(Default)]
pub(crate) struct Diary {
    pub(crate) data: Vec<u8>,
    pub(crate) told: Vec<String>,
}

impl Diary {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn note(&mut self, what: impl Into<String>) {
        self.told.push(what.into());
    }
}

fn lost(error: Option<io::Error>) -> String {
    format!("lost {:?}", error.map(|error| error.kind()))
}

impl ReadPipeProtocol for Diary {
    fn connection_made(&mut self, _: &ReadPipe) {
        self.note("made");
    }

    fn data_received(&mut self, _: &ReadPipe, data: &[u8]) {
        self.data.extend(data);
        if self.told.last().is_none_or(|last| last != "data") {
            self.note("data");
        }
    }

    fn eof_received(&mut self, _: &ReadPipe) {
        self.note("eof");
    }

    fn connection_lost(&mut self, error: Option<io::Error>) {
        self.note(lost(error));
    }
}

impl WritePipeProtocol for Diary {
    fn connection_made(&mut self, _: &WritePipe) {
        self.note("made");
    }

    fn pause_writing(&mut self, _: &WritePipe) {
        self.note("pause");
    }

    fn resume_writing(&mut self, _: &WritePipe) {
        self.note("resume");
    }

    fn connection_lost(&mut self, error: Option<io::Error>) {
        self.note(lost(error));
    }
}

async fn reading(event_loop: &LoopHandle) -> (Endpoint<ReadPipe, Diary>, io::PipeWriter) {
    let (reader, writer) = io::pipe().unwrap();
    (event_loop.connect_read_pipe(reader, Diary::new).await.unwrap(), writer)
}

async fn writing(event_loop: &LoopHandle) -> (Endpoint<WritePipe, Diary>, io::PipeReader) {
    let (reader, writer) = io::pipe().unwrap();
    rustix::io::ioctl_fionbio(&reader, true).unwrap();
    (event_loop.connect_write_pipe(writer, Diary::new).await.unwrap(), reader)
}

/// Reads until the writer has closed its end.
async fn read_all(event_loop: &LoopHandle, mut reader: io::PipeReader) -> Vec<u8> {
    let (mut data, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
    until(event_loop, || {
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return true,
                Ok(count) => data.extend(&buffer[..count]),
                Err(_) => return false,
            }
        }
    })
    .await;
    data
}

#[test]
fn pipe_02_made_data_eof_lost() {
    run(async |event_loop| {
        let (pair, mut writer) = reading(&event_loop).await;
        writer.write_all(b"hello").unwrap();
        until(&event_loop, || pair.with(|diary| diary.data == b"hello")).await;
        drop(writer);
        pair.transport.wait_closed().await;
        let told = pair.with(|diary| diary.told.clone());
        assert_eq!(told, ["made", "data", "eof", "lost None"]);
        assert!(pair.transport.is_closing() && !pair.transport.is_reading());
    });
}

#[test]
fn pipe_02_what_was_written_before_the_end_arrives() {
    let sent = pattern(60_000);
    run(async |event_loop| {
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(&sent).unwrap();
        drop(writer);
        let pair = event_loop.connect_read_pipe(reader, Diary::new).await.unwrap();
        pair.transport.wait_closed().await;
        assert!(pair.with(|diary| diary.data == sent));
    });
}

#[test]
fn pipe_04_what_the_pipe_does_not_take_is_queued() {
    let sent = pattern(1_000_000);
    run(async |event_loop| {
        let (pair, reader) = writing(&event_loop).await;
        sent.chunks(100_000).for_each(|chunk| pair.transport.write(chunk));
        assert!(pair.transport.write_buffer_size() > 900_000);
        pair.transport.close();
        assert!(read_all(&event_loop, reader).await == sent);
        pair.transport.wait_closed().await;
        assert_eq!(pair.with(|diary| diary.told.clone()), ["made", "pause", "resume", "lost None"]);
    });
}

#[test]
fn pipe_04_twenty_thousand_small_writes_lose_nothing() {
    run(async |event_loop| {
        let (pair, reader) = writing(&event_loop).await;
        let numbers: Vec<u8> = (0..20_000_u32).flat_map(u32::to_be_bytes).collect();
        numbers.chunks(4).for_each(|number| pair.transport.write(number));
        pair.transport.write_eof();
        assert!(read_all(&event_loop, reader).await == numbers);
    });
}

#[test]
fn pipe_04_the_writer_is_paused_above_64_kib() {
    run(async |event_loop| {
        let (pair, mut reader) = writing(&event_loop).await;
        let room = 64 * 1024;
        pair.transport.write(&vec![0; room + room]);
        turns(&event_loop, 2).await;
        assert_eq!(pair.with(|diary| diary.told.clone()), ["made"], "at the limit, not above");
        pair.transport.write(b"x");
        assert_eq!(pair.with(|diary| diary.told.len()), 1, "not from inside the call");
        turns(&event_loop, 2).await;
        assert_eq!(pair.with(|diary| diary.told.clone()), ["made", "pause"]);
        let mut drained = Box::pin(pair.transport.drain());
        assert!(crate::support::step(&mut drained).is_pending());
        let mut buffer = vec![0; room];
        until(&event_loop, || {
            let _ = reader.read(&mut buffer);
            pair.with(|diary| diary.told.len()) == 3
        })
        .await;
        assert_eq!(pair.with(|diary| diary.told.clone()), ["made", "pause", "resume"]);
        drained.await.unwrap();
    });
}

#[test]
fn pipe_05_a_reader_that_goes_away_is_noticed_without_a_write() {
    run(async |event_loop| {
        let (pair, reader) = writing(&event_loop).await;
        turns(&event_loop, 3).await;
        drop(reader);
        pair.transport.wait_closed().await;
        assert_eq!(pair.with(|diary| diary.told.clone()), ["made", "lost None"]);
    });
}

#[test]
fn pipe_05_a_reader_that_goes_away_with_data_queued_is_a_broken_pipe() {
    run(async |event_loop| {
        let (pair, reader) = writing(&event_loop).await;
        pair.transport.write(&vec![0; 200_000]);
        turns(&event_loop, 3).await;
        let mut drained = Box::pin(pair.transport.drain());
        assert!(crate::support::step(&mut drained).is_pending());
        drop(reader);
        pair.transport.wait_closed().await;
        let told = pair.with(|diary| diary.told.clone());
        assert_eq!(told, ["made", "pause", "lost Some(BrokenPipe)"]);
        assert_eq!(drained.await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

/// The peer of a socket shows in the reading direction.
#[test]
fn pipe_05_a_socket_whose_peer_closes_is_noticed() {
    run(async |event_loop| {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let pair = event_loop.connect_write_pipe(ours, Diary::new).await.unwrap();
        (&theirs).write_all(b"an answer is no end").unwrap();
        turns(&event_loop, 3).await;
        assert!(!pair.transport.is_closing());
        drop(theirs);
        pair.transport.wait_closed().await;
        assert_eq!(pair.with(|diary| diary.told.clone()), ["made", "lost None"]);
    });
}

#[test]
fn pipe_06_close_flushes_and_is_idempotent() {
    run(async |event_loop| {
        let (pair, reader) = writing(&event_loop).await;
        pair.transport.write(&vec![7; 200_000]);
        pair.transport.close();
        pair.transport.close();
        pair.transport.write_eof();
        pair.transport.write(b"too late");
        assert_eq!(read_all(&event_loop, reader).await, vec![7; 200_000]);
        pair.transport.wait_closed().await;
        pair.transport.close();
        pair.transport.abort();
        let ends = pair.with(|diary| diary.told.iter().filter(|it| it.starts_with("lost")).count());
        assert_eq!(ends, 1);
    });
}

#[test]
fn pipe_06_abort_drops_what_is_queued() {
    run(async |event_loop| {
        let (pair, reader) = writing(&event_loop).await;
        pair.transport.write(&vec![7; 200_000]);
        pair.transport.abort();
        assert!(read_all(&event_loop, reader).await.len() <= 64 * 1024);
        pair.transport.wait_closed().await;
        assert_eq!(pair.with(|diary| diary.told.clone()), ["made", "lost None"]);
    });
}

#[test]
fn pipe_07_a_pause_holds_data_back_and_nothing_is_lost() {
    run(async |event_loop| {
        let (pair, mut writer) = reading(&event_loop).await;
        pair.transport.pause_reading();
        pair.transport.pause_reading();
        writer.write_all(b"later").unwrap();
        drop(writer);
        turns(&event_loop, 5).await;
        assert_eq!(pair.with(|diary| diary.told.clone()), ["made"]);
        pair.transport.resume_reading();
        pair.transport.resume_reading();
        pair.transport.wait_closed().await;
        assert_eq!(pair.with(|diary| diary.data.clone()), b"later");
        pair.transport.pause_reading();
        pair.transport.resume_reading();
        assert_eq!(pair.with(|diary| diary.told.len()), 4, "no-ops on a closed pipe");
    });
}

#[test]
fn pipe_07_close_while_paused() {
    run(async |event_loop| {
        let (pair, mut writer) = reading(&event_loop).await;
        writer.write_all(b"never").unwrap();
        pair.transport.pause_reading();
        pair.transport.close();
        pair.transport.wait_closed().await;
        assert_eq!(pair.with(|diary| diary.told.clone()), ["made", "lost None"]);
        assert_eq!(writer.write_all(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn pipe_a_reader_that_panics_ends_its_pipe_and_nothing_else() {
    #[derive(Default)]
    struct Fragile(bool);
    impl ReadPipeProtocol for Fragile {
        fn data_received(&mut self, _: &ReadPipe, _: &[u8]) {
            panic!("not today");
        }
        fn connection_lost(&mut self, error: Option<io::Error>) {
            self.0 = error.is_some();
        }
    }
    run(async |event_loop| {
        let reports = Reports::of(&event_loop);
        let (reader, mut writer) = io::pipe().unwrap();
        let pair = event_loop.connect_read_pipe(reader, Fragile::default).await.unwrap();
        writer.write_all(b"x").unwrap();
        pair.transport.wait_closed().await;
        assert!(pair.with(|fragile| fragile.0));
        let texts = reports.texts();
        assert_eq!(texts.len(), 1);
        assert!(texts[0].starts_with("Fatal error: protocol.data_received() call failed."));
    });
}

#[test]
fn pipe_04_who_goes_on_writing_is_warned_from_the_fifth_time_on() {
    in_child("pipe::pipe_04_who_goes_on_writing_is_warned_from_the_fifth_time_on", || {
        start_logging();
        run(async |event_loop| {
            let (pair, _reader) = writing(&event_loop).await;
            pair.transport.close();
            (0..4).for_each(|_| pair.transport.write(b"x"));
            assert_eq!(take_logged(), [""; 0]);
            pair.transport.write(b"x");
            let warning = "WARN: pipe closed by peer or os.write(pipe, data) raised exception.";
            assert_eq!(take_logged(), [warning]);
        });
    });
}

/// Ends the run with the first data, and with the end.
#[derive(Default)]
struct Exits(Vec<u8>);

impl ReadPipeProtocol for Exits {
    fn data_received(&mut self, _: &ReadPipe, data: &[u8]) {
        let is_first = self.0.is_empty();
        self.0.extend(data);
        if is_first {
            exit();
        }
    }

    fn connection_lost(&mut self, _: Option<io::Error>) {
        exit();
    }
}

#[test]
fn exc_10_what_came_before_an_exit_and_was_not_read_is_read_in_the_next_run() {
    let mut event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    let (reader, mut writer) = io::pipe().unwrap();
    let opening = handle.connect_read_pipe(reader, Exits::default);
    let pair = event_loop.run_until_complete(opening).unwrap().unwrap();
    // The end is there before the first read, so the poller will not speak of it again.
    writer.write_all(b"x").unwrap();
    drop(writer);
    run_to_exit(&mut event_loop);
    assert_eq!(pair.with(|exits| exits.0.clone()), b"x");
    assert!(!pair.transport.is_closing());
    run_to_exit(&mut event_loop);
    assert!(pair.transport.is_closing());
}

#[test]
fn exc_10_an_exit_in_connection_lost_closes_all_the_same() {
    let mut event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    let (reader, mut writer) = io::pipe().unwrap();
    let opening = handle.connect_read_pipe(reader, Exits::default);
    let pair = event_loop.run_until_complete(opening).unwrap().unwrap();
    pair.transport.close();
    run_to_exit(&mut event_loop);
    assert_eq!(writer.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    event_loop.run_until_complete(pair.transport.wait_closed()).unwrap();
}
