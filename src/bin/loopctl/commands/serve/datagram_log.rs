//! Records of datagrams: one each, until they come too fast. Then those of a second share records, because anybody can
//! send them.

use std::time::{Duration, Instant};

use crate::report::served::{Datagram, DatagramRefusal};

/// Served datagrams with a record each, in a second.
const MAX_SERVED: usize = 1000;

/// Refused datagrams with a record each, in a second.
const MAX_REFUSED: usize = 10;

/// Decides which records are printed, and when.
#[derive(Default)]
pub(super) struct DatagramLog {
    since: Option<Instant>,
    served: usize,
    refused: usize,
    /// Sums by kind. There are as many as kinds.
    sums: Vec<Datagram>,
}

impl DatagramLog {
    /// Adds a datagram; returns the records that are due.
    pub(super) fn add(&mut self, datagram: &Datagram, now: Instant) -> Vec<Datagram> {
        let mut due = Vec::new();
        if self.since.is_none_or(|since| now - since >= Duration::from_secs(1)) {
            due = self.flush();
            (self.since, self.served, self.refused) = (Some(now), 0, 0);
        }
        let (count, max) = match datagram.refusal {
            None => (&mut self.served, MAX_SERVED),
            Some(_) => (&mut self.refused, MAX_REFUSED),
        };
        *count += 1;
        match *count <= max {
            true => due.push(datagram.clone()),
            false => self.sum(datagram),
        }
        due
    }

    /// The sums so far.
    pub(super) fn flush(&mut self) -> Vec<Datagram> {
        std::mem::take(&mut self.sums)
    }

    fn sum(&mut self, datagram: &Datagram) {
        let kind =
            |it: &Datagram| -> (Option<DatagramRefusal>, bool) { (it.refusal, it.error.is_some()) };
        match self.sums.iter_mut().find(|sum| kind(sum) == kind(datagram)) {
            None => self.sums.push(datagram.clone()),
            Some(sum) => {
                sum.count += datagram.count;
                sum.bytes.add(datagram.bytes);
                if sum.peer != datagram.peer {
                    sum.peer = None;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::served::Bytes;
    use loopctl::EventLoop;

    #[test]
    fn a_flood_costs_a_few_records_a_second_and_every_datagram_is_in_one() {
        let begin = EventLoop::new().unwrap().handle().time();
        let mut log = DatagramLog::default();
        let mut records = Vec::new();
        for n in 0..30_000_u64 {
            let refusal = (n % 3 > 0).then_some(DatagramRefusal::ServicePort);
            let bytes = Bytes { received: 5, sent: 0 };
            let datagram = Datagram { peer: None, count: 1, bytes, refusal, error: None };
            records.extend(log.add(&datagram, begin + Duration::from_micros(n * 100)));
        }
        records.extend(log.flush());
        assert!(records.len() <= 3 * (MAX_SERVED + MAX_REFUSED + 2), "{}", records.len());
        assert_eq!(records.iter().map(|record| record.count).sum::<u64>(), 30_000);
        assert_eq!(records.iter().map(|record| record.bytes.received).sum::<u64>(), 150_000);
    }
}
