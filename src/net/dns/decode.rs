//! Conversion of records from wire format.

use std::net::IpAddr;
use std::time::Duration;

use super::rdata::{self, Cursor};
use super::record::printable;
use super::section::RawRecord;
use super::{DnsData, DnsRecord, RecordType, ServiceBinding, StartOfAuthority, name_text};

/// A record, and whether its data have the format of its type.
pub(super) fn record(message: &[u8], raw: &RawRecord) -> (DnsRecord, bool) {
    let known = data(message, raw);
    let (data, fits) = known.map_or_else(
        || {
            let (text, fits) = rdata::text(message, raw.record_type, raw.data.clone());
            let is_other = matches!(RecordType::from(raw.record_type), RecordType::Other(_));
            (DnsData::Other(text), fits && is_other)
        },
        |data| (data, true),
    );
    let record = DnsRecord {
        name: name_text::text(&raw.name),
        record_type: RecordType::from(raw.record_type),
        ttl: seconds(raw.ttl),
        data,
    };
    (record, fits)
}

/// A TTL with its highest bit set counts as zero (RFC 2181 section 8).
fn seconds(ttl: u32) -> Duration {
    Duration::from_secs(u32::try_from(ttl.cast_signed()).unwrap_or(0).into())
}

/// `None` for a type without a variant in [`DnsData`], and for data that do not fit.
fn data(message: &[u8], raw: &RawRecord) -> Option<DnsData> {
    let mut cursor = Cursor::new(message, raw.data.clone());
    let data = match RecordType::from(raw.record_type) {
        RecordType::A => DnsData::A(cursor.v4()?),
        RecordType::Aaaa => DnsData::Aaaa(cursor.v6()?),
        RecordType::Caa => authorization(&mut cursor)?,
        RecordType::Cname => DnsData::Cname(cursor.name()?),
        RecordType::Https => DnsData::Https(binding(&mut cursor)?),
        RecordType::Mx => DnsData::Mx { preference: cursor.u16()?, exchange: cursor.name()? },
        RecordType::Ns => DnsData::Ns(cursor.name()?),
        RecordType::Ptr => DnsData::Ptr(cursor.name()?),
        RecordType::Soa => DnsData::Soa(start(&mut cursor)?),
        RecordType::Srv => DnsData::Srv {
            priority: cursor.u16()?,
            weight: cursor.u16()?,
            port: cursor.u16()?,
            target: cursor.name()?,
        },
        RecordType::Svcb => DnsData::Svcb(binding(&mut cursor)?),
        RecordType::Txt => {
            let mut texts = vec![cursor.string()?.to_vec()];
            while !cursor.is_empty() {
                texts.push(cursor.string()?.to_vec());
            }
            DnsData::Txt(texts)
        }
        RecordType::Other(_) => return None,
    };
    cursor.is_empty().then_some(data)
}

fn authorization(cursor: &mut Cursor<'_>) -> Option<DnsData> {
    let flags = cursor.u8()?;
    let tag = cursor.string()?;
    Some(DnsData::Caa {
        critical: flags & 0x80 != 0,
        tag: printable(tag.iter().copied()),
        value: cursor.rest().to_vec(),
    })
}

fn start(cursor: &mut Cursor<'_>) -> Option<StartOfAuthority> {
    Some(StartOfAuthority {
        primary: cursor.name()?,
        mailbox: cursor.name()?,
        serial: cursor.u32()?,
        refresh: seconds(cursor.u32()?),
        retry: seconds(cursor.u32()?),
        expire: seconds(cursor.u32()?),
        minimum: seconds(cursor.u32()?),
    })
}

/// Service binding (RFC 9460 section 2.2).
fn binding(cursor: &mut Cursor<'_>) -> Option<ServiceBinding> {
    let (priority, target) = (cursor.u16()?, cursor.name()?);
    let mut binding = ServiceBinding { priority, target, ..ServiceBinding::default() };
    while !cursor.is_empty() {
        let [key, length] = [cursor.u16()?, cursor.u16()?];
        parameter(&mut binding, key, cursor.take(length.into())?)?;
    }
    Some(binding)
}

fn parameter(binding: &mut ServiceBinding, key: u16, value: &[u8]) -> Option<()> {
    match key {
        0 => {
            let keys = pairs(value)?.map(key_name).collect::<Vec<_>>();
            binding.others.push((key_name(key), keys.join(",")));
        }
        1 => match protocols(value)?.into_iter().map(String::from_utf8).collect() {
            Ok(names) => binding.alpn = names,
            Err(_) => binding.others.push((key_name(key), quoted(value))),
        },
        2 => binding.no_default_alpn = true,
        3 => binding.port = Some(u16::from_be_bytes(value.try_into().ok()?)),
        4 => binding
            .address_hints
            .extend(chunks::<4>(value)?.into_iter().map(|bytes| IpAddr::V4(bytes.into()))),
        5 => binding.ech = Some(data_encoding::BASE64.encode(value)),
        6 => binding
            .address_hints
            .extend(chunks::<16>(value)?.into_iter().map(|bytes| IpAddr::V6(bytes.into()))),
        _ if value.is_empty() => binding.others.push((key_name(key), String::new())),
        _ => binding.others.push((key_name(key), quoted(value))),
    }
    Some(())
}

/// Names of the keys of service bindings (RFC 9460 section 14.3.2); others have a number.
fn key_name(key: u16) -> String {
    const NAMES: [&str; 7] =
        ["mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint"];
    let known = NAMES.get(usize::from(key));
    known.map_or_else(|| format!("key{key}"), |name| (*name).to_owned())
}

fn quoted(value: &[u8]) -> String {
    format!("\"{}\"", printable(value.iter().copied()))
}

fn pairs(value: &[u8]) -> Option<impl Iterator<Item = u16>> {
    Some(chunks::<2>(value)?.into_iter().map(u16::from_be_bytes))
}

fn chunks<const N: usize>(value: &[u8]) -> Option<Vec<[u8; N]>> {
    let chunks = value.chunks(N).map(|chunk| chunk.try_into().ok());
    chunks.collect()
}

fn protocols(mut value: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    while let Some((length, rest)) = value.split_first() {
        let (name, after) = rest.split_at_checked(usize::from(*length))?;
        names.push(name.to_vec());
        value = after;
    }
    Some(names)
}
