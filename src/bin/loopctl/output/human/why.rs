//! Reasons for the winner, in one or two lines; then the state of this host that matters.

use std::time::Duration;

use crate::diagnose::findings::{CausedBy, Finding, FindingKind, findings};
use crate::report::Report;
use crate::util::style::Style;
use crate::util::units;

/// Maximum number of findings about the race that are shown; the table has the rest.
const MAX_FINDINGS: usize = 2;

/// Minimum delay worth a line.
const MIN_COST: Duration = Duration::from_millis(1);

/// Lines of `why`; none if the first address won at once.
pub(crate) fn lines(report: &Report, style: Style, is_verbose: bool) -> String {
    let (host, race): (Vec<Finding>, Vec<Finding>) =
        findings(report).into_iter().partition(|why| why.kind.is_about_host());
    // Because the errors below the table tell why there is no connection.
    let race = race.into_iter().filter(|_| report.winner().is_some());
    let mut reasons = together(race.filter(is_relevant));
    while reasons.len() > MAX_FINDINGS {
        let lightest = (0..reasons.len()).min_by_key(|at| weight(&reasons[*at]));
        reasons.remove(lightest.unwrap_or_default());
    }
    reasons.extend(together(host.into_iter()));
    let labels = std::iter::once("  why").chain(std::iter::repeat(""));
    labels
        .zip(&reasons)
        .map(|(label, why)| {
            let evidence = if is_verbose { evidence_lines(why, style) } else { String::new() };
            units::labelled(label, &sentence(why), style.width) + &evidence
        })
        .collect()
}

/// Basis of a finding, and its evidence.
fn evidence_lines(why: &Finding, style: Style) -> String {
    let evidence = why.evidence.iter().map(|it| format!("{}: {}", it.source.name(), it.text));
    let evidence = evidence.collect::<Vec<_>>().join("; ");
    units::labelled("", &format!("  {} from {evidence}", why.basis.name()), style.width)
}

fn is_relevant(why: &Finding) -> bool {
    use FindingKind::{GaiConf, LateEnd, LateStart, NoSourceAddress};
    matches!(why.kind, NoSourceAddress | GaiConf | LateStart | LateEnd) || why.cost >= MIN_COST
}

/// Findings about the family weigh more than those about the time.
fn weight(why: &Finding) -> (bool, Duration) {
    (!matches!(why.caused_by, CausedBy::Attempt(_)), why.cost)
}

/// Merges attempts with the same finding.
fn together(reasons: impl Iterator<Item = Finding>) -> Vec<Finding> {
    let mut kept: Vec<(Finding, u32)> = Vec::new();
    for why in reasons {
        let alike = kept.iter_mut().find(|(other, _)| {
            matches!((other.caused_by, why.caused_by), (CausedBy::Attempt(_), CausedBy::Attempt(_)))
                && other.kind == why.kind
        });
        match alike {
            Some((other, count)) => {
                other.cost += why.cost;
                *count += 1;
            }
            None => kept.push((why, 1)),
        }
    }
    let joined = kept.into_iter().map(|(why, count)| match count {
        1 => why,
        _ => Finding { text: several(&why, count), ..why },
    });
    joined.collect()
}

fn several(why: &Finding, count: u32) -> String {
    let each = units::prose(why.cost / count);
    match why.kind {
        FindingKind::Silent => format!("{count} addresses silent for {each} each"),
        FindingKind::Refused => format!("{count} addresses refused"),
        FindingKind::LateStart => format!("{count} attempts started late: this host was busy"),
        kind => format!("{count} addresses {}", kind.words()),
    }
}

fn sentence(why: &Finding) -> String {
    let cost = units::prose(why.cost);
    // Because a finding that already contains its cost needs no second mention.
    match why.cost >= MIN_COST && !why.text.contains(&cost) {
        true => format!("{}, cost {cost}", why.text),
        false => why.text.clone(),
    }
}
