//! Hints over many reports: each once, with the number of targets or tries that it is for.

use std::collections::BTreeSet;

use crate::diagnose::cause::ip_text;
use crate::report::Report;
use crate::util::units;

/// Hints, in the order of their first occurrence.
#[derive(Debug, Default)]
pub(crate) struct HintGroups(Vec<HintGroup>);

/// One hint, worded for the first report that has it.
#[derive(Debug)]
pub(crate) struct HintGroup {
    pub(crate) text: String,
    /// Number of reports with the hint.
    pub(crate) reports: u64,
    targets: BTreeSet<String>,
    /// First targets, as examples.
    examples: Vec<String>,
    /// The text without the values of the first report.
    template: String,
}

impl HintGroups {
    /// Adds the hint of a report.
    pub(crate) fn add(&mut self, report: &Report, text: String) {
        const MAX_EXAMPLES: usize = 3;
        let (target, template) = (&report.subject.text, template(&text, report));
        let known = self.0.iter().position(|group| group.template == template);
        let at = known.unwrap_or_else(|| {
            self.0.push(HintGroup::new(text, template));
            self.0.len() - 1
        });
        let group = &mut self.0[at];
        group.reports += 1;
        if group.targets.insert(target.clone()) && group.examples.len() < MAX_EXAMPLES {
            group.examples.push(target.clone());
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &HintGroup> {
        self.0.iter()
    }

    /// Each hint with its targets.
    pub(crate) fn by_target(&self) -> Vec<String> {
        self.0.iter().map(|group| format!("{} ({})", group.text, group.targets())).collect()
    }

    /// Each hint with its share of the tries of one target.
    pub(crate) fn by_try(&self, tries: u64) -> Vec<String> {
        let of_tries = |group: &HintGroup| {
            let tries = if tries == 1 { "1 try".to_owned() } else { format!("{tries} tries") };
            format!("{} ({} of {tries})", group.text, group.reports)
        };
        self.0.iter().map(of_tries).collect()
    }
}

impl HintGroup {
    fn new(text: String, template: String) -> Self {
        Self { text, reports: 0, targets: BTreeSet::new(), examples: Vec::new(), template }
    }

    fn targets(&self) -> String {
        let examples = self.examples.join(", ");
        match self.targets.len() {
            1 => examples,
            count if count == self.examples.len() => format!("{count} targets: {examples}"),
            count => format!("{count} targets, such as {examples}"),
        }
    }
}

/// The hint without the names, addresses and times of its report, in which hints of one cause differ.
fn template(text: &str, report: &Report) -> String {
    let subject = &report.subject;
    let names = [Some(subject.text.clone()), subject.host.clone()].into_iter().flatten();
    let attempts = report.attempts.iter().flat_map(|attempt| {
        let times = [attempt.took, attempt.tls_took()].map(units::prose);
        [attempt.address.to_string(), ip_text(attempt)].into_iter().chain(times)
    });
    let mut values: Vec<String> = names.chain(attempts).filter(|value| !value.is_empty()).collect();
    // Because an address may be a part of another value, the longest comes first.
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    values.iter().fold(text.to_owned(), |text, value| text.replace(value, "*"))
}
