//! Names of X.501 as text (RFC 4514).

use std::fmt::Write as _;

use x509_parser::der_parser::asn1_rs::{Any, Tag};

use super::peer_certificate::elements;

/// Short names of attribute types: those of RFC 4514 section 3, and others in wide use.
const TYPES: [(&str, &str); 17] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "title"),
    ("2.5.4.15", "businessCategory"),
    ("2.5.4.17", "postalCode"),
    ("2.5.4.42", "givenName"),
    ("2.5.4.97", "organizationIdentifier"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
];

/// Text of a Name without its header: the last part first.
pub(super) fn text(name: &[u8]) -> String {
    let mut parts: Vec<String> = elements(name)
        .map(|(_, set)| {
            let attributes = elements(set.data).filter_map(|(_, pair)| attribute(&pair));
            let pairs = attributes.map(|(kind, value)| match value {
                Ok(value) => format!("{kind}={}", escaped(&value)),
                Err(raw) => format!("{kind}={}", hex(raw)),
            });
            pairs.collect::<Vec<_>>().join("+")
        })
        .collect();
    parts.reverse();
    parts.join(",")
}

/// First common name.
pub(super) fn common_name(name: &[u8]) -> Option<String> {
    let attributes = elements(name).flat_map(|(_, set)| {
        elements(set.data).filter_map(|(_, pair)| attribute(&pair)).collect::<Vec<_>>()
    });
    attributes.into_iter().find(|(kind, _)| kind == "CN").and_then(|(_, value)| value.ok())
}

/// Type and value of an attribute; the encoding of a value that is no string.
fn attribute<'a>(pair: &Any<'a>) -> Option<(String, Result<String, &'a [u8]>)> {
    let mut parts = elements(pair.data);
    let oid = parts.next()?.1.oid().ok()?.to_id_string();
    let (raw, value) = parts.next()?;
    let known = TYPES.iter().find(|(digits, _)| *digits == oid);
    let kind = known.map_or_else(|| oid.clone(), |(_, name)| (*name).to_owned());
    Some((kind, string(&value).ok_or(raw)))
}

/// Text of a string of any type (X.680); `None` for other types.
fn string(value: &Any<'_>) -> Option<String> {
    let data = value.data;
    Some(match value.tag() {
        Tag::Utf8String
        | Tag::PrintableString
        | Tag::Ia5String
        | Tag::NumericString
        | Tag::VisibleString => String::from_utf8_lossy(data).into_owned(),
        // Senders use it for ISO 8859-1, whatever T.61 says.
        Tag::T61String => data.iter().map(|byte| char::from(*byte)).collect(),
        Tag::BmpString => {
            let units = data.as_chunks::<2>().0.iter().map(|unit| u16::from_be_bytes(*unit));
            char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        }
        Tag::UniversalString => {
            let units = data.as_chunks::<4>().0.iter().map(|unit| u32::from_be_bytes(*unit));
            units.map(|c| char::from_u32(c).unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        }
        _ => return None,
    })
}

/// Escapes of RFC 4514 section 2.4.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let last = value.chars().count().saturating_sub(1);
    for (at, c) in value.chars().enumerate() {
        let is_edge = (c == ' ' && (at == 0 || at == last)) || (c == '#' && at == 0);
        if is_edge || "\"+,;<>\\".contains(c) {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

fn hex(raw: &[u8]) -> String {
    raw.iter().fold("#".to_owned(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
