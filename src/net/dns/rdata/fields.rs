//! Types whose data are a list of fields.

use data_encoding::{BASE32HEX_NOPAD, BASE64, HEXUPPER};

use super::cursor::{Cursor, quoted, type_name};

/// Field of a record's data.
#[derive(Debug, Clone, Copy)]
pub(super) enum Field {
    U8,
    U16,
    U32,
    Name,
    /// Character string.
    Text,
    /// Character strings, one at least, to the end.
    Texts,
    /// Character strings to the end, if there are any.
    MoreTexts,
    /// All that follows, as one quoted text.
    Quoted,
    Hex,
    Base64,
    V4,
    V6,
    /// Type of record.
    Type,
    /// Bitmap of types.
    Types,
    /// Time in seconds since 1970 (RFC 4034 section 3.2).
    Moment,
    /// Bytes with their length, in hexadecimal; `-` for none.
    Salt,
    /// Bytes with their length, in base32.
    Hash,
    /// Eight bytes as four groups (RFC 6742).
    Groups,
}

use Field::{
    Base64 as B64, Groups, Hash, Hex, Moment, MoreTexts, Name, Quoted, Salt, Text, Texts, Type,
    Types, U8, U16, U32, V4,
};

/// Fields of a type, by its number.
pub(super) fn of(record_type: u16) -> Option<&'static [Field]> {
    Some(match record_type {
        1 => &[V4],
        // NS, MD, MF, CNAME, MB, MG, MR, PTR, NSAP-PTR, DNAME
        2..=5 | 7..=9 | 12 | 23 | 39 => &[Name],
        // SOA
        6 => &[Name, Name, U32, U32, U32, U32, U32],
        // HINFO
        13 => &[Text, Text],
        // MINFO, RP, TALINK
        14 | 17 | 58 => &[Name, Name],
        // MX, AFSDB, RT, KX, LP
        15 | 18 | 21 | 36 | 107 => &[U16, Name],
        // TXT, NINFO, SPF, AVC, RESINFO, WALLET
        16 | 56 | 99 | 258 | 261 | 262 => &[Texts],
        // X25
        19 => &[Text],
        // ISDN
        20 => &[Text, MoreTexts],
        // SIG, RRSIG
        24 | 46 => &[Type, U8, U8, U32, Moment, Moment, U16, Name, B64],
        // KEY, DNSKEY, RKEY, CDNSKEY
        25 | 48 | 57 | 60 => &[U16, U8, U8, B64],
        // PX
        26 => &[U16, Name, Name],
        // GPOS
        27 => &[Text, Text, Text],
        28 => &[Field::V6],
        // SRV
        33 => &[U16, U16, U16, Name],
        // NAPTR
        35 => &[U16, U16, Text, Text, Text, Name],
        // SINK
        40 => &[U8, U8, U8, B64],
        // DS, CDS, TA, DLV
        43 | 59 | 32768 | 32769 => &[U16, U8, U8, Hex],
        // SSHFP
        44 => &[U8, U8, Hex],
        // NSEC
        47 => &[Name, Types],
        // DHCID, OPENPGPKEY
        49 | 61 => &[B64],
        // NSEC3
        50 => &[U8, U8, U16, Salt, Hash, Types],
        // NSEC3PARAM
        51 => &[U8, U8, U16, Salt],
        // TLSA, SMIMEA
        52 | 53 => &[U8, U8, U8, Hex],
        // CSYNC
        62 => &[U32, U16, Types],
        // ZONEMD
        63 => &[U32, U8, U8, Hex],
        // DSYNC
        66 => &[Type, U8, U16, Name],
        // NID, L64
        104 | 106 => &[U16, Groups],
        // L32
        105 => &[U16, V4],
        // URI
        256 => &[U16, U16, Quoted],
        // DOA
        259 => &[U32, U32, U8, Text, B64],
        _ => return None,
    })
}

/// The fields with blanks between them.
pub(super) fn text(cursor: &mut Cursor<'_>, fields: &[Field]) -> Option<String> {
    let mut words: Vec<String> = Vec::new();
    for field in fields {
        one(cursor, *field, &mut words)?;
    }
    Some(words.join(" "))
}

fn one(cursor: &mut Cursor<'_>, field: Field, words: &mut Vec<String>) -> Option<()> {
    words.push(match field {
        U8 => cursor.u8()?.to_string(),
        U16 => cursor.u16()?.to_string(),
        U32 => cursor.u32()?.to_string(),
        Name => cursor.name()?,
        Text => quoted(cursor.string()?),
        Texts | MoreTexts => {
            if matches!(field, Texts) {
                words.push(quoted(cursor.string()?));
            }
            while !cursor.is_empty() {
                words.push(quoted(cursor.string()?));
            }
            return Some(());
        }
        Quoted => quoted(cursor.rest()),
        Hex => HEXUPPER.encode(cursor.rest()),
        B64 => match BASE64.encode(cursor.rest()) {
            // An empty key has no word.
            text if text.is_empty() => return Some(()),
            text => text,
        },
        V4 => cursor.v4()?.to_string(),
        Field::V6 => cursor.v6()?.to_string(),
        Type => type_name(cursor.u16()?),
        Types => {
            words.extend(cursor.types()?);
            return Some(());
        }
        Moment => moment(cursor.u32()?),
        Salt => match cursor.string()? {
            [] => "-".to_owned(),
            salt => HEXUPPER.encode(salt),
        },
        Hash => BASE32HEX_NOPAD.encode(cursor.string()?),
        Groups => {
            let [a, b, c, d] = [cursor.u16()?, cursor.u16()?, cursor.u16()?, cursor.u16()?];
            format!("{a:x}:{b:x}:{c:x}:{d:x}")
        }
    });
    Some(())
}

/// `YYYYMMDDHHmmSS` in UTC (RFC 4034 section 3.2). Times are those of 1970 to 2106.
fn moment(seconds: u32) -> String {
    let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds.into());
    crate::net::error::rfc3339(time).chars().filter(char::is_ascii_digit).collect()
}
