//! Report of a connection as text.

use std::time::Duration;

use anstyle::AnsiColor;
use loopctl::plan::Family;
use loopctl::{HostsFile, TcpInfo};

use super::resolve::{notes, queries};
use super::{compare, http, others, table, tls, why};
use crate::diagnose;
use crate::diagnose::cause;
use crate::diagnose::expectation;
use crate::report::family::FamilyNames;
use crate::report::query::{Query, QueryStatus, types};
use crate::report::{End, Report, TransportKind, Via};
use crate::util::style::Style;
use crate::util::units;

/// Optional parts of the text.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct HumanOptions {
    pub(crate) tcp_info: bool,
    /// Policy, source of each attempt, certificates in full.
    pub(crate) is_verbose: bool,
}

/// Headline, names, attempts, sums.
pub(crate) fn report(report: &Report, style: Style, detail: HumanOptions) -> String {
    let arrow = if style.unicode { "→" } else { "->" };
    let mut text = one(report, style, detail);
    let mut from = report;
    for hop in &report.redirects {
        let location = from.http.as_ref().and_then(|http| http.redirect()).unwrap_or_default();
        let location = diagnose::http::quoted(location);
        text += &fit(&format!("\n  {arrow} redirect to {location}\n\n"), style);
        text += &one(hop, style, detail);
        from = hop;
    }
    text
}

/// Report of one target, without its redirects.
fn one(report: &Report, style: Style, detail: HumanOptions) -> String {
    if let Some(comparison) = &report.comparison {
        return compare::text(report, comparison, style);
    }
    let mut parts = vec![fit(&headline(report, style), style)];
    if report.subject.transport != TransportKind::Unix {
        let rules = if detail.is_verbose { policy_line(report) } else { String::new() };
        parts.push(fit(&(rules + &resolve_line(report) + &query_lines(report)), style));
    }
    if !report.resolve.candidates.is_empty() {
        parts.push(table::table(report, style) + &fit(&refused_options(report), style));
    }
    let kernel = if detail.tcp_info { tcp_info_lines(report) } else { String::new() };
    let below = kernel_line(report, style) + &kernel + &options_line(report);
    let sums = tls::lines(report, style)
        + &http::lines(report, style)
        + &below
        + &total_line(report)
        + &waited_line(report);
    if !sums.is_empty() {
        parts.push(fit(&sums, style));
    }
    let why = why::lines(report, style, detail.is_verbose) + &others::line(report, style);
    parts.last_mut().into_iter().for_each(|last| last.push_str(&why));
    let chain = tls::chain(report, style, detail.is_verbose);
    if !chain.is_empty() {
        parts.push(chain);
    }
    parts.join("\n")
}

fn fit(lines: &str, style: Style) -> String {
    lines.lines().map(|line| units::fit(line, style.width)).collect()
}

/// One try of many, on one line.
pub(crate) fn try_line(nth: u64, report: &Report, style: Style) -> String {
    let Some(winner) = report.winner() else {
        let why = cause::summary_by_address(report);
        let failed = style.paint(AnsiColor::Red.on_default(), "failed");
        return format!("{nth:>4}  {failed} after {}: {why}\n", units::prose(report.total));
    };
    if report.end != End::Connected {
        let (address, why) = (&winner.address, cause::summary_by_address(report));
        let failed = style.paint(AnsiColor::Red.on_default(), "failed");
        let after = units::prose(report.total);
        return format!("{nth:>4}  {address}  {failed} after {after}: {why}\n");
    }
    let after = report.finished_after().unwrap_or_default();
    let mut line = format!("{nth:>4}  {}  {:>8} ms", winner.address, units::column(after));
    if let Some((status, color)) = report.last_hop().http.as_deref().and_then(http::status) {
        line += &format!("  {}", style.paint(color.on_default(), &status));
    }
    line += &format!("  = {}", sum(report));
    if winner.resends() > 0 {
        line += &format!("  SYN resent {}", winner.resends());
    }
    let unmet = report.unmet.iter().map(|unmet| format!("  not --{}", expectation::flag(unmet)));
    line + &unmet.collect::<String>() + "\n"
}

fn headline(report: &Report, style: Style) -> String {
    let arrow = if style.unicode { "→" } else { "->" };
    let total = report.waited.as_ref().map_or(report.total, |waited| waited.took);
    let (target, total) = (&report.subject.text, units::prose(total));
    let (winner, transport) = (report.winner(), transport(report));
    match (report.end, winner) {
        (End::Connected, Some(winner)) => {
            let (text, color) = success(report);
            let after = report.finished_after().unwrap_or_default();
            let success = format!("{text} {}", units::prose(after));
            let ok = style.paint(color.on_default().bold(), &success);
            format!("{target} {arrow} {}  {transport}  {ok}\n", winner.address)
        }
        (End::Failed(_), Some(winner)) if report.http_failure().is_some() => {
            let failed =
                style.paint(AnsiColor::Red.on_default().bold(), &format!("failed after {total}"));
            format!("{target} {arrow} {}  {transport}  {failed}\n", winner.address)
        }
        (End::Interrupted(_), _) => format!("{target}  {transport}  interrupted after {total}\n"),
        _ => {
            let failed =
                style.paint(AnsiColor::Red.on_default().bold(), &format!("failed after {total}"));
            format!("{target}  {transport}  {failed}\n")
        }
    }
}

/// Transport, with TLS if requested.
fn transport(report: &Report) -> String {
    let transport = report.subject.transport.name();
    if report.subject.tls.is_some() { format!("{transport}+tls") } else { transport.to_owned() }
}

/// Outcome of the winner, before its duration.
fn success(report: &Report) -> (String, AnsiColor) {
    let number = report.selected.unwrap_or_default();
    if let Some((status, color)) = report.http.as_deref().and_then(http::status) {
        return (format!("{status} in"), color);
    }
    match report.answered(number) {
        Some(false) => ("silent for".to_owned(), AnsiColor::Yellow),
        _ => (format!("{} in", reached(report, number)), AnsiColor::Green),
    }
}

/// Source of the addresses, their number per family, and their order.
fn resolve_line(report: &Report) -> String {
    let resolve = &report.resolve;
    let took = match resolve.via {
        Via::System | Via::Dns => resolve
            .took
            .map_or_else(|| "-".to_owned(), |took| format!("{} ms", units::column(took))),
        Via::Literal | Via::Given | Via::Cached => "-".to_owned(),
    };
    let via = match resolve.via {
        Via::System => "system",
        Via::Dns => "dns",
        Via::Literal => "literal",
        Via::Given => "given",
        Via::Cached => "cached",
    };
    let found = found(report);
    let order = match resolve.candidates.len() {
        0 | 1 => String::new(),
        _ => format!("   {}", order(report)),
    };
    let file = hosts_lines(report);
    format!("  resolve  {took}  {via}   {found}{order}{file}").trim_end().to_owned() + "\n"
}

/// Lines of the hosts file that gave the addresses.
fn hosts_lines(report: &Report) -> String {
    let mut lines: Vec<usize> = report.resolve.hosts.iter().map(|found| found.line).collect();
    lines.sort_unstable();
    lines.dedup();
    match lines.as_slice() {
        [] => String::new(),
        lines => {
            let places = lines.iter().map(|line| format!("{}:{line}", HostsFile::PATH));
            format!("   {}", units::shortened(places))
        }
    }
}

/// Number of addresses per family, with the duration of separate lookups.
fn found(report: &Report) -> String {
    let queries = &report.resolve.queries.0;
    let of_system = queries.iter().filter(|query| query.is_of_system() && query.types.len() == 1);
    let of_system: Vec<&Query> = of_system.collect();
    let found = [Family::Inet6, Family::Inet].into_iter().filter_map(|family| {
        let name = family.record_type();
        let query = of_system.iter().find(|query| query.types == types(family));
        let query = query.filter(|query| is_plain(query));
        let took =
            query.map_or_else(String::new, |query| format!(" {}", units::column(query.took)));
        match (report.count(family), query) {
            (0, None) => None,
            (0, Some(_)) => Some(format!("no {name}{took}")),
            (count, _) => Some(format!("{count} {name}{took}")),
        }
    });
    let found = found.collect::<Vec<_>>().join(", ");
    let has_times = of_system.iter().any(|query| is_plain(query));
    if has_times { found + " ms" } else { found }
}

/// Whether the query has a plain result: addresses, or none.
fn is_plain(query: &Query) -> bool {
    query.verdict() == QueryStatus::Answered || query.verdict().is_negative()
}

/// Policy of the race.
fn policy_line(report: &Report) -> String {
    if report.subject.transport != TransportKind::Tcp {
        return String::new();
    }
    format!("  policy   {}\n", report.subject.policy.describe())
}

/// Queries to name servers, and those to the system that have notes.
fn query_lines(report: &Report) -> String {
    let resolve = &report.resolve;
    let is_known = resolve.via == Via::Dns && !resolve.candidates.is_empty();
    if is_known && resolve.queries.0.is_empty() {
        return "  dns      not queried: found in /etc/hosts\n".to_owned();
    }
    let host = report.subject.host.as_deref().unwrap_or_default();
    let (system, dns): (Vec<&Query>, Vec<&Query>) =
        resolve.queries.0.iter().partition(|query| query.is_of_system());
    let odd = system.into_iter().filter(|query| query.types.len() == 1 && !is_plain(query));
    let odd = odd.map(|query| {
        let notes = notes::of_query(query).join("  ");
        format!("  system   {} ms {}  {notes}", units::column(query.took), query.type_names())
    });
    let lines = odd.chain(queries::of_servers(&dns, host));
    lines.map(|line| line + "\n").collect()
}

fn order(report: &Report) -> String {
    let mut families: Vec<&str> = Vec::new();
    for address in &report.resolve.candidates {
        let name = address.family().map_or("v4", FamilyNames::short);
        if !families.contains(&name) {
            families.push(name);
        }
    }
    match report.subject.policy.interleave {
        0 => format!("order {} as resolved", families.join(",")),
        count => format!("order {} interleaved ({count})", families.join(",")),
    }
}

fn kernel_line(report: &Report, style: Style) -> String {
    let Some(tcp) = report.winner().and_then(|winner| winner.tcp) else { return String::new() };
    let plus_minus = if style.unicode { "±" } else { "+-" };
    let (rtt, variance) = (units::prose(tcp.rtt), units::prose(tcp.rtt_variance));
    let rtt = match tcp.rtt {
        Duration::ZERO => "rtt unknown (SYN resent, no timestamps)".to_owned(),
        _ if has_one_sample(&tcp) => format!("rtt {rtt}"),
        _ => format!("rtt {rtt} {plus_minus} {variance}"),
    };
    format!("  kernel   {rtt}  retransmits {}  mss {}\n", tcp.retransmits, tcp.send_mss)
}

/// Whether the kernel has measured one round trip only: RTTVAR then is half of it (RFC 6298, section 2.2), and no spread.
fn has_one_sample(tcp: &TcpInfo) -> bool {
    tcp.rtt_variance.as_micros() == tcp.rtt.as_micros() / 2
}

/// Further fields of TCP_INFO.
fn tcp_info_lines(report: &Report) -> String {
    let Some(tcp) = report.winner().and_then(|winner| winner.tcp) else { return String::new() };
    let agreed = tcp.negotiated;
    let options = [
        (agreed.timestamps, "timestamps"),
        (agreed.sack, "sack"),
        (agreed.window_scale, "wscale"),
        (agreed.ecn, "ecn"),
        (agreed.syn_data, "syn-data"),
    ];
    let options: Vec<&str> =
        options.iter().filter(|(has, _)| *has).map(|(_, name)| *name).collect();
    let options = if options.is_empty() { "none".to_owned() } else { options.join(" ") };
    let local = report.winner().and_then(|winner| winner.socket.local);
    let from = local.map_or_else(String::new, |local| format!("  from {local}"));
    let rto = units::prose(tcp.rto);
    format!("           rto {rto}  path mtu {}{from}\n           options {options}\n", tcp.path_mtu)
}

/// Effective socket options of the connection, if any were requested.
fn options_line(report: &Report) -> String {
    let Some(options) = report.winner().and_then(|winner| winner.socket.options.as_ref()) else {
        return String::new();
    };
    let mut parts = Vec::new();
    parts.extend(options.interface.as_ref().map(|name| format!("interface {name}")));
    parts.extend(options.ttl.map(|ttl| format!("ttl {ttl}")));
    parts.extend(options.dscp.map(|dscp| format!("dscp {dscp}")));
    parts.extend(options.mark.map(|mark| format!("mark {mark:#x}")));
    parts.extend(options.nodelay.then(|| "nodelay".to_owned()));
    parts.extend(options.multipath.then(|| "mptcp".to_owned()));
    parts.extend(options.fast_open.then(|| "tfo".to_owned()));
    parts.extend(
        options.keepalive.map(|k| {
            format!("keepalive {}s,{}s,{}", k.idle.as_secs(), k.interval.as_secs(), k.count)
        }),
    );
    format!("  socket   {}\n", parts.join("  "))
}

/// Socket options that the kernel refused, per attempt.
fn refused_options(report: &Report) -> String {
    let attempts = report.attempts.iter().enumerate();
    let lines = attempts.flat_map(|(number, attempt)| {
        attempt.socket.refused.iter().map(move |(option, failure)| {
            format!(
                "  {}  {option} refused by the kernel: {}\n",
                number + 1,
                cause::failure_text(failure)
            )
        })
    });
    lines.collect()
}

/// Total duration, as a sum of its phases.
fn total_line(report: &Report) -> String {
    let Some(winner) = report.winner() else { return String::new() };
    let after = report.finished_after().unwrap_or_else(|| winner.end());
    let connected = format!("  total    {} ms  = {}\n", units::column(after), sum(report));
    // Because the sum has the wait for all where a request follows.
    if !report.subject.policy.run_all || report.http.is_some() {
        return connected;
    }
    connected
        + &format!("  all      {}  until the last attempt ended\n", units::prose(report.total))
}

/// Shortest delay by this host that is a part of the sum.
const MIN_OWN_DELAY: Duration = Duration::from_millis(5);

/// The phases of the winner that took any time. They add up to the total as it is shown.
fn sum(report: &Report) -> String {
    let (Some(winner), Some(stagger)) = (report.winner(), report.stagger()) else {
        return String::new();
    };
    // Because shorter delays of this host would only clutter the line.
    let late = report.own_delay().min(stagger);
    let late = if late >= MIN_OWN_DELAY { late } else { Duration::ZERO };
    let own = report.subject.transport.name();
    let awaited = report.awaited().map(Query::type_names).unwrap_or_default();
    let parts = [
        ("resolve".to_owned(), report.answered_at()),
        (format!("wait for {awaited}"), report.answer_wait()),
        ("stagger".to_owned(), stagger - late),
        ("this host".to_owned(), late),
        (own.to_owned(), winner.took),
    ];
    let parts =
        parts.into_iter().filter(|(part, took)| *part == own || *took >= Duration::from_micros(50));
    let after = tls::parts(report).map(|(part, took)| (part.to_owned(), took));
    let after_tls = http::parts(report).into_iter().map(|(part, took)| (part.to_owned(), took));
    let parts: Vec<(String, Duration)> = parts.chain(after).chain(after_tls).collect();
    let total = report.finished_after().unwrap_or_else(|| winner.end());
    let shown = units::shares(total, &parts.iter().map(|(_, took)| *took).collect::<Vec<_>>());
    let parts = parts.iter().zip(shown).map(|((part, _), took)| format!("{part} {took}"));
    parts.collect::<Vec<_>>().join(" + ")
}

fn waited_line(report: &Report) -> String {
    let Some(waited) = &report.waited else { return String::new() };
    let seen: Vec<String> = waited
        .seen
        .iter()
        .map(|(run, count)| format!("{} {count}x", cause::summary(run)))
        .collect();
    let seen = if seen.is_empty() { "nothing before".to_owned() } else { seen.join(", ") };
    format!("  waited   {}  saw {seen}\n", units::prose(waited.took))
}

/// Totals of a relay, on one line.
pub(crate) fn relayed(sent: u64, received: u64, took: Duration) -> String {
    let (sent, received) = (units::bytes(sent), units::bytes(received));
    format!("relayed {sent} out, {received} in, in {}\n", units::prose(took))
}

/// Word for an attempt that succeeded: UDP has no connections, and silence proves nothing.
pub(crate) fn reached(report: &Report, number: usize) -> &'static str {
    match (report.subject.transport, report.answered(number)) {
        (TransportKind::Udp, Some(true)) => "answered",
        (TransportKind::Udp, Some(false)) => "silent",
        (TransportKind::Udp, None) => "open",
        _ => "connected",
    }
}
