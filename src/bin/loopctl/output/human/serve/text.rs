//! Records of `serve` as text.

use std::net::SocketAddr;
use std::time::Duration;

use anstyle::{AnsiColor, Style as Ansi};
use comfy_table::{Cell, CellAlignment, Table, presets};
use loopctl::Address;

use crate::report::served::{
    ClientRecord, Datagram, EndReason, EndTotals, ServedCertificates, TlsOutcome, Totals,
    TransferRecord,
};
use crate::util::message::plain;
use crate::util::style::Style;
use crate::util::units::{bytes, escaped, fit, prose};

/// One closed connection.
pub(crate) fn connection(ended: &ClientRecord, style: Style) -> String {
    let (received, sent) = (bytes(ended.bytes.received), bytes(ended.bytes.sent));
    let end = style.paint(ansi(ended.end), &reason(ended));
    let (peer, took) = (peer(ended.endpoints.peer), prose(ended.took));
    let tls = match &ended.tls {
        TlsOutcome::Plaintext => String::new(),
        TlsOutcome::Incomplete => "no TLS   ".to_owned(),
        TlsOutcome::Established(info) => format!("{}  ", info.version),
    };
    let winner = ended.upstream.as_ref().and_then(|upstream| upstream.race.winner());
    let way = winner.map_or_else(String::new, |winner| format!("to {}  ", winner.address));
    let line = format!("{peer:<21}  {received:>9} in  {sent:>9} out  {took:>8}  {tls}{way}{end}");
    fit(&line, style.width)
}

/// One datagram.
pub(crate) fn datagram(datagram: &Datagram, style: Style) -> String {
    let (received, sent) = (bytes(datagram.bytes.received), bytes(datagram.bytes.sent));
    let peer = match (&datagram.peer, datagram.count) {
        (Some(peer), _) => escaped(&peer.to_string()),
        (None, 1) => "unix".to_owned(),
        (None, _) => "several clients".to_owned(),
    };
    let many =
        if datagram.count > 1 { format!("  {} datagrams", datagram.count) } else { String::new() };
    let note = match (&datagram.error, datagram.refusal) {
        (Some(error), _) => format!("{many}  error: {}", plain(&error.failure.message)),
        (None, Some(refusal)) => format!("{many}  limit: {}", refusal.text()),
        (None, None) => many,
    };
    let note = style.paint(AnsiColor::Yellow.on_default(), &note);
    fit(&format!("{peer:<21}  {received:>9} in  {sent:>9} out{note}"), style.width)
}

/// Line about a transfer that is incomplete.
pub(crate) fn partial(stored: &TransferRecord) -> String {
    let kept = stored.path.as_ref().filter(|_| stored.bytes > 0);
    let kept = kept.map_or_else(String::new, |path| format!(" are in `{}`", path.display()));
    format!("transfer incomplete: {} bytes{kept}", stored.bytes)
}

/// Certificates, and the command line of a client that trusts the generated one.
pub(crate) fn shown(shown: &ServedCertificates, address: &Address) -> String {
    let mut text = String::new();
    for certificate in &shown.certificates {
        let names = match certificate.names() {
            [] => "without a name".to_owned(),
            names => format!("for {}", names.join(", ")),
        };
        text += &format!("certificate {names}\n  SHA-256 {}\n", certificate.sha256);
    }
    if let Some(file) = &shown.ca_file {
        let file = file.to_string_lossy();
        // Only a path with a NUL cannot be quoted, and no file has one.
        let file = shlex::try_quote(&file).unwrap_or_default();
        text += &format!("  loopctl connect --tls --ca {file} {}\n", target(address));
    }
    text
}

/// Target for clients, by a name in the certificate made for this run.
fn target(address: &Address) -> String {
    match address.as_inet() {
        Some(any) if any.ip().is_unspecified() => format!("localhost:{}", any.port()),
        Some(address) => address.to_string(),
        None => {
            let path = address.to_string();
            format!("--sni localhost {}", shlex::try_quote(&path).unwrap_or_default())
        }
    }
}

pub(crate) fn peer(peer: Option<SocketAddr>) -> String {
    peer.map_or_else(|| "unix".to_owned(), |peer| peer.to_string())
}

fn reason(ended: &ClientRecord) -> String {
    let mut reason = ended.end.name().to_owned();
    if !ended.faults.is_empty() {
        reason += &format!(" ({})", ended.faults.join(", "));
    }
    match (&ended.error, ended.end) {
        (
            Some(error),
            EndReason::Error
            | EndReason::Upstream
            | EndReason::Limit
            | EndReason::Eof
            | EndReason::Truncated,
        ) => {
            let message = plain(&error.failure.message);
            reason += &format!(": {}", message.strip_prefix("truncated: ").unwrap_or(&message))
        }
        _ if ended.aborted => reason += ": cut off",
        _ => {}
    }
    reason
}

fn ansi(end: EndReason) -> Ansi {
    match end {
        EndReason::Eof => AnsiColor::Green.on_default(),
        EndReason::Reset | EndReason::Upstream | EndReason::Error => AnsiColor::Red.on_default(),
        EndReason::Truncated
        | EndReason::Idle
        | EndReason::Limit
        | EndReason::Fault
        | EndReason::Shutdown => AnsiColor::Yellow.on_default(),
    }
}

/// One line of totals.
pub(crate) fn totals(totals: &Totals, after: Duration) -> String {
    format!(
        "{} open  {} accepted  {} in  {} out  {}",
        totals.open(),
        totals.accepted,
        bytes(totals.bytes.received),
        bytes(totals.bytes.sent),
        prose(after)
    )
}

/// Totals of a run: one row per kind of end.
pub(crate) fn summary(totals: &Totals, noun: &str, took: Duration, style: Style) -> String {
    let plural = if totals.accepted == 1 { "" } else { "s" };
    let headline = format!("{} {noun}{plural} in {}", totals.accepted, prose(took));
    if totals.ends.is_empty() {
        let (received, sent) = (bytes(totals.bytes.received), bytes(totals.bytes.sent));
        let moved = format!(": {received} in, {sent} out");
        let moved = if totals.accepted == 0 { String::new() } else { moved };
        return format!("\n{headline}{moved}\n");
    }
    format!("\n{headline}\n\n{}", table(totals, style))
}

fn table(totals: &Totals, style: Style) -> String {
    // On a narrow terminal, the last column is left out.
    let columns = if style.width.is_some_and(|width| width < 50) { 4 } else { 5 };
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["end", "clients", "in", "out", "longest"].into_iter().take(columns));
    for (end, share) in &totals.ends {
        table.add_row(row(end.name(), share).into_iter().take(columns));
    }
    if totals.ends.len() > 1 {
        let longest = totals.ends.values().map(|share| share.longest).max().unwrap_or_default();
        let count = totals.closed + totals.aborted;
        let all = row("total", &EndTotals { count, bytes: totals.bytes, longest });
        table.add_row(all.into_iter().take(columns));
    }
    for column in table.column_iter_mut() {
        column.set_padding((2, 0));
    }
    for right in 1..columns {
        if let Some(column) = table.column_mut(right) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn row(name: &str, share: &EndTotals) -> [Cell; 5] {
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    let (received, sent) = (bytes(share.bytes.received), bytes(share.bytes.sent));
    let numbers = [share.count.to_string(), received, sent, prose(share.longest)].map(right);
    let [count, received, sent, longest] = numbers;
    [Cell::new(name), count, received, sent, longest]
}
