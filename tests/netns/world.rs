//! Networks as the rows of `tests/races` have them, and the same race in virtual time in the network that there was.

use std::collections::BTreeMap;
use std::time::Duration;

use loopctl::plan::{Answer, Family, Policy, RaceAddress};
use toml::Table;

use crate::conditions::{DEAD, Scenario, addresses, replies};
use crate::course::{Course, Fate, Owner, Peer, Reply, Then};
use crate::timeline::{Attempt, Timeline};

/// Where all addresses are dead the test is not to take two minutes: the kernel sends one SYN more, and gives up.
const GIVES_UP: &str =
    r#"sysctl = { "net.ipv4.tcp_syn_retries" = 1, "net.ipv4.tcp_syn_linear_timeouts" = 0 }"#;
const GIVES_UP_AFTER: u64 = 3000;

/// A connection that comes together with the timer is there first. The bed adds up to a millisecond to the round
/// trip, so there it has to be sooner.
const SHORTEST_DELAY: u128 = 10;
const HEAD_START: u128 = 2;

/// One row, and what it says of the wire.
pub(crate) struct World {
    /// Such as `T12c`.
    pub(crate) id: String,
    fates: Vec<(Peer, Fate)>,
    replies: Vec<Reply>,
}

impl World {
    pub(crate) fn new(name: &str, addresses: &[(Peer, Fate)], replies: &[Reply]) -> Self {
        let id = name.split('-').next().unwrap_or(name).to_owned();
        Self { id, fates: addresses.to_vec(), replies: replies.to_vec() }
    }

    pub(crate) fn of(name: &str, row: &Scenario) -> Self {
        let fates = addresses(&row.addresses);
        Self::new(name, &fates, &replies(row.aaaa.as_deref(), row.a.as_deref(), &fates))
    }

    /// The table of its scenario for the test bed.
    pub(crate) fn network(&self) -> Table {
        let mut zone: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let mut lines = Vec::new();
        for (peer, fate) in &self.fates {
            let ip = ip_of(peer);
            lines.push(format!("link.\"{ip}\" = {{ {} }}", self.link(fate)));
            zone.entry(record_type(peer.family())).or_default().push(format!("\"{ip}\""));
        }
        let records: Vec<String> =
            zone.iter().map(|(kind, ips)| format!("{kind} = [{}]", ips.join(", "))).collect();
        lines.push(format!("zone.\"target.test\" = {{ {} }}", records.join(", ")));
        for reply in &self.replies {
            let delay = reply.after.expect("a time").as_millis();
            let how = match &reply.answer {
                Answer::TimedOut => "silent = true".to_owned(),
                Answer::Failed => format!("delay = {delay}, rcode = \"SERVFAIL\""),
                _ => format!("delay = {delay}"),
            };
            lines.push(format!("dns.{} = {{ {how} }}", record_type(reply.family)));
        }
        if self.is_hopeless() {
            lines.push(GIVES_UP.to_owned());
        }
        toml::from_str(&lines.join("\n")).expect("a table")
    }

    /// What the row says in `tests/races`, where the kernel has other patience there.
    pub(crate) fn nominal(&self, line: &str) -> Line {
        let mut line = Line::parse(line);
        if self.is_hopeless() {
            line.end -= (DEAD - GIVES_UP_AFTER) as f64;
        }
        line
    }

    /// What the race does in virtual time where answers and replies come when they came on the wire: whatever is
    /// later than this, the program is to blame for. Times count from the first question.
    pub(crate) fn course(&self, policy: &Policy, timeline: &Timeline) -> Course {
        let asked = timeline.first_query().expect("a question");
        let since =
            |from: f64, until: f64| Duration::from_secs_f64((until - from).max(0.0) / 1000.0);
        let attempts = timeline.attempts();
        let seen = |peer: &Peer| attempts.iter().find(|one| one.remote == remote_of(peer));
        let mut fates = self.fates.clone();
        for (peer, fate) in &mut fates {
            fate.after = match seen(peer) {
                Some(Attempt { syn, answer: Some(at), .. }) => Some(since(*syn, *at)),
                _ if self.is_hopeless() => Some(Duration::from_millis(GIVES_UP_AFTER)),
                _ => fate.after,
            };
        }
        let mut replies = self.replies.clone();
        for reply in &mut replies {
            let answered = timeline.answer_for(record_type(reply.family));
            reply.after = answered.map(|at| since(asked, at)).or(reply.after);
        }
        Course::resolving(policy, &replies, &fates, &Owner::default())
    }

    /// What the race does in virtual time where everything takes what the row says.
    pub(crate) fn ideal(&self, policy: &Policy) -> Course {
        Course::resolving(policy, &self.replies, &self.fates, &Owner::default())
    }

    fn link(&self, fate: &Fate) -> String {
        let after = fate.after.expect("a time").as_millis();
        match fate.then {
            // Its first SYN is lost; the kernel sends another after a second.
            Then::Connects if self.id == "T21" => format!("rtt = {}, drop_syns = 1", after - 1000),
            Then::Connects if after == SHORTEST_DELAY => format!("rtt = {}", after - HEAD_START),
            Then::Connects => format!("rtt = {after}"),
            Then::Fails if fate.after == Some(Duration::from_millis(DEAD)) => {
                "drop = true".to_owned()
            }
            Then::Fails if self.id == "T04" => format!("rtt = {after}, refuse = \"host\""),
            Then::Fails => format!("rtt = {after}, refuse = \"rst\""),
            Then::Unsent | Then::Handshakes(..) => panic!("no fate for a link: {fate:?}"),
        }
    }

    /// Whether nobody ever answers.
    pub(crate) fn is_hopeless(&self) -> bool {
        self.fates.iter().all(|(_, fate)| fate.after == Some(Duration::from_millis(DEAD)))
    }
}

/// A course in the words of the rows, in milliseconds: `6a@2 4a@252 -> 4a@262`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    pub(crate) starts: Vec<(String, f64)>,
    /// `None`: everybody failed.
    pub(crate) winner: Option<String>,
    pub(crate) end: f64,
}

impl Line {
    /// Who started, in order.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.starts.iter().map(|(name, _)| name.as_str()).collect()
    }

    pub(crate) fn parse(line: &str) -> Self {
        let timed = |word: &str| -> (String, f64) {
            let (name, at) = word.split_once('@').expect("a name and a time");
            (name.to_owned(), at.parse().expect("milliseconds"))
        };
        let (starts, end) = line.split_once("-> ").expect("an end");
        let (winner, end) = timed(end);
        let starts = starts.split_whitespace().map(timed).collect();
        Self { starts, winner: (winner != "lost").then_some(winner), end }
    }

    pub(crate) fn of(course: &Course) -> Self {
        let ms = |at: Duration| at.as_secs_f64() * 1000.0;
        let starts = course.starts().into_iter();
        let starts = starts.map(|(nth, at)| (course.peers[nth].clone(), ms(at))).collect();
        let (winner, end) = course.end();
        Self { starts, winner: winner.map(|nth| course.peers[nth].clone()), end: ms(end) }
    }
}

/// `6b` is 2001:db8:5::2.
pub(crate) fn ip_of(peer: &Peer) -> String {
    let nth = peer.0.as_bytes()[1] - b'a' + 1;
    match peer.family() {
        Family::Inet => format!("192.0.2.{nth}"),
        _ => format!("2001:db8:5::{nth:x}"),
    }
}

/// Where an attempt at it goes.
pub(crate) fn remote_of(peer: &Peer) -> String {
    match peer.family() {
        Family::Inet => format!("{}:7", ip_of(peer)),
        _ => format!("[{}]:7", ip_of(peer)),
    }
}

fn record_type(family: Family) -> &'static str {
    if family == Family::Inet { "A" } else { "AAAA" }
}
