//! Tables of addresses with their ranks, of records, and of the hops of a trace.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::util::units::wrap;
use comfy_table::{Cell, CellAlignment, Table, presets};
use loopctl::plan::Family;
use loopctl::{DnsRecord, DnsSetProof, HostsFile};

use super::notes;
use crate::config::AddressOrder;
use crate::diagnose::{rank, trace};
use crate::report::family::FamilyNames as _;
use crate::report::names::{NameReport, is_signature};
use crate::report::order::AddressRow;
use crate::report::proof;
use crate::report::query::QueryStatus;
use crate::report::trace::{Hop, Step};
use crate::util::style::Style;
use crate::util::units;

/// Alignment of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

use Side::{Left, Right};

/// Minimum width of the last column beside the others.
const MIN_LAST_COLUMN: usize = 24;

/// Every address, in the order that was asked for.
pub(crate) fn addresses(report: &NameReport, order: AddressOrder, style: Style) -> String {
    let has_system = report.queries.0.iter().any(|query| query.is_of_system());
    let has_dns =
        report.dns_queries().next().is_some() || (report.is_local && report.subject.dns_leads);
    let mut rows: Vec<&AddressRow> = report.addresses.iter().collect();
    match order {
        AddressOrder::Connection => {}
        AddressOrder::System => rows.sort_by_key(|row| row.ranks.system.unwrap_or(usize::MAX)),
        AddressOrder::Dns => rows.sort_by_key(|row| row.ranks.dns.unwrap_or(usize::MAX)),
    }
    let mut header = vec![("#", Right), ("address", Left), ("family", Left)];
    header.extend(has_system.then_some(("system", Right)));
    header.extend(has_dns.then_some(("dns", Right)));
    header.extend(has_dns.then_some(("ttl", Right)));
    let has_proofs = report.has_proofs();
    header.extend(has_proofs.then_some(("dnssec", Left)));
    header.push(("why", Left));
    let hosts: HashMap<IpAddr, usize> =
        report.hosts_lines().into_iter().map(|it| (it.address, it.line)).collect();
    let cells = rows.into_iter().map(|row| {
        let family = Family::of(&row.ip);
        let short = family.short().to_owned();
        let mut cells = vec![rank_cell(row.ranks.connect), row.ip.to_string(), short];
        cells.extend(has_system.then(|| rank_cell(row.ranks.system)));
        cells.extend(has_dns.then(|| rank_cell(row.ranks.dns)));
        let ttl = row.ttl.map(|ttl| ttl.as_secs().to_string());
        cells.extend(has_dns.then(|| ttl.unwrap_or_else(|| "-".to_owned())));
        cells.extend(has_proofs.then(|| proof_cell(report.proof_of_address(row.ip))));
        let reason = row.reason.map(|reason| format!("; {}", rank::message(reason)));
        let line = hosts.get(&row.ip).map(|line| format!("; {}:{line}", HostsFile::PATH));
        let why = [line, reason].into_iter().flatten().collect::<String>();
        cells.push(family.record_type().to_owned() + &why);
        cells
    });
    table(&header, cells.collect(), style)
}

fn rank_cell(rank: Option<usize>) -> String {
    rank.map_or_else(|| "-".to_owned(), |rank| rank.to_string())
}

fn proof_cell(proof: Option<&DnsSetProof>) -> String {
    proof.map_or_else(|| "-".to_owned(), |set| proof::name(set.proof).to_owned())
}

/// Records of other types, aliases and signatures included.
pub(crate) fn records(report: &NameReport, style: Style) -> String {
    let has_proofs = report.has_proofs();
    let mut header = vec![("name", Left), ("ttl", Right), ("type", Left)];
    header.extend(has_proofs.then_some(("dnssec", Left)));
    header.push(("data", Left));
    let records = report.records();
    // Because the proof column replaces the signatures.
    let records = records.iter().filter(|it| !(has_proofs && is_signature(it.record_type)));
    let cells = records.map(|record| {
        let mut cells = vec![
            record.name.clone(),
            record.ttl.as_secs().to_string(),
            record.record_type.to_string(),
        ];
        cells.extend(has_proofs.then(|| proof_cell(report.proof_of(record))));
        cells.push(data(record));
        cells
    });
    table(&header, cells.collect(), style)
}

/// Data of a record, without the bytes of a signature.
fn data(record: &DnsRecord) -> String {
    let text = record.data.to_string();
    match text.rsplit_once(' ') {
        Some((before, _)) if is_signature(record.record_type) => format!("{before} ..."),
        _ => text,
    }
}

/// Names of an address, with the resolvers that know them.
pub(crate) fn names(report: &NameReport, style: Style) -> String {
    let mut rows: Vec<Vec<String>> = Vec::new();
    for name in report.system_texts() {
        rows.push(vec![name.clone(), "yes".to_owned(), "-".to_owned(), "-".to_owned()]);
    }
    for record in report.answers().flat_map(|answer| answer.matching()) {
        let name = record.data.to_string();
        let name = name.trim_end_matches('.').to_owned();
        let ttl = record.ttl.as_secs().to_string();
        match rows.iter_mut().find(|row| row[0].eq_ignore_ascii_case(&name)) {
            Some(row) => (row[2], row[3]) = ("yes".to_owned(), ttl),
            None => rows.push(vec![name, "-".to_owned(), "yes".to_owned(), ttl]),
        }
    }
    let header = [("name", Left), ("system", Left), ("dns", Left), ("ttl", Right)];
    table(&header, rows, style)
}

/// Hops of a trace, from the root down.
pub(crate) fn hops(hops: &[Hop], style: Style) -> String {
    let header = [("zone", Left), ("server", Left), ("took", Right), ("leads to", Left)];
    let rows = hops.iter().map(|hop| {
        let server = hop.server.as_ref().map_or_else(
            || "-".to_owned(),
            |server| match &server.name {
                Some(name) => format!("{} {}", name.trim_end_matches('.'), server.address),
                None => server.address.to_string(),
            },
        );
        vec![hop.zone.clone(), server, format!("{} ms", units::column(hop.took)), step(hop)]
    });
    table(&header, rows.collect(), style)
}

fn step(hop: &Hop) -> String {
    match &hop.step {
        Step::Referral { zone, servers } => {
            let shown: Vec<&str> =
                servers.iter().take(2).map(|name| name.trim_end_matches('.')).collect();
            let more = match servers.len() {
                0..=2 => String::new(),
                count => format!(" and {} more", count - 2),
            };
            format!("{zone} at {}{more}", shown.join(", "))
        }
        Step::Alias(target) => format!("{} is an alias of {target}, starting over", hop.name),
        Step::End(QueryStatus::Answered, 1) => "the answer: 1 record".to_owned(),
        Step::End(QueryStatus::Answered, count) => {
            format!("the answer: {count} records")
        }
        Step::End(verdict, _) => notes::status(*verdict).to_owned(),
        Step::Lost(error) => trace::message(error),
    }
}

/// Columns of minimum width; the last one takes the rest of the line, or a separate line.
fn table(header: &[(&str, Side)], mut rows: Vec<Vec<String>>, style: Style) -> String {
    let last = header.len() - 1;
    let width_of = |column: usize| {
        let cells = rows.iter().map(|row| units::display_width(&row[column]));
        cells.chain([header[column].0.len()]).max().unwrap_or(0)
    };
    let fixed: usize = (0..last).map(|column| width_of(column) + 2).sum();
    if let Some(width) = style.width {
        if fixed + 2 + width_of(last).min(MIN_LAST_COLUMN) > width {
            return stacked(header, &rows, width);
        }
        for row in &mut rows {
            row[last] = wrap(&row[last], width - fixed - 2).join("\n");
        }
    }
    columns(header, rows)
}

fn columns(header: &[(&str, Side)], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let aligned = |text: String, side: Side| match side {
        Left => Cell::new(text),
        Right => Cell::new(text).set_alignment(CellAlignment::Right),
    };
    table.set_header(header.iter().map(|(name, side)| aligned((*name).to_owned(), *side)));
    for row in rows {
        table.add_row(row.into_iter().zip(header).map(|(cell, (_, side))| aligned(cell, *side)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((2, 0));
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// Row on several lines: subject, numbers, last column.
fn stacked(header: &[(&str, Side)], rows: &[Vec<String>], width: usize) -> String {
    let mut text = String::new();
    for row in rows {
        let Some((last, others)) = row.split_last() else { continue };
        let is_number = |(name, side): &(&str, Side)| *side == Right && *name != "#";
        let (numbers, about): (Vec<_>, Vec<_>) =
            others.iter().zip(header).partition(|(_, head)| is_number(head));
        let about: Vec<&str> = about.into_iter().map(|(cell, _)| cell.as_str()).collect();
        let numbers: Vec<String> =
            numbers.into_iter().map(|(cell, (name, _))| format!("{name} {cell}")).collect();
        text += &format!("  {}\n", about.join("  "));
        let lines = [numbers.join("  ")].into_iter().chain(wrap(last, width.saturating_sub(5)));
        for line in lines.filter(|line| !line.is_empty()) {
            text += &format!("     {line}\n");
        }
    }
    text
}
