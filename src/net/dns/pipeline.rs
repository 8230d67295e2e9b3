//! Connection over TCP or TLS that queries share: they do not wait for each other, and answers may come in any order
//! (RFC 7766 section 6.2.1.1, RFC 7858 section 3.3).

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Poll, Waker};

use super::channel::without_end;
use crate::event_loop::LoopHandle;
use crate::net::{StreamReader, StreamWriter};
use crate::task::{CancelOnDrop, Task};

/// Connection, which ends with its last clone.
#[derive(Clone)]
pub(super) struct Pipeline(Rc<Connection>);

struct Connection {
    writer: RefCell<StreamWriter>,
    queries: Rc<RefCell<Queries>>,
    /// Reads answers; dropping it ends that.
    _reading: CancelOnDrop<Task<()>>,
}

/// Queries of a connection.
#[derive(Default)]
struct Queries {
    /// Queries without an answer, by the ID on the wire.
    waiting: HashMap<u16, Waiting>,
    /// Number of answers.
    answered: u64,
    /// Error that ended the connection.
    end: Option<io::Error>,
    /// Whether a query was given up without an answer, so that the connection may be dead.
    is_suspect: bool,
}

/// One query, with its answer.
#[derive(Default)]
struct Waiting {
    waker: Option<Waker>,
    answer: Option<Vec<u8>>,
}

/// End of a connection before the answer to a query.
pub(super) struct Ended {
    pub(super) error: io::Error,
    /// Number of answers over the connection.
    pub(super) answered: u64,
}

impl Pipeline {
    pub(super) fn new(event_loop: &LoopHandle, reader: StreamReader, writer: StreamWriter) -> Self {
        let queries = Rc::<RefCell<Queries>>::default();
        let reading = event_loop.create_task(read(reader, Rc::clone(&queries))).cancel_on_drop();
        Self(Rc::new(Connection { writer: RefCell::new(writer), queries, _reading: reading }))
    }

    /// Whether another query may be sent.
    pub(super) fn is_usable(&self) -> bool {
        let queries = self.0.queries.borrow();
        queries.end.is_none() && !queries.is_suspect
    }

    /// Sends a query, and returns the message with the answer.
    pub(super) async fn ask(&self, message: &[u8]) -> Result<Vec<u8>, Ended> {
        let (queries, id) = (&self.0.queries, message_id(message));
        let Some(sent_id) = queries.borrow_mut().reserve(id) else {
            return Err(queries.borrow().ended(io::ErrorKind::QuotaExceeded.into()));
        };
        let place = Place { connection: &self.0, id: sent_id };
        let length = u16::try_from(message.len()).unwrap_or(u16::MAX).to_be_bytes();
        let rest = message.get(2..).unwrap_or_default();
        let framed = [&length, &sent_id.to_be_bytes(), rest].concat();
        // Because a query is short, its answer bounds what the write queue holds.
        let _ = self.0.writer.borrow_mut().write(&framed);
        let mut answer = poll_fn(|cx| place.poll(cx.waker())).await?;
        // Another ID is left as it is, because the caller checks it.
        if message_id(&answer) == sent_id {
            answer[..2].copy_from_slice(&id.to_be_bytes());
        }
        Ok(answer)
    }
}

/// Reads messages until the connection ends. Messages have a length prefix (RFC 1035 section 4.2.2).
async fn read(mut reader: StreamReader, queries: Rc<RefCell<Queries>>) {
    let error = loop {
        match read_message(&mut reader).await {
            Ok(message) => queries.borrow_mut().answer(message),
            Err(error) => break error,
        }
    };
    // Because another clone may hold the writer for long, the socket is closed here.
    reader.transport().close();
    queries.borrow_mut().end(error);
}

async fn read_message(reader: &mut StreamReader) -> io::Result<Vec<u8>> {
    let length = reader.read_exactly(2).await.map_err(without_end)?;
    let length = length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    reader.read_exactly(length).await.map_err(without_end)
}

/// ID of a message; 0 for one that is too short.
fn message_id(message: &[u8]) -> u16 {
    message.first_chunk().map_or(0, |id| u16::from_be_bytes(*id))
}

impl Queries {
    /// Reserves this ID, or the next one that is free; `None` if all are in use.
    fn reserve(&mut self, id: u16) -> Option<u16> {
        let mut ids = (0..=u16::MAX).map(|next| id.wrapping_add(next));
        let free = ids.find(|id| !self.waiting.contains_key(id))?;
        self.waiting.insert(free, Waiting::default());
        Some(free)
    }

    /// Gives a message to its query. If only one waits, it gets a message with another ID too, and can tell the fault.
    fn answer(&mut self, message: Vec<u8>) {
        let mut id = message_id(&message);
        if !self.waiting.contains_key(&id)
            && let [only] = self.unanswered().as_slice()
        {
            id = *only;
        }
        let Some(waiting) = self.waiting.get_mut(&id).filter(|it| it.answer.is_none()) else {
            return;
        };
        waiting.answer = Some(message);
        waiting.waker.take().into_iter().for_each(Waker::wake);
        self.answered += 1;
    }

    /// IDs of at most two queries without an answer.
    fn unanswered(&self) -> Vec<u16> {
        let unanswered = self.waiting.iter().filter(|(_, it)| it.answer.is_none());
        unanswered.map(|(id, _)| *id).take(2).collect()
    }

    fn end(&mut self, error: io::Error) {
        self.end = Some(error);
        let wakers = self.waiting.values_mut().filter_map(|waiting| waiting.waker.take());
        wakers.for_each(Waker::wake);
    }

    fn ended(&self, error: io::Error) -> Ended {
        Ended { error, answered: self.answered }
    }
}

/// ID of a query, which is free again when this is dropped.
struct Place<'a> {
    connection: &'a Connection,
    id: u16,
}

impl Place<'_> {
    fn poll(&self, waker: &Waker) -> Poll<Result<Vec<u8>, Ended>> {
        let queries = &mut *self.connection.queries.borrow_mut();
        if let Some(waiting) = queries.waiting.get_mut(&self.id) {
            if let Some(answer) = waiting.answer.take() {
                queries.waiting.remove(&self.id);
                return Poll::Ready(Ok(answer));
            }
            waiting.waker = Some(waker.clone());
        }
        match &queries.end {
            Some(error) => Poll::Ready(Err(queries.ended(copy(error)))),
            None => Poll::Pending,
        }
    }
}

impl Drop for Place<'_> {
    /// A query that is given up ends the connection, unless others wait for their answers.
    fn drop(&mut self) {
        let Connection { queries, writer, .. } = self.connection;
        let is_useless = {
            let queries = &mut *queries.borrow_mut();
            queries.is_suspect |= queries.waiting.remove(&self.id).is_some();
            queries.is_suspect && queries.waiting.is_empty()
        };
        if is_useless {
            writer.borrow().transport().abort();
        }
    }
}

/// The same error, for another query.
fn copy(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}
