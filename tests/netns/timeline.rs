//! What happened on the wire.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use serde_json::Value;

/// The port that every case connects to.
const PORT: &str = ":7";

/// One run at the client's interface; times are milliseconds since the command was started.
pub(crate) struct Timeline {
    /// Seconds since 1970 at which the command was started.
    pub(crate) began: f64,
    pub(crate) events: Vec<Event>,
}

/// A packet, or what the packets do not show; the fields are those of `testbed/README.md`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Event {
    pub(crate) t: f64,
    event: String,
    #[serde(default)]
    local: String,
    #[serde(default)]
    remote: String,
    #[serde(default)]
    by: String,
    #[serde(default, rename = "type")]
    record_type: Value,
    status: Option<i32>,
}

/// One attempt as the network saw it.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) syn: f64,
    pub(crate) local: String,
    pub(crate) remote: String,
    /// When the SYN was sent again.
    pub(crate) resent: Vec<f64>,
    /// The first reply: a SYN-ACK, a reset or an ICMP error.
    pub(crate) answer: Option<f64>,
    /// When the client's kernel dropped the socket.
    pub(crate) closed: Option<f64>,
}

impl Timeline {
    pub(crate) fn parse(lines: &str, marks: &str) -> Self {
        #[derive(Deserialize)]
        struct Mark {
            time: f64,
            event: String,
        }
        let mut marks = marks.lines().map(|line| serde_json::from_str::<Mark>(line).unwrap());
        let began = marks.find(|mark| mark.event == "start").unwrap().time;
        let events = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        Self { began, events }
    }

    /// The parts that begin at these times, in seconds since 1970. What comes late for a socket of an earlier part
    /// stays with that.
    pub(crate) fn split(&self, begins: &[f64]) -> Vec<Self> {
        let begins: Vec<f64> = begins.iter().map(|at| (at - self.began) * 1000.0).collect();
        let mut parts: Vec<Self> =
            begins.iter().map(|_| Self { began: self.began, events: Vec::new() }).collect();
        for (nth, event) in self.events.iter().enumerate() {
            let asks = |earlier: &&Event| {
                earlier.local == event.local && ["syn", "dns-query"].contains(&&*earlier.event)
            };
            let since = self.events[..=nth].iter().rev().find(asks).unwrap_or(event).t;
            if let Some(part) = begins.iter().rposition(|begin| *begin <= since) {
                parts[part].events.push(event.clone());
            }
        }
        parts
    }

    /// In the order of their first SYNs.
    pub(crate) fn attempts(&self) -> Vec<Attempt> {
        let mut attempts: Vec<Attempt> = Vec::new();
        // A name server that is asked over TCP is no candidate.
        let syns = self.of("syn").filter(|syn| syn.remote.ends_with(PORT));
        for syn in syns {
            match attempts.iter_mut().find(|attempt| attempt.local == syn.local) {
                Some(attempt) => attempt.resent.push(syn.t),
                None => attempts.push(self.attempt(syn)),
            }
        }
        attempts
    }

    /// How many FINs and resets the client sent on a socket.
    pub(crate) fn ends_of(&self, local: &str) -> usize {
        let ends = self.of("fin").chain(self.of("rst"));
        ends.filter(|end| end.local == local && end.by == "client").count()
    }

    /// Record types that were asked for.
    pub(crate) fn queries(&self) -> BTreeSet<String> {
        let types = self.of("dns-query").map(|query| query.record_type.as_str());
        types.map(|name| name.unwrap_or("another type").to_owned()).collect()
    }

    pub(crate) fn first_query(&self) -> Option<f64> {
        self.of("dns-query").map(|query| query.t).next()
    }

    /// When the name server said its last word on this record type.
    pub(crate) fn answer_for(&self, record_type: &str) -> Option<f64> {
        let of_type = |answer: &&Event| answer.record_type.as_str() == Some(record_type);
        self.of("dns-answer").filter(of_type).map(|answer| answer.t).last()
    }

    /// When every record type had its first answer. Later ones are those to questions about the name server itself.
    pub(crate) fn last_answer(&self) -> Option<f64> {
        let mut types: Vec<&Event> = Vec::new();
        for answer in self.of("dns-answer") {
            if types.iter().all(|known| known.record_type != answer.record_type) {
                types.push(answer);
            }
        }
        types.last().map(|answer| answer.t)
    }

    pub(crate) fn exit_status(&self) -> Option<i32> {
        self.of("exit").find_map(|exit| exit.status)
    }

    fn attempt(&self, syn: &Event) -> Attempt {
        let mine = || self.events.iter().filter(|event| event.local == syn.local);
        let is_answer = |event: &&Event| match event.event.as_str() {
            "syn-ack" | "unreachable" => true,
            "rst" => event.by == "server",
            _ => false,
        };
        Attempt {
            syn: syn.t,
            local: syn.local.clone(),
            remote: syn.remote.clone(),
            resent: Vec::new(),
            answer: mine().find(is_answer).map(|event| event.t),
            closed: mine().find(|event| event.event == "closed").map(|event| event.t),
        }
    }

    fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Event> {
        self.events.iter().filter(move |event| event.event == kind)
    }
}

impl fmt::Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Event { t, event, local, remote, by, record_type, status } in &self.events {
            let status = status.map(|status| status.to_string()).unwrap_or_default();
            let kind = record_type.as_str().unwrap_or_default();
            writeln!(f, "{t:10.3}  {event:11} {local} {remote} {by}{kind}{status}")?;
        }
        Ok(())
    }
}
