//! Why this address, in a line or two.

use std::time::Duration;

use crate::diagnose::why::{Blame, Why, why};
use crate::output::units;
use crate::report::Report;
use crate::util::style::Style;

/// No more than so many: the table has the rest.
const MOST: usize = 2;

/// Below this nobody cares.
const TRIFLE: Duration = Duration::from_millis(1);

/// What there is to explain about a connection; nothing where the first address won at once.
pub(crate) fn lines(report: &Report, style: Style) -> String {
    if report.winner().is_none() {
        return String::new();
    }
    let mut reasons = together(why(report).into_iter().filter(is_worth_telling));
    while reasons.len() > MOST {
        let least = (0..reasons.len()).min_by_key(|at| weight(&reasons[*at]));
        reasons.remove(least.unwrap_or_default());
    }
    let labels = ["  why", ""].into_iter();
    labels
        .zip(&reasons)
        .map(|(label, why)| units::labelled(label, &sentence(why), style.width))
        .collect()
}

fn is_worth_telling(why: &Why) -> bool {
    matches!(why.kind, "no_source_address" | "gai_conf" | "late_start") || why.cost >= TRIFLE
}

/// What explains the family goes before what explains the time.
fn weight(why: &Why) -> (bool, Duration) {
    (!matches!(why.blame, Blame::Attempt(_)), why.cost)
}

/// Attempts with the same fate are told together.
fn together(reasons: impl Iterator<Item = Why>) -> Vec<Why> {
    let mut kept: Vec<(Why, u32)> = Vec::new();
    for why in reasons {
        let alike = kept.iter_mut().find(|(other, _)| {
            matches!((other.blame, why.blame), (Blame::Attempt(_), Blame::Attempt(_)))
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
        _ => Why { text: several(&why, count), ..why },
    });
    joined.collect()
}

fn several(why: &Why, count: u32) -> String {
    let each = units::prose(why.cost / count);
    match why.kind {
        "silent" => format!("{count} addresses silent for {each} each"),
        "refused" => format!("{count} addresses refused"),
        "late_start" => format!("{count} attempts started late: this host was busy"),
        kind => format!("{count} addresses {}", kind.replace('_', " ")),
    }
}

fn sentence(why: &Why) -> String {
    let cost = units::prose(why.cost);
    // Where it is what was waited for, it has been said.
    match why.cost >= TRIFLE && !why.text.contains(&cost) {
        true => format!("{}, cost {cost}", why.text),
        false => why.text.clone(),
    }
}
