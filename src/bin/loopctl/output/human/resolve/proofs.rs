//! What signatures prove, in words.

use loopctl::{DnsProof, DnsProofReason, DnsValidation};

use crate::output::units;
use crate::report::names::NameReport;
use crate::report::query::Query;
use crate::util::style::Style;

/// A line for each answer; those of which the same is known share one. The zones that prove it, if they are wanted.
pub(crate) fn lines(report: &NameReport, is_verbose: bool, style: Style) -> String {
    let mut known: Vec<(Vec<String>, String)> = Vec::new();
    for query in report.dns_queries() {
        let Some(validation) = query.validation() else { continue };
        let told = told(query, validation, is_verbose, style);
        match known.iter_mut().find(|(_, text)| *text == told) {
            Some((types, _)) if types.contains(&query.type_names()) => {}
            Some((types, _)) => types.push(query.type_names()),
            None => known.push((vec![query.type_names()], told)),
        }
    }
    let lines = known.into_iter().map(|(types, told)| {
        units::fit(&format!("  dnssec   {}: {told}", types.join(", ")), style.width)
    });
    lines.collect()
}

fn told(query: &Query, validation: &DnsValidation, is_verbose: bool, style: Style) -> String {
    let mut text = validation.to_string();
    let claims = query.answer().is_some_and(|answer| answer.flags.authentic);
    if claims && validation.proof != DnsProof::Secure {
        text += "  (the server says that it has verified it: AD)";
    }
    if is_verbose && !validation.chain.is_empty() {
        let arrow = if style.unicode { " → " } else { " -> " };
        text += &format!("  {}", validation.chain.join(arrow));
    }
    text
}

/// What to do about an answer that is not proved.
pub(crate) fn hint(validation: &DnsValidation) -> &'static str {
    match &validation.reason {
        Some(DnsProofReason::Expired { .. } | DnsProofReason::NotYetValid { .. }) => {
            "is the clock of this host right? If so, whoever runs the zone must sign it again"
        }
        Some(DnsProofReason::UntrustedKeys { .. } | DnsProofReason::NoKeys { .. }) => {
            "the zone's keys have been changed without its DS above, or the other way round: whoever runs it must mend it"
        }
        Some(DnsProofReason::NotAnchored { .. }) => {
            "are these the name servers of that root? `--trust-anchor FILE` says which keys to trust"
        }
        Some(DnsProofReason::NoDnssec) => {
            "this name server does not pass signatures on: ask another one (`--server`)"
        }
        Some(DnsProofReason::Unanswered { .. }) => {
            "ask another name server (`--server`); `-v` shows every step"
        }
        Some(
            DnsProofReason::NoSignature { .. }
            | DnsProofReason::NoDenial
            | DnsProofReason::NoDelegationProof { .. },
        ) => "something on the way may take signatures away: ask another name server (`--server`)",
        _ => {
            "do others say the same (`--server`)? If not, somebody on the way has changed the answer"
        }
    }
}
