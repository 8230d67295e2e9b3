//! A protocol that keeps a diary, and an exception handler that does.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use loopctl::{AfterEof, LoopHandle, Protocol, Transport};

/// What a protocol was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Made,
    Data(Vec<u8>),
    Eof,
    Lost(Option<io::ErrorKind>),
}

/// Writes down what it is told. Data that arrives in pieces is one entry.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) seen: Vec<Seen>,
    pub(crate) after_eof: AfterEof,
    /// The cycle that every real protocol makes.
    pub(crate) transport: Option<Transport>,
}

impl Recorder {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn keeping_open() -> Self {
        Self { after_eof: AfterEof::KeepOpen, ..Self::default() }
    }

    pub(crate) fn is_lost(&self) -> bool {
        matches!(self.seen.last(), Some(Seen::Lost(_)))
    }

    pub(crate) fn has_eof(&self) -> bool {
        self.seen.contains(&Seen::Eof)
    }

    /// All that was received.
    pub(crate) fn data(&self) -> Vec<u8> {
        let pieces = self.seen.iter().filter_map(|seen| match seen {
            Seen::Data(data) => Some(data.as_slice()),
            _ => None,
        });
        pieces.collect::<Vec<_>>().concat()
    }
}

impl Protocol for Recorder {
    fn connection_made(&mut self, transport: &Transport) {
        self.transport = Some(transport.clone());
        self.seen.push(Seen::Made);
    }

    fn data_received(&mut self, _: &Transport, data: &[u8]) {
        match self.seen.last_mut() {
            Some(Seen::Data(known)) => known.extend_from_slice(data),
            _ => self.seen.push(Seen::Data(data.to_owned())),
        }
    }

    fn eof_received(&mut self, _: &Transport) -> AfterEof {
        self.seen.push(Seen::Eof);
        self.after_eof
    }

    fn connection_lost(&mut self, error: Option<io::Error>) {
        self.seen.push(Seen::Lost(error.map(|error| error.kind())));
    }
}

/// What the exception handler of a loop was told, one text for each call.
#[derive(Clone, Default)]
pub(crate) struct Reports(Rc<RefCell<Vec<String>>>);

impl Reports {
    pub(crate) fn of(event_loop: &LoopHandle) -> Self {
        let reports = Self::default();
        let texts = Rc::clone(&reports.0);
        let note = move |_: &LoopHandle, context: &loopctl::ErrorContext| {
            texts.borrow_mut().push(context.to_string());
        };
        event_loop.set_exception_handler(Some(Rc::new(note)));
        reports
    }

    pub(crate) fn texts(&self) -> Vec<String> {
        self.0.borrow().clone()
    }
}
