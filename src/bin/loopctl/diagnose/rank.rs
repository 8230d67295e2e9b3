//! Messages about the ranks of addresses.

use loopctl::plan::DestinationRule;

use crate::report::family::FamilyNames as _;
use crate::report::order::RankReason;

/// Message about the reason for a rank.
pub(crate) fn message(reason: RankReason) -> String {
    match reason {
        RankReason::NotFromSystem => "not in the answer of the system".to_owned(),
        RankReason::NotFromDns => "not in the answer of the name servers".to_owned(),
        RankReason::NoSource(family) => {
            format!("rule 1: no {} source address, or no route", family.ip_version())
        }
        RankReason::Before(other, rule) => format!("{rule} puts it before {other}"),
        RankReason::After(other, rule) => format!("{rule} puts it after {other}"),
        RankReason::LongerPrefix(other) => {
            format!("rule 9 (longest prefix) puts it before {other}; glibc applies it to IPv4")
        }
        RankReason::SystemOrder(other) => {
            format!("the system puts it before {other}, by no rule of RFC 6724")
        }
        RankReason::AgainstRule { first, second, rule } => {
            format!("{} puts {first} before {second}, against {rule}", source(rule))
        }
    }
}

/// Source of an order against a rule; only the rules with a policy table are configurable.
fn source(rule: DestinationRule) -> &'static str {
    match rule {
        DestinationRule::HigherPrecedence | DestinationRule::MatchingLabel => {
            "gai.conf(5) or glibc's built-in table"
        }
        _ => "the system",
    }
}
