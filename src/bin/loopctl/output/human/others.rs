//! Clients that would have fared worse than this run, in one line.

use std::time::Duration;

use crate::diagnose::findings::other_clients::{
    OtherCause, OtherClients, OtherResult, other_clients,
};
use crate::report::Report;
use crate::util::style::Style;
use crate::util::units;

/// The line; empty where no common client would take a second longer, or fail.
pub(crate) fn line(report: &Report, style: Style) -> String {
    let Some(others) = other_clients(report) else { return String::new() };
    units::labelled("  others", &sentence(&others), style.width)
}

fn sentence(others: &OtherClients) -> String {
    let names = names(others);
    let results = || others.clients.iter().map(|client| client.result);
    let who = match &others.cause {
        OtherCause::Answer(_) => "clients that wait for both answers",
        OtherCause::Silent(_) if others.clients.len() == 1 => "clients without Happy Eyeballs",
        OtherCause::Tls => "clients that take the first TCP connection",
        OtherCause::Silent(_) | OtherCause::Several => "other clients",
    };
    let least = results().map(OtherResult::after).min().unwrap_or_default();
    let most = results().map(OtherResult::after).max().unwrap_or_default();
    let what = if results().all(|result| matches!(result, OtherResult::Fails(_))) {
        "fail here".to_owned()
    } else if results().all(|result| matches!(result, OtherResult::Connects(_))) && least == most {
        format!("take {} here", long(least))
    } else {
        match &others.cause {
            OtherCause::Silent(silent) if silent.len() == 1 && least == most => {
                format!("wait {} here if `{}` stays silent", long(least), silent[0].ip())
            }
            _ => format!("hang {} or more here", long(least)),
        }
    };
    format!("{who} ({names}) {what}: `--compare` shows each")
}

fn names(others: &OtherClients) -> String {
    const MAX_NAMES: usize = 5;
    let names = others.clients.iter().map(|client| client.name);
    let shown: Vec<&str> = names.take(MAX_NAMES).collect();
    let more = if others.clients.len() > MAX_NAMES { ", ..." } else { "" };
    format!("{}{more}", shown.join(", "))
}

/// Whole seconds from ten on.
fn long(time: Duration) -> String {
    match time.as_secs() {
        0..10 => units::prose(time),
        _ => format!("{:.0} s", time.as_secs_f64()),
    }
}
