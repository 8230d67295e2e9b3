//! What the program says in JSON: the part of `loopctl.connect.v1` that the tests look at.

use std::time::UNIX_EPOCH;

use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(crate) struct Document {
    pub(crate) schema: String,
    start: String,
    pub(crate) outcome: String,
    pub(crate) end: String,
    pub(crate) exit_code: i32,
    pub(crate) total_ms: f64,
    pub(crate) resolve: Resolve,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) selected: Option<usize>,
    pub(crate) error: Option<Error>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Resolve {
    pub(crate) via: String,
    pub(crate) duration_ms: Option<f64>,
    #[serde(default)]
    queries: Vec<Query>,
    candidates: Vec<Candidate>,
    pub(crate) error: Option<Error>,
}

#[derive(Debug, Deserialize)]
struct Query {
    #[serde(rename = "type")]
    record_type: String,
    server: Option<String>,
    transport: Option<String>,
    result: String,
    start_ms: f64,
}

#[derive(Debug, Deserialize)]
struct Candidate {
    ip: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Attempt {
    pub(crate) attempt_id: usize,
    pub(crate) ip: String,
    pub(crate) local: Option<String>,
    pub(crate) start_ms: f64,
    /// How much later than planned it started.
    pub(crate) start_lag_ms: f64,
    pub(crate) duration_ms: f64,
    pub(crate) result: String,
    pub(crate) error: Option<Error>,
    pub(crate) tcp_info: Option<TcpInfo>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Error {
    pub(crate) kind: String,
    pub(crate) name: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct TcpInfo {
    pub(crate) retransmits: u32,
}

impl Document {
    /// Refuses what has no meaning, whatever happened on the wire.
    pub(crate) fn parse(text: &str) -> Self {
        let document: Self = serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text:?}"));
        assert!(text.ends_with("}\n") && !text.ends_with("\n\n"), "one final newline");
        document.assert_sound();
        document
    }

    /// Seconds since 1970 at which work on the target began.
    pub(crate) fn began(&self) -> f64 {
        let start = humantime::parse_rfc3339(&self.start).unwrap();
        start.duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
    }

    /// In connection order.
    pub(crate) fn candidates(&self) -> Vec<&str> {
        self.resolve.candidates.iter().map(|candidate| candidate.ip.as_str()).collect()
    }

    /// When the race was over: somebody had won, or the last one had failed.
    pub(crate) fn end_ms(&self) -> f64 {
        let end = |attempt: &Attempt| attempt.start_ms + attempt.duration_ms;
        let ends = self.attempts.iter().map(end);
        self.winner().map_or_else(|| ends.fold(0.0, f64::max), end)
    }

    pub(crate) fn winner(&self) -> Option<&Attempt> {
        self.selected.map(|id| &self.attempts[id - 1])
    }

    fn assert_sound(&self) {
        assert_eq!(self.schema, "loopctl.connect.v1");
        let ips: Vec<&str> = self.attempts.iter().map(|attempt| attempt.ip.as_str()).collect();
        assert!(self.candidates().starts_with(&ips), "attempts are candidates in their order");
        let ids = self.attempts.iter().map(|attempt| attempt.attempt_id);
        assert!(ids.eq(1..=self.attempts.len()), "attempts are numbered in starting order");
        let starts = self.attempts.iter().map(|attempt| attempt.start_ms);
        assert!(starts.is_sorted(), "attempts are in starting order");
        self.attempts.iter().for_each(Attempt::assert_sound);
        for attempt in &self.attempts {
            let end = attempt.start_ms + attempt.duration_ms;
            assert!(end <= self.total_ms + 0.01, "an attempt outlives the total: {attempt:?}");
        }
        let is_success = self.outcome == "success";
        let won = self.winner().is_some_and(|winner| winner.result == "success");
        assert_eq!(is_success, won, "a success selects an attempt that succeeded");
        assert_eq!(is_success, self.exit_code == 0);
        assert_eq!(is_success, self.error.is_none(), "{:?}", self.error);
    }
}

impl Resolve {
    /// `AAAA 203.0.113.53:53/udp answered`
    pub(crate) fn questions(&self) -> Vec<String> {
        let told = |query: &Query| {
            let (server, transport) = (query.server.as_deref(), query.transport.as_deref());
            let (server, transport) = (server.unwrap_or("-"), transport.unwrap_or("-"));
            format!("{} {server}/{transport} {}", query.record_type, query.result)
        };
        self.queries.iter().map(told).collect()
    }

    /// When the first question was asked.
    pub(crate) fn asked_ms(&self) -> f64 {
        self.queries.iter().map(|query| query.start_ms).fold(f64::INFINITY, f64::min)
    }
}

impl Attempt {
    fn assert_sound(&self) {
        let has_error = match self.result.as_str() {
            "success" | "canceled" => false,
            "failure" | "timeout" => true,
            unknown => panic!("{unknown}: {self:?}"),
        };
        assert_eq!(self.error.is_some(), has_error, "{self:?}");
    }
}

impl Error {
    /// `refused ECONNREFUSED`
    pub(crate) fn words(&self) -> String {
        let name = self.name.as_deref().unwrap_or_default();
        format!("{} {name}", self.kind).trim_end().to_owned()
    }
}
