//! Cache of DNSKEY and DS answers, so that each zone is queried once.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use hickory_net::proto::op::{DnsResponse, Query};
use hickory_net::proto::rr::{Name, RecordType};

use crate::event_loop::LoopHandle;

/// Answer, or the reason why there is none.
pub(super) type Given = Rc<Result<DnsResponse, String>>;

/// Minimum lifetime, so that concurrent waiters share one answer.
const MIN_LIFETIME: Duration = Duration::from_secs(5);
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// Maximum number of cached answers.
const MAX_ENTRIES: usize = 4096;

#[derive(Default)]
pub(super) struct KnownKeys(RefCell<HashMap<Key, State>>);

type Key = (Name, RecordType);

enum State {
    /// Query in progress, with its waiters.
    Asked(Vec<Waker>),
    Given(Given, Instant),
}

impl KnownKeys {
    /// Cached answer, or that of `ask`, which returns a lifetime as well.
    pub(super) async fn get(
        &self,
        event_loop: &LoopHandle,
        query: &Query,
        ask: impl Future<Output = (Result<DnsResponse, String>, Option<Duration>)>,
    ) -> Given {
        let key = (query.name().clone(), query.query_type());
        if let Some(given) =
            poll_fn(|cx| self.poll_known(&key, event_loop.time(), cx.waker())).await
        {
            return given;
        }
        let asking = Slot { keys: self, key: &key };
        let (given, ttl) = ask.await;
        let given = Rc::new(given);
        let ttl = ttl.unwrap_or(MIN_LIFETIME).clamp(MIN_LIFETIME, MAX_LIFETIME);
        asking.fill(Some(State::Given(Rc::clone(&given), event_loop.time() + ttl)));
        given
    }

    /// `None` if the caller has to query.
    fn poll_known(&self, key: &Key, now: Instant, waker: &Waker) -> Poll<Option<Given>> {
        let mut known = self.0.borrow_mut();
        match known.get_mut(key) {
            Some(State::Asked(waiting)) => {
                waiting.push(waker.clone());
                return Poll::Pending;
            }
            Some(State::Given(given, until)) if now < *until => {
                return Poll::Ready(Some(Rc::clone(given)));
            }
            _ => {}
        }
        if known.len() >= MAX_ENTRIES {
            known.retain(|_, state| matches!(state, State::Asked(_)));
        }
        known.insert(key.clone(), State::Asked(Vec::new()));
        Poll::Ready(None)
    }
}

/// Marks a query in progress. Dropping it wakes a waiter, which queries in its place.
struct Slot<'a> {
    keys: &'a KnownKeys,
    key: &'a Key,
}

impl Slot<'_> {
    fn fill(&self, state: Option<State>) {
        let mut known = self.keys.0.borrow_mut();
        let before = match state {
            Some(state) => known.insert(self.key.clone(), state),
            None => known.remove(self.key),
        };
        drop(known);
        if let Some(State::Asked(waiting)) = before {
            waiting.into_iter().for_each(Waker::wake);
        }
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        if matches!(self.keys.0.borrow().get(self.key), Some(State::Asked(_))) {
            self.fill(None);
        }
    }
}
