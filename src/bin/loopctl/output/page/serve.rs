//! Page of a server: its sockets, its clients, its totals.

use super::connect::{error, slow_callbacks};
use super::model::{Fact, Note, Page, Part, Table, Tone};
use super::words::{address, column, endpoint, prose, word, yes_or_no};
use crate::output::wire::serve::{
    Connection, Datagram, FaultsChanged, Listening, Record, Socket, Stats, Summary, Transfer,
};

pub(super) fn page(records: &[Record]) -> Page {
    let listening: Vec<&Listening> = all(records, |record| match record {
        Record::Listening(listening) => Some(listening),
        _ => None,
    });
    let summary = records.iter().find_map(|record| match record {
        Record::Summary(summary) => Some(summary),
        _ => None,
    });
    let title: Vec<String> = listening.iter().map(|it| address(&it.address)).collect();
    let mut page = Page {
        command: "loopctl serve",
        title: if title.is_empty() { "no socket".to_owned() } else { title.join(", ") },
        verdict: verdict(summary),
        facts: summary.map(facts).unwrap_or_default(),
        sections: Vec::new(),
    };
    let errors = summary.and_then(|summary| summary.error.as_ref()).map(error);
    page.section("Result", vec![Part::Notes(errors.into_iter().collect())]);
    page.section("Sockets", vec![Part::Table(sockets(&listening))]);
    page.section("Changed faults", vec![Part::Table(changes(records))]);
    page.section("Connections", vec![Part::Table(connections(records))]);
    page.section("Datagrams", vec![Part::Table(datagrams(records))]);
    page.section("Received", vec![Part::Table(transfers(records))]);
    page.section("Totals while it ran", vec![Part::Table(stats(records))]);
    let slow = summary.map(|summary| slow_callbacks(&summary.slow_callbacks));
    page.section("Environment", slow.map(Part::Table).into_iter().collect());
    page
}

fn all<'a, T>(records: &'a [Record], pick: fn(&'a Record) -> Option<&'a T>) -> Vec<&'a T> {
    records.iter().filter_map(pick).collect()
}

fn verdict(summary: Option<&Summary>) -> Note {
    let Some(summary) = summary else { return Note::new(Tone::Plain, "", "no totals") };
    let (accepted, took) = (summary.counts.accepted, prose(summary.duration_ms));
    let tone = if summary.error.is_some() { Tone::Bad } else { Tone::Good };
    Note::new(tone, "", format!("{accepted} accepted in {took}"))
}

fn facts(summary: &Summary) -> Vec<Fact> {
    let counts = &summary.counts;
    let facts = [
        Some(Fact::new("closed", counts.closed.to_string())),
        Some(Fact::new("aborted", counts.aborted.to_string())),
        Some(Fact::new("received", format!("{} B", counts.bytes_in))),
        Some(Fact::new("sent", format!("{} B", counts.bytes_out))),
        Fact::of("fault seed", summary.fault_seed),
    ];
    facts.into_iter().flatten().collect()
}

fn sockets(listening: &[&Listening]) -> Table {
    let mut table = Table::new(&["address", "certificate names", "sha-256", "faults and rate"]);
    for socket in listening {
        let tls = socket.tls.as_ref();
        let cells = vec![
            address(&socket.address),
            tls.map(|tls| tls.first.names.join(", ")).unwrap_or_default(),
            tls.map(|tls| tls.first.sha256.0.clone()).unwrap_or_default(),
            socket.in_force.join(", "),
        ];
        table.push(Tone::Plain, cells);
    }
    table.without_empty_columns()
}

/// Faults that were replaced while the server ran.
fn changes(records: &[Record]) -> Table {
    let mut table = Table::new(&["faults and rate in force from then on"]);
    let changes: Vec<&FaultsChanged> = all(records, |record| match record {
        Record::Faults(changed) => Some(changed),
        _ => None,
    });
    for changed in changes {
        let none = changed.in_force.is_empty();
        let text = if none { "none".to_owned() } else { changed.in_force.join(", ") };
        table.push(Tone::Plain, vec![text]);
    }
    table
}

fn connections(records: &[Record]) -> Table {
    let names = [
        "client",
        "in bytes",
        "out bytes",
        "took ms",
        "end",
        "faults",
        "tls",
        "client certificate",
        "error",
    ];
    let mut table = Table::new(&names);
    let connections: Vec<&Connection> = all(records, |record| match record {
        Record::Connection(connection) => Some(&**connection),
        _ => None,
    });
    for connection in connections {
        let tls = connection.tls.as_ref();
        let aborted = if connection.aborted { ", cut off" } else { "" };
        let cells = vec![
            connection.peer.as_ref().map(socket).unwrap_or_default(),
            connection.bytes_in.to_string(),
            connection.bytes_out.to_string(),
            column(connection.duration_ms),
            format!("{}{aborted}", word(&connection.end)),
            connection.faults.join(", "),
            tls.map(|tls| format!("{} {}", word(&tls.version), tls.cipher)).unwrap_or_default(),
            tls.and_then(|tls| tls.client.as_ref()?.subject.clone()).unwrap_or_default(),
            connection.error.as_ref().map(|it| it.message.clone()).unwrap_or_default(),
        ];
        let tone = if connection.error.is_some() { Tone::Bad } else { Tone::Plain };
        table.push(tone, cells);
    }
    table.without_empty_columns()
}

fn socket(socket: &Socket) -> String {
    endpoint(&socket.ip, socket.port)
}

fn datagrams(records: &[Record]) -> Table {
    let mut table = Table::new(&["client", "#", "in bytes", "out bytes", "served", "notes"]);
    let datagrams: Vec<&Datagram> = all(records, |record| match record {
        Record::Datagram(datagram) => Some(datagram),
        _ => None,
    });
    for datagram in datagrams {
        let peer = datagram.peer.as_ref().map(socket).or_else(|| datagram.peer_path.clone());
        let refusal = datagram.refusal.as_ref().map(ToString::to_string);
        let error = datagram.error.as_ref().map(|error| error.message.clone());
        let cells = vec![
            peer.unwrap_or_default(),
            datagram.count.to_string(),
            datagram.bytes_in.to_string(),
            datagram.bytes_out.to_string(),
            yes_or_no(datagram.allowed).to_owned(),
            refusal.into_iter().chain(error).collect::<Vec<_>>().join(", "),
        ];
        table.push(if datagram.allowed { Tone::Plain } else { Tone::Bad }, cells);
    }
    table.without_empty_columns()
}

fn stats(records: &[Record]) -> Table {
    let names =
        ["time ms", "accepted #", "open #", "closed #", "aborted #", "in bytes", "out bytes"];
    let mut table = Table::new(&names);
    let stats: Vec<&Stats> = all(records, |record| match record {
        Record::Stats(stats) => Some(stats),
        _ => None,
    });
    for at in stats {
        let counts = &at.counts;
        let counted = [
            counts.accepted,
            at.open,
            counts.closed,
            counts.aborted,
            counts.bytes_in,
            counts.bytes_out,
        ];
        let cells = counted.iter().map(ToString::to_string);
        table.push(Tone::Plain, [column(at.time_ms)].into_iter().chain(cells).collect());
    }
    table
}

fn transfers(records: &[Record]) -> Table {
    let mut table = Table::new(&["file", "bytes", "complete", "checksum"]);
    let transfers: Vec<&Transfer> = all(records, |record| match record {
        Record::Transfer(transfer) => Some(transfer),
        _ => None,
    });
    for transfer in transfers {
        let checksum = transfer.checksum.as_ref();
        let cells = vec![
            transfer.path.clone().unwrap_or_default(),
            transfer.bytes.to_string(),
            yes_or_no(transfer.complete).to_owned(),
            checksum.map(|it| format!("{} {}", word(&it.algorithm), it.hex.0)).unwrap_or_default(),
        ];
        table.push(if transfer.complete { Tone::Plain } else { Tone::Bad }, cells);
    }
    table.without_empty_columns()
}
