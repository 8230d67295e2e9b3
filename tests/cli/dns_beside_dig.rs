//! Generated answers of name servers, valid and odd, read by `resolve` and by dig: the addresses are the same, or the
//! report names the difference.
//!
//! `LOOPCTL_ANSWERS=2000 cargo test --test cli dns_beside_dig -- --nocapture` runs all of them and prints figures.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::process::Command;

use serde_json::Value;

use crate::name_server::{A, Act, Answer, Asked, CNAME, NS, NameServer, SOA, send, wire};
use crate::support::{has_program, run, skipped};

/// Number of answers in a usual run.
const SAMPLE: usize = 120;

/// Numbers that depend on a seed only (xorshift).
struct Random(u64);

impl Random {
    fn of(number: usize) -> Self {
        Self((number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    fn address(&mut self) -> [u8; 4] {
        [192, 0, 2, u8::try_from(self.below(250)).unwrap()]
    }
}

/// Kinds of answers. `n17.test` gets the one at 17 modulo their number.
const KINDS: [&str; 20] = [
    "addresses",
    "duplicates",
    "chain",
    "chain backwards",
    "capitals",
    "another name",
    "another class",
    "unknown type",
    "odd additional",
    "too few counted",
    "too many counted",
    "bytes left over",
    "no data",
    "no name",
    "refused",
    "failed",
    "alias alone",
    "alias loop",
    "truncated",
    "huge TTL",
];

fn answer(asked: &Asked) -> Vec<Act> {
    let digits: String = asked.name.chars().filter(char::is_ascii_digit).collect();
    let number: usize = digits.parse().unwrap_or_default();
    let random = &mut Random::of(number);
    let count = 1 + random.below(4);
    let some = |mut answer: Answer, random: &mut Random| {
        for _ in 0..count {
            answer = answer.a(60, random.address());
        }
        answer
    };
    let soa = [wire("ns.test"), wire("root.test"), vec![0; 20]].concat();
    let (own, last) = (wire(&asked.name), wire("last.test"));
    let full = || some(asked.answer(), &mut Random::of(number));
    let message = match KINDS[number % KINDS.len()] {
        "duplicates" => full().a(60, [192, 0, 2, 1]).a(60, [192, 0, 2, 1]),
        "chain" => asked
            .answer()
            .record(CNAME, 60, &wire("middle.test"))
            .raw(1, &wire("middle.test"), CNAME, 60, &last)
            .raw(1, &last, A, 60, &random.address()),
        "chain backwards" => {
            asked.answer().raw(1, &last, A, 60, &random.address()).raw(1, &own, CNAME, 60, &last)
        }
        "capitals" => asked.answer().raw(1, &own.to_ascii_uppercase(), A, 60, &random.address()),
        "another name" => full().raw(1, &wire("other.test"), A, 60, &random.address()),
        "another class" => {
            return with(&full(), |bytes| *bytes.iter_mut().nth_back(10).unwrap() = 3);
        }
        "unknown type" => full().record(65_400, 60, &[1, 2, 3]),
        "odd additional" => full().raw(3, &wire("x.test"), A, 60, &[1, 2]),
        "too few counted" => return with(&full().a(60, [192, 0, 2, 9]), |bytes| bytes[7] -= 1),
        "too many counted" => return with(&full(), |bytes| bytes[7] += 1),
        "bytes left over" => return with(&full(), |bytes| bytes.extend([1, 2, 3])),
        "no data" => asked.answer().raw(2, &wire("test"), SOA, 60, &soa),
        "no name" => asked.rcode(3).raw(2, &wire("test"), SOA, 60, &soa),
        "refused" => asked.rcode(5),
        "failed" => asked.rcode(2),
        "alias alone" => asked.answer().record(CNAME, 60, &last),
        "alias loop" => asked.answer().record(CNAME, 60, &last).raw(1, &last, CNAME, 60, &own),
        "truncated" if !asked.is_tcp => asked.answer().truncated(),
        "huge TTL" => asked.answer().a(u32::MAX, random.address()).raw(
            2,
            &wire("test"),
            NS,
            u32::MAX,
            &wire("ns.test"),
        ),
        _ => full(),
    };
    send(message)
}

/// A message that is changed after it was made.
fn with(message: &Answer, change: impl FnOnce(&mut Vec<u8>)) -> Vec<Act> {
    let mut bytes = message.bytes();
    change(&mut bytes);
    vec![Act::Send(bytes)]
}

/// Addresses that dig prints for each name.
fn dig(server: &NameServer, name: &str) -> BTreeSet<Ipv4Addr> {
    let port = server.address.port().to_string();
    let words =
        ["@127.0.0.1", "-p", &port, "+short", "+nocookie", "+tries=1", "+time=3", name, "A"];
    let output = Command::new("dig").args(words).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

/// Addresses of a document of `resolve`, and whether it names what is odd about the answer: an error, a fault of the
/// message, or a record of another name.
fn ours(document: &Value, name: &str) -> (BTreeSet<Ipv4Addr>, bool) {
    let address = |row: &Value| row["ip"].as_str()?.parse().ok();
    let found = document["addresses"].as_array().unwrap().iter().filter_map(address).collect();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let is_other = |record: &Value| record["name"].as_str().unwrap().trim_end_matches('.') != name;
    let is_told = list(&document["queries"]).iter().any(|query| {
        !query["error"].is_null()
            || !list(&query["oddities"]).is_empty()
            || list(&query["answers"]).iter().any(is_other)
    });
    (found, is_told)
}

#[test]
fn dns_beside_dig_generated_answers_give_the_same_addresses_or_a_reason() {
    if !has_program("dig") {
        return skipped("dig");
    }
    let count = std::env::var("LOOPCTL_ANSWERS").ok().and_then(|it| it.parse().ok());
    let count = count.unwrap_or(SAMPLE);
    let server = NameServer::new(answer);
    let folder = tempfile::TempDir::new().unwrap();
    let list = folder.path().join("names");
    let names: Vec<String> = (0..count).map(|number| format!("n{number}.test")).collect();
    std::fs::write(&list, names.join("\n")).unwrap();
    let (at, list) = (format!("@{}", server.address), list.to_str().unwrap().to_owned());
    let ran = run(&[
        "resolve",
        "--via",
        "dns",
        "-4",
        "--no-search",
        "--ndjson",
        "--timeout",
        "20s",
        "--names",
        &list,
        &at,
    ]);
    let documents: Vec<Value> = ran
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|it| it["record"] == "target" || it["addresses"].is_array())
        .collect();
    assert_eq!(documents.len(), count, "{}", ran.stderr);
    let mut figures: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    let mut silent = Vec::new();
    for (number, (document, name)) in documents.iter().zip(&names).enumerate() {
        let kind = KINDS[number % KINDS.len()];
        let ((ours, is_told), dig) = (ours(document, name), dig(&server, name));
        let place = if ours == dig { 0 } else { 2 - usize::from(is_told) };
        figures.entry(kind).or_default()[place] += 1;
        if place == 2 {
            silent.push(format!("{name} ({kind}): {ours:?}, dig {dig:?}"));
        }
    }
    let mut table = String::from("kind: same, named in the report, not named\n");
    for (kind, [same, told, not_told]) in &figures {
        writeln!(table, "{kind}: {same}, {told}, {not_told}").unwrap();
    }
    eprintln!("{table}");
    assert!(silent.is_empty(), "{}\n{table}", silent.join("\n"));
}
