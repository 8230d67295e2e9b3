//! Results of DNSSEC validation as text.

use loopctl::{DnsProof, DnsValidation};

use crate::report::names::NameReport;
use crate::report::query::Query;
use crate::util::style::Style;
use crate::util::units;

/// One line for each validation result, with all its record types. `-v` adds the chain of zones.
pub(crate) fn lines(report: &NameReport, is_verbose: bool, style: Style) -> String {
    let mut known: Vec<(Vec<String>, String)> = Vec::new();
    for query in report.dns_queries() {
        let Some(validation) = query.validation() else { continue };
        let text = proof_text(query, validation, is_verbose, style);
        match known.iter_mut().find(|(_, known)| *known == text) {
            Some((types, _)) if types.contains(&query.type_names()) => {}
            Some((types, _)) => types.push(query.type_names()),
            None => known.push((vec![query.type_names()], text)),
        }
    }
    let lines = known.into_iter().map(|(types, text)| {
        units::fit(&format!("  dnssec   {}: {text}", types.join(", ")), style.width)
    });
    lines.collect()
}

fn proof_text(query: &Query, validation: &DnsValidation, is_verbose: bool, style: Style) -> String {
    let mut text = validation.to_string();
    let claims = query.answer().is_some_and(|answer| answer.flags.authentic);
    if claims && validation.proof != DnsProof::Secure {
        text += "  (AD set by the server)";
    }
    if is_verbose && !validation.chain.is_empty() {
        let arrow = if style.unicode { " → " } else { " -> " };
        text += &format!("  {}", validation.chain.join(arrow));
    }
    text
}
