//! Sections of a message, read record by record: a fault in one does not lose those before it.
//!
//! Resolvers and dig read answers in this way. What is wrong is noted ([`DnsOddity`]).

use std::fmt;
use std::ops::Range;

use hickory_proto::rr::Name;
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

/// Size of the header (RFC 1035 section 4.1.1), and offset of the counts in it.
const HEADER: usize = 12;
const COUNTS: usize = 4;

pub(super) const OPT: u16 = 41;

/// Record before its data are read.
pub(super) struct RawRecord {
    /// Offset of the record.
    #[cfg_attr(not(feature = "dnssec"), allow(dead_code))]
    pub(super) start: usize,
    pub(super) name: Name,
    pub(super) record_type: u16,
    pub(super) class: u16,
    pub(super) ttl: u32,
    /// Data in the message.
    pub(super) data: Range<usize>,
}

/// Answer, authority and additional section of a message, as far as they can be read.
pub(super) struct Sections {
    pub(super) answer: Vec<RawRecord>,
    pub(super) authority: Vec<RawRecord>,
    pub(super) additional: Vec<RawRecord>,
    pub(super) oddities: Vec<DnsOddity>,
}

/// Fault of a message that does not change its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DnsOddity {
    /// A record behind the answer section cannot be read.
    UnreadableRecord,
    /// Data of a record do not have the format of its type.
    UnreadableData,
    /// Fewer records than the header counts.
    FewerRecords,
    /// Bytes after the last record.
    TrailingBytes,
    /// More than one OPT record (RFC 6891 section 6.1.1 allows one).
    SeveralOpts,
    /// Records of another class than that of the question.
    OtherClass,
}

impl fmt::Display for DnsOddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnreadableRecord => "a record behind the answer cannot be read",
            Self::UnreadableData => "data of a record do not fit its type",
            Self::FewerRecords => "fewer records than the header counts",
            Self::TrailingBytes => "bytes after the last record",
            Self::SeveralOpts => "more than one OPT record",
            Self::OtherClass => "records of another class ignored",
        })
    }
}

/// Reads a message.
///
/// # Errors
/// Fails if the header, the question or a record of the answer section cannot be read.
pub(super) fn read(message: &[u8]) -> Result<Sections, String> {
    const TOO_SHORT: &str = "it ends within the header";
    let counts = message.get(COUNTS..HEADER).ok_or(TOO_SHORT)?;
    let count = |at: usize| usize::from(u16::from_be_bytes([counts[2 * at], counts[2 * at + 1]]));
    let mut at = HEADER;
    for _ in 0..count(0) {
        (_, at) = name(message, at).ok_or("its question cannot be read")?;
        at += 4;
    }
    if at > message.len() {
        return Err("it ends within the question".to_owned());
    }
    let mut reader = Reader { message, at, oddities: Vec::new() };
    let answer = reader.section(count(1));
    if let Some(why) = reader.answer_fault(count(1), answer.len()) {
        return Err(why);
    }
    let authority = reader.section(count(2));
    let additional = reader.section(count(3));
    if reader.oddities.is_empty() && reader.at < message.len() {
        reader.oddities.push(DnsOddity::TrailingBytes);
    }
    if additional.iter().filter(|record| record.record_type == OPT).count() > 1 {
        reader.oddities.push(DnsOddity::SeveralOpts);
    }
    Ok(Sections { answer, authority, additional, oddities: reader.oddities })
}

struct Reader<'a> {
    message: &'a [u8],
    at: usize,
    oddities: Vec<DnsOddity>,
}

impl Reader<'_> {
    /// Records of a section, up to one that cannot be read, or to the end of the message.
    fn section(&mut self, count: usize) -> Vec<RawRecord> {
        let mut records = Vec::with_capacity(count.min(8));
        while records.len() < count && self.oddities.is_empty() {
            if self.at == self.message.len() {
                self.oddities.push(DnsOddity::FewerRecords);
                break;
            }
            match record(self.message, self.at) {
                Some((record, after)) => {
                    records.push(record);
                    self.at = after;
                }
                None => self.oddities.push(DnsOddity::UnreadableRecord),
            }
        }
        records
    }

    /// A negative answer is not concluded from a message that lost records.
    fn answer_fault(&self, counted: usize, read: usize) -> Option<String> {
        match self.oddities.first() {
            Some(DnsOddity::UnreadableRecord) => Some(format!("record {} is broken", read + 1)),
            Some(DnsOddity::FewerRecords) if read == 0 => {
                Some(format!("it has none of the {counted} records that it counts"))
            }
            _ => None,
        }
    }
}

/// Record at an offset, and the offset after it.
fn record(message: &[u8], start: usize) -> Option<(RawRecord, usize)> {
    const FIXED: usize = 10;
    let (name, at) = name(message, start)?;
    let fixed: &[u8; FIXED] = message.get(at..)?.first_chunk()?;
    let short = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
    let data = at + FIXED..at + FIXED + usize::from(short(8));
    message.get(data.clone())?;
    let ttl = u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]);
    let after = data.end;
    let (record_type, class) = (short(0), short(2));
    Some((RawRecord { start, name, record_type, class, ttl, data }, after))
}

/// Name at an offset, which may be compressed, and the offset after it.
pub(super) fn name(message: &[u8], at: usize) -> Option<(Name, usize)> {
    message.get(at..)?;
    let mut decoder = BinDecoder::new(message).clone(u16::try_from(at).ok()?);
    let name = Name::read(&mut decoder).ok()?;
    Some((name, decoder.index()))
}
