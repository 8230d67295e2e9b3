//! TLS over a connection that has won its race.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use loopctl::{Failure, LoopHandle, StreamReader, StreamWriter, TlsError, TlsVersion};

use super::Session;
use super::race::Try;
use super::starttls;
use crate::config::StartTls;
use crate::config::TlsRequest;
use crate::report::{Report, StartTlsExchange, TlsFailure, TlsPhase};

/// A connection that is to be secured with TLS.
pub(super) struct TlsUpgrade<'a> {
    pub(super) session: &'a Rc<Session>,
    pub(super) event_loop: &'a LoopHandle,
    pub(super) this: &'a Try<'a>,
    pub(super) report: &'a Rc<RefCell<Report>>,
    pub(super) tls: &'a TlsRequest,
}

type Stream = (StreamReader, StreamWriter);

impl TlsUpgrade<'_> {
    /// Runs STARTTLS if it was asked for, and waits for a rejection of our certificate.
    pub(super) async fn run(&self, stream: &mut Stream) {
        let ended = match self.tls.starttls {
            Some(protocol) => {
                let begun = self.report.borrow().since_start(self.event_loop.time());
                let left = self.this.timeout.saturating_sub(begun);
                let upgrading = self.event_loop.timeout(left, self.upgrade(protocol, stream));
                self.session.token.run_until_cancelled(upgrading).await
            }
            None => Some(Ok(())),
        };
        if let Some(Err(_)) = ended {
            let phase = match self.has_begun() {
                true => TlsPhase::Handshake,
                false => TlsPhase::StartTls,
            };
            let error = io::Error::new(io::ErrorKind::TimedOut, "no answer in time");
            let silent = TlsError::HandshakeTimedOut { limit: None };
            self.decline(Some(silent), phase, &error);
        }
        self.read_rejection(&mut stream.0).await;
    }

    async fn upgrade(&self, protocol: StartTls, (reader, writer): &mut Stream) {
        let start = self.report.borrow().since_start(self.event_loop.time());
        let name = self.report.borrow().subject.tls.as_ref().and_then(|tls| tls.name.clone());
        let begun = StartTlsExchange { protocol, start, took: Duration::ZERO, greeting: None };
        self.report.borrow_mut().agree(begun);
        let spoken =
            starttls::speak(protocol, reader, writer, name.as_deref().unwrap_or_default()).await;
        let greeting = match spoken {
            Ok(greeting) => greeting,
            Err(error) => return self.decline(None, TlsPhase::StartTls, &error),
        };
        let took = self.report.borrow().since_start(self.event_loop.time()).saturating_sub(start);
        self.report.borrow_mut().agree(StartTlsExchange { protocol, start, took, greeting });
        let begun = match self.tls.client_for(&self.this.target.target) {
            Ok(client) => {
                let listener = self.session.listener(self.this, self.report);
                writer.start_tls(client).trace(listener).await
            }
            Err(error) => Err(error.into()),
        };
        if let Err(error) = begun
            && !self.has_begun()
        {
            self.decline(None, TlsPhase::StartTls, &error);
        }
    }

    fn has_begun(&self) -> bool {
        let report = self.report.borrow();
        report.tls.as_ref().is_some_and(|tls| tls.started.is_some())
    }

    fn decline(&self, of_tls: Option<TlsError>, phase: TlsPhase, error: &io::Error) {
        let failure = TlsFailure { error: of_tls, failure: Failure::from(error), phase };
        self.report.borrow_mut().decline(failure, self.event_loop.time());
    }

    /// Reads the rejection of our certificate. A TLS 1.3 server judges it after the client's handshake, so that the
    /// alert takes one more round trip, about as long as the handshake.
    async fn read_rejection(&self, reader: &mut StreamReader) {
        const MIN_TIMEOUT: Duration = Duration::from_millis(50);
        const MAX_TIMEOUT: Duration = Duration::from_secs(1);
        let Some(took) = self.judged_by_peer() else { return };
        let timeout = (2 * took).clamp(MIN_TIMEOUT, MAX_TIMEOUT);
        let is_kept = self.session.request.after_connect.is_some() || self.this.http.is_some();
        let mut byte = [0];
        let answer = async {
            if is_kept {
                // Because application data belongs to the next user of the connection.
                reader.transport().wait_closed().await;
            }
            reader.read(&mut byte).await
        };
        let answer = self.event_loop.timeout(timeout, answer);
        if let Some(Ok(Err(error))) = self.session.token.run_until_cancelled(answer).await {
            self.decline(TlsError::within(&error).cloned(), TlsPhase::After, &error);
        }
    }

    /// The duration of the handshake, if the server may still reject our certificate.
    fn judged_by_peer(&self) -> Option<Duration> {
        let report = self.report.borrow();
        let tls = report.tls.as_ref()?;
        let is_13 = tls.info.as_ref()?.version == TlsVersion::Tls13;
        tls.took().filter(|_| is_13 && tls.peer.asks_for_certificate)
    }
}
