//! Types whose data depend on themselves: the first fields decide about the next ones.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use data_encoding::{BASE64, HEXUPPER};

use super::cursor::{Cursor, bits, hex_between, type_name};

const WKS: u16 = 11;
const NSAP: u16 = 22;
const LOC: u16 = 29;
const NXT: u16 = 30;
const CERT: u16 = 37;
const A6: u16 = 38;
const APL: u16 = 42;
const IPSECKEY: u16 = 45;
const HIP: u16 = 55;
const EUI48: u16 = 108;
const EUI64: u16 = 109;
const AMTRELAY: u16 = 260;

pub(super) fn is_known(record_type: u16) -> bool {
    const KNOWN: [u16; 12] =
        [WKS, NSAP, LOC, NXT, CERT, A6, APL, IPSECKEY, HIP, EUI48, EUI64, AMTRELAY];
    KNOWN.contains(&record_type)
}

pub(super) fn text(cursor: &mut Cursor<'_>, record_type: u16) -> Option<String> {
    match record_type {
        WKS => services(cursor),
        NSAP => Some(format!("0x{}", hex_between(cursor.rest(), ""))),
        LOC => location(cursor),
        NXT => next(cursor),
        CERT => certificate(cursor),
        A6 => chain(cursor),
        APL => prefixes(cursor),
        IPSECKEY => ipsec_key(cursor),
        HIP => host_identity(cursor),
        EUI48 => cursor.array::<6>().map(|bytes| hex_between(&bytes, "-")),
        EUI64 => cursor.array::<8>().map(|bytes| hex_between(&bytes, "-")),
        AMTRELAY => relay(cursor),
        _ => None,
    }
}

/// WKS (RFC 1035 section 3.4.2): address, protocol, ports.
fn services(cursor: &mut Cursor<'_>) -> Option<String> {
    let mut text = format!("{} {}", cursor.v4()?, cursor.u8()?);
    for port in bits(cursor.rest()) {
        let _ = write!(text, " {port}");
    }
    Some(text)
}

/// NXT (RFC 2535 section 5.2): a name, and a bitmap of types below 128.
fn next(cursor: &mut Cursor<'_>) -> Option<String> {
    let name = cursor.name()?;
    let types = bits(cursor.rest()).map(type_name);
    Some(std::iter::once(name).chain(types).collect::<Vec<_>>().join(" "))
}

/// LOC (RFC 1876).
fn location(cursor: &mut Cursor<'_>) -> Option<String> {
    const EQUATOR: i64 = 1 << 31;
    /// Centimetres below the reference spheroid at which altitudes begin.
    const LOWEST: i64 = 10_000_000;
    if cursor.u8()? != 0 {
        return None;
    }
    let [size, horizontal, vertical] = [cursor.u8()?, cursor.u8()?, cursor.u8()?];
    let latitude = angle(i64::from(cursor.u32()?) - EQUATOR, 90, ["N", "S"])?;
    let longitude = angle(i64::from(cursor.u32()?) - EQUATOR, 180, ["E", "W"])?;
    let altitude = i64::from(cursor.u32()?) - LOWEST;
    let sign = if altitude < 0 { "-" } else { "" };
    let (metres, rest) = (altitude.abs() / 100, altitude.abs() % 100);
    let [size, horizontal, vertical] = [size, horizontal, vertical].map(length);
    Some(format!(
        "{latitude} {longitude} {sign}{metres}.{rest:02}m {} {} {}",
        size?, horizontal?, vertical?
    ))
}

/// Degrees, minutes, seconds and direction.
fn angle(thousandths: i64, most: i64, [positive, negative]: [&str; 2]) -> Option<String> {
    let direction = if thousandths < 0 { negative } else { positive };
    let all = thousandths.abs();
    let (degrees, minutes) = (all / 3_600_000, all / 60_000 % 60);
    let (seconds, rest) = (all / 1000 % 60, all % 1000);
    (all <= most * 3_600_000)
        .then(|| format!("{degrees} {minutes} {seconds}.{rest:03} {direction}"))
}

/// Centimetres as a digit and a power of ten.
fn length(byte: u8) -> Option<String> {
    let (digit, power) = (u64::from(byte >> 4), u32::from(byte & 15));
    if digit > 9 || power > 9 {
        return None;
    }
    let centimetres = digit * 10_u64.pow(power);
    Some(match (centimetres / 100, centimetres % 100) {
        (metres, 0) => format!("{metres}m"),
        (metres, rest) => format!("{metres}.{rest:02}m"),
    })
}

/// CERT (RFC 4398): type, key tag, algorithm, certificate. As in dig, type and algorithm are names where they have one.
fn certificate(cursor: &mut Cursor<'_>) -> Option<String> {
    const NAMES: [(u16, &str); 10] = [
        (1, "PKIX"),
        (2, "SPKI"),
        (3, "PGP"),
        (4, "IPKIX"),
        (5, "ISPKI"),
        (6, "IPGP"),
        (7, "ACPKIX"),
        (8, "IACPKIX"),
        (253, "URI"),
        (254, "OID"),
    ];
    /// Mnemonics of IANA's registry "DNS Security Algorithm Numbers".
    const ALGORITHMS: [(u8, &str); 16] = [
        (1, "RSAMD5"),
        (2, "DH"),
        (3, "DSA"),
        (5, "RSASHA1"),
        (6, "NSEC3DSA"),
        (7, "NSEC3RSASHA1"),
        (8, "RSASHA256"),
        (10, "RSASHA512"),
        (12, "ECCGOST"),
        (13, "ECDSAP256SHA256"),
        (14, "ECDSAP384SHA384"),
        (15, "ED25519"),
        (16, "ED448"),
        (252, "INDIRECT"),
        (253, "PRIVATEDNS"),
        (254, "PRIVATEOID"),
    ];
    let [kind, tag] = [cursor.u16()?, cursor.u16()?];
    let known = NAMES.iter().find(|(number, _)| *number == kind);
    let kind = known.map_or_else(|| kind.to_string(), |(_, name)| (*name).to_owned());
    let algorithm = cursor.u8()?;
    let known = ALGORITHMS.iter().find(|(number, _)| *number == algorithm);
    let algorithm = known.map_or_else(|| algorithm.to_string(), |(_, name)| (*name).to_owned());
    Some(format!("{kind} {tag} {algorithm} {}", BASE64.encode(cursor.rest())))
}

/// A6 (RFC 2874): length of the prefix, the rest of the address, the name of the prefix.
fn chain(cursor: &mut Cursor<'_>) -> Option<String> {
    let prefix = cursor.u8().filter(|prefix| *prefix <= 128)?;
    let suffix = cursor.take(16 - usize::from(prefix / 8))?;
    let mut address = [0; 16];
    address[16 - suffix.len()..].copy_from_slice(suffix);
    let mut text = prefix.to_string();
    if prefix < 128 {
        let _ = write!(text, " {}", Ipv6Addr::from(address));
    }
    if prefix > 0 {
        let _ = write!(text, " {}", cursor.name()?);
    }
    Some(text)
}

/// APL (RFC 3123): prefixes of addresses, `!` for those that are left out.
fn prefixes(cursor: &mut Cursor<'_>) -> Option<String> {
    let mut words = Vec::new();
    while !cursor.is_empty() {
        let [family, prefix] = [cursor.u16()?, cursor.u8()?.into()];
        let length = cursor.u8()?;
        let bytes = cursor.take(usize::from(length & 0x7f))?;
        let address = match family {
            1 => padded::<4>(bytes).map(|it| Ipv4Addr::from(it).to_string()),
            2 => padded::<16>(bytes).map(|it| Ipv6Addr::from(it).to_string()),
            _ => None,
        };
        let not = if length & 0x80 == 0 { "" } else { "!" };
        words.push(format!("{not}{family}:{}/{prefix}", address?));
    }
    Some(words.join(" "))
}

fn padded<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    let mut all = [0; N];
    all.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(all)
}

/// IPSECKEY (RFC 4025): precedence, type of the gateway, algorithm, gateway, key.
fn ipsec_key(cursor: &mut Cursor<'_>) -> Option<String> {
    let [precedence, kind, algorithm] = [cursor.u8()?, cursor.u8()?, cursor.u8()?];
    let gateway = gateway(cursor, kind)?;
    let key = BASE64.encode(cursor.rest());
    let text = format!("{precedence} {kind} {algorithm} {gateway} {key}");
    Some(text.trim_end().to_owned())
}

/// AMTRELAY (RFC 8777): precedence, discovery bit and type of the relay, relay.
fn relay(cursor: &mut Cursor<'_>) -> Option<String> {
    let [precedence, kind] = [cursor.u8()?, cursor.u8()?];
    let (discovery, kind) = (kind >> 7, kind & 0x7f);
    Some(format!("{precedence} {discovery} {kind} {}", gateway(cursor, kind)?))
}

/// Host by its type: none, IPv4, IPv6 or a name.
fn gateway(cursor: &mut Cursor<'_>, kind: u8) -> Option<String> {
    match kind {
        0 => Some(".".to_owned()),
        1 => cursor.v4().map(|it| it.to_string()),
        2 => cursor.v6().map(|it| it.to_string()),
        3 => cursor.name(),
        _ => None,
    }
}

/// HIP (RFC 8005): algorithm, host identity tag, key, rendezvous servers.
fn host_identity(cursor: &mut Cursor<'_>) -> Option<String> {
    let (tag, algorithm, key) = (cursor.u8()?, cursor.u8()?, cursor.u16()?);
    let (tag, key) = (cursor.take(tag.into())?, cursor.take(key.into())?);
    let mut text = format!("{algorithm} {} {}", HEXUPPER.encode(tag), BASE64.encode(key));
    while !cursor.is_empty() {
        let _ = write!(text, " {}", cursor.name()?);
    }
    Some(text)
}
