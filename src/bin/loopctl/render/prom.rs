//! Metrics in the text exposition format, as Prometheus' textfile collector takes them.

use std::fmt::Write as _;
use std::time::Duration;

use crate::report::{Outcome, Report};

/// All targets of a run, metric by metric: a family of metrics must not be split.
#[derive(Default)]
pub(crate) struct Metrics {
    success: String,
    duration: String,
    attempts: String,
    unmet: String,
}

impl Metrics {
    pub(crate) fn add(&mut self, report: &Report) {
        let target = escape(&report.subject.text);
        let connected = u8::from(report.winner().is_some());
        let _ = writeln!(self.success, "loopctl_probe_success{{target=\"{target}\"}} {connected}");
        let unmet = report.beside.unmet.len();
        let _ = writeln!(self.unmet, "loopctl_unmet_expectations{{target=\"{target}\"}} {unmet}");
        let mut phase = |phase: &str, took: Duration| {
            let seconds = took.as_secs_f64();
            let _ = writeln!(
                self.duration,
                "loopctl_probe_duration_seconds{{target=\"{target}\",phase=\"{phase}\"}} {seconds}"
            );
        };
        phase("resolve", report.resolved_at());
        if let (Some(winner), Some(stagger)) = (report.winner(), report.cost()) {
            phase("stagger", stagger);
            phase("connect", winner.took);
        }
        phase("total", report.total);
        let results =
            [Outcome::Success.name(), Outcome::Timeout.name(), Outcome::Canceled.name(), "failure"];
        for result in results {
            let count =
                report.attempts.iter().filter(|attempt| attempt.outcome.name() == result).count();
            let _ = writeln!(
                self.attempts,
                "loopctl_attempts{{target=\"{target}\",result=\"{result}\"}} {count}"
            );
        }
    }

    pub(crate) fn exposition(&self) -> String {
        let families = [
            ("loopctl_probe_success", "Whether the target could be connected to.", &self.success),
            ("loopctl_probe_duration_seconds", "How long each phase took.", &self.duration),
            ("loopctl_attempts", "Connection attempts by their result.", &self.attempts),
            ("loopctl_unmet_expectations", "Stated expectations that did not hold.", &self.unmet),
        ];
        let text = families.map(|(name, help, samples)| {
            format!("# HELP {name} {help}\n# TYPE {name} gauge\n{samples}")
        });
        text.concat()
    }
}

/// A label's value.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
