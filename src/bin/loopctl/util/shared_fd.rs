//! Standard input and output without `O_NONBLOCK`: the flag belongs to the open file description, which a shell shares
//! with every program of a pipeline. Set here, it would make the others fail with `EAGAIN`.

use std::cell::Cell;
use std::fs::File;
use std::future::{pending, poll_fn};
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use loopctl::LoopHandle;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, fcntl_getfl, major, minor, open};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

/// Largest write to a pipe that does not block after poll(2) (`PIPE_BUF`), in bytes.
const SMALL: usize = 4096;

/// Largest read, and largest write to a socket, in bytes.
const CHUNK: usize = 64 * 1024;

/// Poll interval for detecting that the reader has closed its end.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// A descriptor whose open file description others share, and that blocks.
pub(crate) struct SharedFd {
    event_loop: LoopHandle,
    file: Rc<File>,
    is_socket: bool,
    is_device: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Read,
    Write,
}

/// Opens the file behind a descriptor again, for a separate description. `None` where that cannot be done: a socket
/// has no name, opening a device may have side effects, and the pipe of another user may not be opened.
pub(crate) fn reopen(file: &File) -> Option<OwnedFd> {
    let metadata = file.metadata().ok()?;
    let kind = metadata.file_type();
    let device = (major(metadata.rdev()), minor(metadata.rdev()));
    let is_plain_device = match device {
        // /dev/null, /dev/zero and others without a state.
        (1, _) => true,
        // Opening the master of a terminal makes another terminal.
        (5, 2) => false,
        _ => file.is_terminal(),
    };
    if !(kind.is_fifo() || kind.is_char_device() && is_plain_device) {
        return None;
    }
    let access = fcntl_getfl(file).ok()? & OFlags::RWMODE;
    let flags = access | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    open(format!("/proc/self/fd/{}", file.as_raw_fd()), flags, Mode::empty()).ok()
}

impl SharedFd {
    pub(crate) fn new(event_loop: &LoopHandle, file: File) -> io::Result<Self> {
        let kind = file.metadata()?.file_type();
        let (is_socket, is_device) = (kind.is_socket(), kind.is_char_device());
        Ok(Self { event_loop: event_loop.clone(), file: Rc::new(file), is_socket, is_device })
    }

    /// Waits for bytes; nothing at the end.
    pub(crate) async fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; CHUNK];
        loop {
            self.wait(Direction::Read).await?;
            let read = match self.is_socket {
                true => {
                    recv(&*self.file, &mut bytes[..], RecvFlags::DONTWAIT).map(|(count, _)| count)
                }
                false if self.is_ready(PollFlags::IN)? => rustix::io::read(&*self.file, &mut bytes),
                false => Err(Errno::AGAIN),
            };
            match read {
                Ok(count) => {
                    bytes.truncate(count);
                    return Ok(bytes);
                }
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    pub(crate) async fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        let mut left = bytes;
        while !left.is_empty() {
            self.wait(Direction::Write).await?;
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            let written = match self.is_socket {
                true => send(&*self.file, &left[..left.len().min(CHUNK)], flags),
                false if self.is_ready(PollFlags::OUT)? => {
                    rustix::io::write(&*self.file, &left[..left.len().min(SMALL)])
                }
                false => Err(Errno::AGAIN),
            };
            match written {
                Ok(count) => left = &left[count..],
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Waits until the reader closes its end. A device has none.
    pub(crate) async fn wait_broken(&self) -> io::Error {
        if self.is_device {
            return pending().await;
        }
        loop {
            match self.is_ready(PollFlags::RDHUP) {
                Ok(false) => self.event_loop.sleep(POLL_INTERVAL).await,
                Ok(true) => return io::ErrorKind::BrokenPipe.into(),
                Err(error) => return error,
            }
        }
    }

    /// Whether poll(2) reports one of the events, or the end of the other side.
    fn is_ready(&self, events: PollFlags) -> io::Result<bool> {
        let mut polled = [PollFd::new(&*self.file, events)];
        poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
        Ok(polled[0].revents().intersects(events | PollFlags::HUP | PollFlags::ERR))
    }

    async fn wait(&self, direction: Direction) -> io::Result<()> {
        let Some(watch) = Watch::start(self, direction)? else { return Ok(()) };
        poll_fn(|cx| match watch.is_ready.take() {
            Some(State::Ready) => Poll::Ready(()),
            _ => {
                watch.is_ready.set(Some(State::Waiting(cx.waker().clone())));
                Poll::Pending
            }
        })
        .await;
        Ok(())
    }
}

enum State {
    Waiting(Waker),
    Ready,
}

/// Watches one direction until it is dropped.
struct Watch<'a> {
    shared: &'a SharedFd,
    direction: Direction,
    is_ready: Rc<Cell<Option<State>>>,
}

impl<'a> Watch<'a> {
    /// `None` for a device that is ready at all times.
    fn start(shared: &'a SharedFd, direction: Direction) -> io::Result<Option<Self>> {
        let is_ready = Rc::new(Cell::new(None));
        let state: Rc<Cell<Option<State>>> = Rc::clone(&is_ready);
        let notify = move || {
            if let Some(State::Waiting(waker)) = state.replace(Some(State::Ready)) {
                waker.wake();
            }
        };
        let added = match direction {
            Direction::Read => shared.event_loop.add_reader(&shared.file.as_fd(), notify),
            Direction::Write => shared.event_loop.add_writer(&shared.file.as_fd(), notify),
        };
        match added {
            Ok(_) => Ok(Some(Self { shared, direction, is_ready })),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let fd = self.shared.file.as_fd();
        match self.direction {
            Direction::Read => self.shared.event_loop.remove_reader(&fd),
            Direction::Write => self.shared.event_loop.remove_writer(&fd),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    fn blocks(fd: impl AsFd) -> bool {
        !fcntl_getfl(fd).unwrap().contains(OFlags::NONBLOCK)
    }

    #[test]
    fn a_pipe_is_opened_again_and_its_mode_stays() {
        let (mut reader, writer) = io::pipe().unwrap();
        let file = File::from(OwnedFd::from(writer));
        let own = reopen(&file).unwrap();
        assert!(blocks(&file) && !blocks(&own));
        File::from(own).write_all(b"same").unwrap();
        let mut bytes = [0; 4];
        reader.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"same");
        let (ours, _theirs) = UnixStream::pair().unwrap();
        assert!(reopen(&File::from(OwnedFd::from(ours))).is_none());
    }

    #[test]
    fn a_socket_moves_megabytes_and_blocks_all_the_time() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let (same, copy) = (ours.try_clone().unwrap(), vec![7; 3 << 20]);
        let echo = std::thread::Builder::new().spawn(move || {
            let mut bytes = vec![0; 3 << 20];
            theirs.read_exact(&mut bytes).unwrap();
            theirs.write_all(&bytes).unwrap();
        });
        loopctl::run(async |event_loop| {
            let shared = SharedFd::new(&event_loop, File::from(OwnedFd::from(ours)))?;
            shared.write_all(&copy).await?;
            let mut count = 0;
            while count < copy.len() {
                count += shared.read().await?.len();
                assert!(blocks(&same));
            }
            assert_eq!(shared.read().await?.len(), 0, "the other side has ended");
            assert_eq!(shared.wait_broken().await.kind(), io::ErrorKind::BrokenPipe);
            Ok::<(), io::Error>(())
        })
        .unwrap()
        .unwrap();
        echo.unwrap().join().unwrap();
    }
}
