//! Trust anchors of DNSSEC (RFC 4033 section 2).

use std::fmt;
use std::str::FromStr;

use hickory_net::proto::dnssec::rdata::{DNSKEY, DNSSECRData, DS};
use hickory_net::proto::dnssec::{self, PublicKeyBuf};
use hickory_net::proto::rr::{Name, RData, RecordType};
use hickory_net::proto::serialize::txt::trust_anchor;

use super::{DnsConfigError, name_text};

/// Trust anchors: the keys of the root, or of other zones, from which every proof starts.
///
/// Parsed from DNSKEY or DS records in zone file format, as `unbound-anchor` writes and `dig` prints them.
///
/// ```
/// use loopctl::TrustAnchors;
///
/// let file = "example. IN DS 60485 13 2 \
///     D4B7D520E7BB5F0F67674A0CCEB1E3E0614B93C4F9E99B8383F6A1E4469DA50A ; a comment\n";
/// let anchors: TrustAnchors = file.parse()?;
/// assert_eq!(anchors.zones(), ["example."]);
/// assert_eq!(TrustAnchors::root().zones(), ["."]);
/// # Ok::<(), loopctl::DnsConfigError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct TrustAnchors(Vec<(Name, Anchor)>);

#[derive(Clone, PartialEq, Eq)]
enum Anchor {
    Key(DNSKEY),
    Digest(DS),
}

impl TrustAnchors {
    /// Root keys of 2017 and 2024, as published by IANA.
    pub fn root() -> Self {
        const KEY_SIGNING: u16 = 257;
        let known = dnssec::TrustAnchors::default();
        let keys = (0..known.len()).filter_map(|at| known.get(at));
        let key = |key: &PublicKeyBuf| {
            (Name::root(), Anchor::Key(DNSKEY::with_flags(KEY_SIGNING, key.clone())))
        };
        Self(keys.map(key).collect())
    }

    /// Zones with an anchor, each once.
    pub fn zones(&self) -> Vec<String> {
        let mut zones: Vec<String> = self.0.iter().map(|(zone, _)| name_text::text(zone)).collect();
        zones.dedup();
        zones
    }

    /// Closest zone with an anchor above a name.
    pub(super) fn above(&self, name: &Name) -> Option<Name> {
        let zones = self.0.iter().map(|(zone, _)| zone).filter(|zone| zone.zone_of(name));
        zones.max_by_key(|zone| zone.num_labels()).cloned()
    }

    /// Whether a key of this zone is an anchor.
    pub(super) fn has(&self, zone: &Name, key: &DNSKEY) -> bool {
        let anchors = self.0.iter().filter(|(of, _)| of == zone);
        anchors.into_iter().any(|(_, anchor)| match anchor {
            Anchor::Key(known) => {
                known.public_key() == key.public_key() && known.flags() == key.flags()
            }
            Anchor::Digest(ds) => ds.covers(zone, key).unwrap_or(false),
        })
    }
}

impl FromStr for TrustAnchors {
    type Err = DnsConfigError;

    fn from_str(text: &str) -> Result<Self, DnsConfigError> {
        let mut anchors = Vec::new();
        for (line, record) in records(text) {
            let anchor = anchor(&record).map_err(|why| {
                DnsConfigError::new(format!("line {line} of the trust anchors"), why)
            })?;
            anchors.push(anchor);
        }
        if anchors.is_empty() {
            return Err(DnsConfigError::new(
                "the trust anchors",
                "there is no DNSKEY or DS record",
            ));
        }
        Ok(Self(anchors))
    }
}

/// Records with the number of their first line. Comments are dropped, and parentheses join lines.
fn records(text: &str) -> Vec<(usize, String)> {
    let mut records: Vec<(usize, String)> = Vec::new();
    let mut depth = 0_usize;
    for (at, line) in text.lines().enumerate() {
        let line = line.split(';').next().unwrap_or_default();
        let words = line.replace(['(', ')'], " ");
        match records.last_mut().filter(|_| depth > 0) {
            Some((_, record)) => record.push_str(&words),
            None => records.push((at + 1, words)),
        }
        depth = (depth + line.matches('(').count()).saturating_sub(line.matches(')').count());
    }
    records.retain(|(_, record)| !record.trim().is_empty());
    records
}

/// Parses `example. 3600 IN DS …`. TTL and class are ignored and may be missing.
fn anchor(record: &str) -> Result<(Name, Anchor), String> {
    const NEITHER: &str = "it is neither a DNSKEY nor a DS record";
    let words: Vec<&str> = record.split_whitespace().collect();
    let is_type = |word: &&str| ["DNSKEY", "DS"].iter().any(|it| it.eq_ignore_ascii_case(word));
    let at = words.iter().take(4).position(is_type).filter(|at| *at > 0).ok_or(NEITHER)?;
    let escaped = |error: &dyn fmt::Display| error.to_string().escape_debug().to_string();
    let mut zone = Name::from_ascii(words[0]).map_err(|error| escaped(&error))?;
    zone.set_fqdn(true);
    let data = words[at + 1..].join(" ");
    if words[at].eq_ignore_ascii_case("DS") {
        let data = RData::try_from_str(RecordType::DS, &data).map_err(|error| escaped(&error))?;
        return match data {
            RData::DNSSEC(DNSSECRData::DS(ds)) => Ok((zone, Anchor::Digest(ds))),
            _ => Err(NEITHER.to_owned()),
        };
    }
    let parser = trust_anchor::Parser::new(format!(". IN DNSKEY {data}"));
    let entries = parser.parse().map_err(|error| escaped(&error))?;
    match entries.first() {
        Some(trust_anchor::Entry::DNSKEY(key)) => Ok((zone, Anchor::Key(key.data().clone()))),
        _ => Err(NEITHER.to_owned()),
    }
}

impl fmt::Debug for TrustAnchors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<TrustAnchors of {}>", self.zones().join(" "))
    }
}
