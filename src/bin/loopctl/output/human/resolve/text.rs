//! Report of a name as text.

use anstyle::AnsiColor;
use loopctl::plan::Family;

use super::{notes, proofs, queries, tables};
use crate::config::AddressOrder;
use crate::report::names::{NameEnd, NameReport};
use crate::util::style::Style;
use crate::util::units;

/// Options of the text output.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    pub(crate) order: AddressOrder,
    /// Several names are reported, so that each has a headline.
    pub(crate) has_headline: bool,
    /// Shows steps of a trace in as much detail as its end.
    pub(crate) is_verbose: bool,
}

/// Headline, aliases, addresses, records, hops and queries.
pub(crate) fn report(report: &NameReport, view: View, style: Style) -> String {
    let mut text = headline(report, view, style);
    for (record, target) in report.aliases() {
        let ttl = record.ttl.as_secs();
        text +=
            &units::fit(&format!("  alias    {} is {target}  ttl {ttl}", record.name), style.width);
    }
    if !report.hops.is_empty() {
        text += &tables::hops(&report.hops, style);
    }
    if !report.addresses.is_empty() && report.hops.is_empty() {
        text += &tables::addresses(report, view.order, style);
    }
    let is_reverse = !report.subject.wants_addresses && report.system_texts().next().is_some();
    if is_reverse {
        text += &tables::names(report, style);
    } else if !report.records().is_empty() {
        text += &tables::records(report, style);
    }
    text += &interleaved(report, style);
    if report.hops.is_empty() {
        text += &queries::lines(report, view.is_verbose, style);
        return text + &proofs::lines(report, view.is_verbose, style);
    }
    text + &queries::claims(report, style)
}

/// Headline; empty for a single name that was found, unless it is encoded (IDNA).
fn headline(report: &NameReport, view: View, style: Style) -> String {
    let (text, name) = (&report.subject.text, &report.subject.name);
    let encoded = match idna::domain_to_unicode(name) {
        (letters, Ok(())) if !letters.eq_ignore_ascii_case(name) => {
            format!(" = {name} ({letters})")
        }
        _ => String::new(),
    };
    let encoded = if text.is_ascii() { encoded } else { format!(" = {name}") };
    let text = if style.unicode { text.clone() } else { name.clone() };
    match report.end {
        NameEnd::Found if !view.has_headline && encoded.is_empty() => String::new(),
        NameEnd::Found => units::fit(&format!("{text}{encoded}"), style.width),
        NameEnd::Failed(verdict) => {
            let why = notes::status(verdict);
            let why = style.paint(AnsiColor::Red.on_default().bold(), why);
            let after = units::prose(report.total);
            units::fit(&format!("{text}{encoded}  {why} after {after}"), style.width)
        }
        NameEnd::Interrupted(_) => {
            let after = units::prose(report.total);
            units::fit(&format!("{text}{encoded}  interrupted after {after}"), style.width)
        }
    }
}

/// Interleaving of the families, if a connection uses both.
fn interleaved(report: &NameReport, style: Style) -> String {
    let (count, rows) = (report.subject.interleave, &report.addresses);
    let families: Vec<Family> = rows
        .iter()
        .filter(|row| row.ranks.connect.is_some())
        .map(|row| Family::of(&row.ip))
        .collect();
    let is_mixed = families.windows(2).filter(|pair| pair[0] != pair[1]).count() > 1;
    if count == 0 || !is_mixed || !report.hops.is_empty() {
        return String::new();
    }
    let first = if families.first() == Some(&Family::Inet) { "v4,v6" } else { "v6,v4" };
    let line = format!("  order    {first} interleaved ({count}), as connect does");
    units::fit(&line, style.width)
}
