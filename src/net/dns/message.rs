//! DNS messages: encoding of queries, and checks of answers.

use std::io;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::Name;
use rustix::rand::{GetRandomFlags, getrandom};

use super::answer::{DnsFlags, ExtendedError, Rcode};
use super::section::{self, OPT, RawRecord, Sections};
use super::{DnsData, DnsIgnored, DnsOddity, DnsRecord, RecordType, decode, name_text};

/// Maximum size of a UDP answer, in bytes: avoids IP fragmentation on all common networks (DNS Flag Day 2020).
const UDP_PAYLOAD: u16 = 1232;

/// Size of the header, and offsets in it (RFC 1035 section 4.1.1).
const HEADER: usize = 12;
const FLAGS: usize = 2;
const COUNTS: usize = 4;

/// Name and type.
#[derive(Debug, Clone)]
pub(super) struct Question {
    name: Name,
    record_type: RecordType,
}

/// Flags of a query.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct QueryFlags {
    /// DO: requests DNSSEC records (RFC 3225).
    pub(super) dnssec: bool,
    /// AD: requests the result of the server's validation (RFC 6840 section 5.7).
    pub(super) authentic: bool,
    /// CD: asks the server not to validate (RFC 4035 section 3.2.2).
    pub(super) unchecked: bool,
    /// Randomises the case of the name, which the answer must repeat.
    pub(super) mixed_case: bool,
    /// Clears RD: no recursion.
    pub(super) no_recursion: bool,
}

/// Encoded query that answers are checked against.
pub(super) struct Sent {
    pub(super) bytes: Vec<u8>,
    /// Offset of the end of the question.
    end: usize,
    /// Whether an answer must repeat the case of the name ("0x20").
    is_mixed: bool,
}

/// Decoded answer.
pub(super) struct Response {
    pub(super) rcode: Rcode,
    pub(super) flags: DnsFlags,
    pub(super) records: Vec<DnsRecord>,
    pub(super) authority: Vec<DnsRecord>,
    pub(super) extended_errors: Vec<ExtendedError>,
    pub(super) oddities: Vec<DnsOddity>,
    /// Number of records of the answer whose data do not fit their types.
    pub(super) lost: usize,
}

impl Question {
    /// Parses a name. One that is not ASCII is encoded (IDNA).
    pub(super) fn new(name: &str, record_type: RecordType) -> Result<Self, String> {
        Ok(Self { name: name_text::parse(name)?, record_type })
    }

    /// Question about a name that hickory has decoded.
    #[cfg(feature = "dnssec")]
    pub(super) fn of(name: Name, record_type: RecordType) -> Self {
        Self { name, record_type }
    }

    /// Name with the final dot.
    pub(super) fn name(&self) -> String {
        name_text::text(&self.name)
    }

    /// Whether the name is `onion`, or below it.
    pub(super) fn is_onion(&self) -> bool {
        self.name.iter().next_back().is_some_and(|label| label.eq_ignore_ascii_case(b"onion"))
    }

    pub(super) fn record_type(&self) -> RecordType {
        self.record_type
    }

    /// Encodes the query, with a random ID. For HTTPS the ID is 0, which makes answers cacheable (RFC 8484 section
    /// 4.1).
    pub(super) fn message(
        &self,
        edns: bool,
        flags: QueryFlags,
        is_numbered: bool,
    ) -> io::Result<Sent> {
        // Two bytes for the ID, one bit per byte of the name for its case: a name has at most 255 bytes.
        let mut random = [0; 34];
        getrandom(&mut random, GetRandomFlags::empty())?;
        let id = if is_numbered { u16::from_be_bytes([random[0], random[1]]) } else { 0 };
        let mut message = Message::new(id, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = !flags.no_recursion;
        message.metadata.authentic_data = flags.authentic;
        message.metadata.checking_disabled = flags.unchecked;
        message.add_query(Query::query(self.name.clone(), self.record_type.wire()));
        if edns {
            let mut options = Edns::new();
            options.set_max_payload(UDP_PAYLOAD).set_dnssec_ok(flags.dnssec);
            message.set_edns(options);
        }
        let mut bytes = message.to_vec().map_err(io::Error::other)?;
        let end = question_end(&bytes).ok_or_else(|| io::Error::other("no question"))?;
        if flags.mixed_case {
            mix_case(&mut bytes[HEADER..end], &random[2..]);
        }
        Ok(Sent { bytes, end, is_mixed: flags.mixed_case })
    }
}

/// Length bytes are at most 63 and letters start at 65, so that only letters change.
fn mix_case(name: &mut [u8], random: &[u8]) {
    for (at, byte) in name.iter_mut().enumerate() {
        let flips = random.get(at / 8).is_some_and(|bits| bits >> (at % 8) & 1 == 1);
        if flips && byte.is_ascii_alphabetic() {
            *byte ^= 0x20;
        }
    }
}

/// Offset of the end of the only question: name, type and class. A question is never compressed.
fn question_end(message: &[u8]) -> Option<usize> {
    let mut at = HEADER;
    loop {
        match *message.get(at)? {
            0 => break,
            length @ 1..=63 => at += usize::from(length) + 1,
            _ => return None,
        }
    }
    let end = at + 1 + 4;
    (end <= message.len()).then_some(end)
}

impl Sent {
    /// Whether a message answers this query. Others are late or forged (RFC 5452).
    pub(super) fn check(&self, received: &[u8]) -> Result<(), DnsIgnored> {
        if received.len() < HEADER {
            return Err(DnsIgnored::TooShort);
        }
        if received[..2] != self.bytes[..2] {
            return Err(DnsIgnored::WrongId);
        }
        if received[FLAGS] & 0x80 == 0 {
            return Err(DnsIgnored::NotAnAnswer);
        }
        let questions = u16::from_be_bytes([received[COUNTS], received[COUNTS + 1]]);
        let is_same = received.get(HEADER..self.end).is_some_and(|question| self.is_own(question));
        // A server that cannot parse a query may omit the question; NOERROR and NXDOMAIN show that it could.
        let is_refusal = !matches!(received[FLAGS + 1] & 0x0f, 0 | 3);
        match questions {
            1 if is_same => Ok(()),
            0 if is_refusal => Ok(()),
            _ => Err(DnsIgnored::OtherQuestion),
        }
    }

    /// Whether a question is the one that was sent. Names have no case (RFC 4343), unless it was mixed.
    fn is_own(&self, question: &[u8]) -> bool {
        const TYPE_AND_CLASS: usize = 4;
        let own = &self.bytes[HEADER..self.end];
        let at = own.len() - TYPE_AND_CLASS;
        let ((name, rest), (own_name, own_rest)) = (question.split_at(at), own.split_at(at));
        let is_same_name =
            if self.is_mixed { name == own_name } else { name.eq_ignore_ascii_case(own_name) };
        is_same_name && rest == own_rest
    }
}

/// Whether the TC flag is set; the end of such a message may be invalid. The message has passed
/// [`check`](Sent::check).
pub(super) fn is_truncated(received: &[u8]) -> bool {
    received.get(FLAGS).is_some_and(|flags| flags & 0x02 != 0)
}

/// Response code without the bits of EDNS. The message has passed [`check`](Sent::check).
pub(super) fn plain_rcode(received: &[u8]) -> Rcode {
    Rcode(received.get(FLAGS + 1).map_or(0, |flags| u16::from(flags & 0x0f)))
}

/// Class of the Internet, of all questions here.
const IN: u16 = 1;

/// # Errors
/// Fails if the answer section cannot be read. What is wrong behind it is an oddity.
pub(super) fn read(received: &[u8]) -> Result<Response, String> {
    let Sections { answer, authority, additional, mut oddities } = section::read(received)?;
    let flags = &received[FLAGS..];
    let opt = additional.iter().find(|record| record.record_type == OPT);
    // The upper bits of the response code are in the TTL of OPT (RFC 6891 section 6.1.3).
    let upper = opt.map_or(0, |opt| u16::from(opt.ttl.to_be_bytes()[0]) << 4);
    let (records, lost) = records(received, &answer, &mut oddities);
    let authority = records_with_glue(received, &authority, &additional, &mut oddities);
    oddities.dedup();
    Ok(Response {
        rcode: Rcode(upper | u16::from(flags[1] & 0x0f)),
        flags: DnsFlags {
            authoritative: flags[0] & 0x04 != 0,
            truncated: flags[0] & 0x02 != 0,
            recursion_available: flags[1] & 0x80 != 0,
            authentic: flags[1] & 0x20 != 0,
        },
        records,
        authority,
        extended_errors: opt
            .map(|opt| extended_errors(&received[opt.data.clone()]))
            .unwrap_or_default(),
        oddities,
        lost,
    })
}

/// Records of the class IN whose data fit their types, and the number of those that do not.
fn records(
    message: &[u8],
    section: &[RawRecord],
    oddities: &mut Vec<DnsOddity>,
) -> (Vec<DnsRecord>, usize) {
    let (mut records, mut lost) = (Vec::new(), 0);
    for raw in section.iter().filter(|raw| raw.record_type != OPT) {
        if raw.class != IN {
            oddities.push(DnsOddity::OtherClass);
            continue;
        }
        let (record, fits) = decode::record(message, raw);
        if fits {
            records.push(record);
        } else {
            oddities.push(DnsOddity::UnreadableData);
            lost += 1;
        }
    }
    (records, lost)
}

/// Authority section, and the addresses of its name servers from the additional section. Other additional records are
/// ignored, because a server could add anything.
fn records_with_glue(
    message: &[u8],
    authority: &[RawRecord],
    additional: &[RawRecord],
    oddities: &mut Vec<DnsOddity>,
) -> Vec<DnsRecord> {
    let (mut known, _) = records(message, authority, oddities);
    let is_named = |record: &DnsRecord| {
        let mut names = known.iter().filter_map(|it| match &it.data {
            DnsData::Ns(name) => Some(name),
            _ => None,
        });
        record.data.address().is_some() && names.any(|name| name.eq_ignore_ascii_case(&record.name))
    };
    let (additional, _) = records(message, additional, &mut Vec::new());
    let glue: Vec<DnsRecord> = additional.into_iter().filter(is_named).collect();
    known.extend(glue);
    known
}

/// Extended DNS Errors (RFC 8914) among the options of EDNS.
fn extended_errors(mut options: &[u8]) -> Vec<ExtendedError> {
    const CODE: u16 = 15;
    let mut errors = Vec::new();
    while let Some((head, rest)) = options.split_first_chunk::<4>() {
        let [code, length] = [[head[0], head[1]], [head[2], head[3]]].map(u16::from_be_bytes);
        let Some((value, after)) = rest.split_at_checked(length.into()) else { break };
        if code == CODE {
            errors.extend(ExtendedError::of(value));
        }
        options = after;
    }
    errors
}

/// Message for hickory's validator, without records that it cannot read.
#[cfg(feature = "dnssec")]
pub(super) fn for_validation(received: &[u8]) -> Option<Message> {
    use hickory_proto::rr::{RData, Record};
    use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

    let sections = section::read(received).ok()?;
    let response = read(received).ok()?;
    let mut decoder = BinDecoder::new(received).clone(u16::try_from(HEADER).ok()?);
    let question = Query::read(&mut decoder).ok()?;
    let records = |section: &[RawRecord]| -> Vec<Record> {
        let wanted = section.iter().filter(|raw| raw.class == IN && raw.record_type != OPT);
        let records = wanted.filter_map(|raw| {
            let at = u16::try_from(raw.start).ok()?;
            let record = Record::read(&mut BinDecoder::new(received).clone(at)).ok()?;
            (!matches!(record.data, RData::Update0(_))).then_some(record)
        });
        records.collect()
    };
    let mut message = Message::response(0, OpCode::Query);
    message.metadata.response_code = response.rcode.0.into();
    message.metadata.authoritative = response.flags.authoritative;
    message.add_query(question);
    message.insert_answers(records(&sections.answer));
    message.insert_authorities(records(&sections.authority));
    message.insert_additionals(records(&sections.additional));
    Some(message)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    use super::*;

    fn sent(name: &str, flags: QueryFlags) -> Sent {
        Question::new(name, RecordType::A).unwrap().message(true, flags, true).unwrap()
    }

    /// The query, with the QR flag set.
    fn echo(sent: &Sent) -> Vec<u8> {
        let mut bytes = sent.bytes.clone();
        bytes[FLAGS] |= 0x80;
        bytes
    }

    #[test]
    fn o4_every_bit_of_an_answers_number_and_question_counts() {
        let sent =
            sent("www.example.test", QueryFlags { mixed_case: true, ..QueryFlags::default() });
        let answer = echo(&sent);
        assert_eq!(sent.check(&answer), Ok(()));
        let counted = [0..2, COUNTS..COUNTS + 2, HEADER..sent.end];
        for (at, bit) in counted.into_iter().flatten().flat_map(|at| (0..8).map(move |b| (at, b))) {
            let mut changed = answer.clone();
            changed[at] ^= 1 << bit;
            assert!(sent.check(&changed).is_err(), "bit {bit} of byte {at}");
        }
        for length in 0..sent.end {
            assert!(sent.check(&answer[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn o4_letters_alone_change_their_case() {
        let plain = sent("a-1.example.test", QueryFlags::default());
        let lower = plain.bytes[HEADER..plain.end].to_ascii_lowercase();
        let spellings: std::collections::BTreeSet<Vec<u8>> = (0..50)
            .map(|_| {
                let mixed = sent(
                    "a-1.example.test",
                    QueryFlags { mixed_case: true, ..QueryFlags::default() },
                );
                assert_eq!(mixed.bytes[HEADER..mixed.end].to_ascii_lowercase(), lower);
                mixed.bytes[HEADER..mixed.end].to_vec()
            })
            .collect();
        assert!(spellings.len() > 40, "{} of 50 differ", spellings.len());
    }

    #[test]
    fn o4_the_root_and_the_longest_name_fit() {
        assert_eq!(sent(".", QueryFlags::default()).end, HEADER + 5);
        let longest =
            [["a"; 63].concat(), ["b"; 63].concat(), ["c"; 63].concat(), ["d"; 61].concat()];
        let sent =
            sent(&longest.join("."), QueryFlags { mixed_case: true, ..QueryFlags::default() });
        assert_eq!(sent.end, HEADER + 255 + 4);
        assert!(Question::new(&format!("{}e", longest.join(".")), RecordType::A).is_err());
    }

    proptest! {
        #[test]
        fn o4_arbitrary_bytes_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let _ = (sent("example.test", QueryFlags::default()).check(&bytes), read(&bytes));
            let _ = (is_truncated(&bytes), plain_rcode(&bytes), question_end(&bytes));
        }

        /// Valid headers get further into the decoder than random bytes.
        #[test]
        fn o4_arbitrary_records_are_no_panic(
            counts in any::<[u8; 3]>(),
            kind in any::<u16>(),
            data in prop::collection::vec(any::<u8>(), 0..80),
            rest in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let question = sent("example.test", QueryFlags::default());
            let mut bytes = echo(&question);
            bytes.truncate(question.end);
            for (at, count) in counts.into_iter().enumerate() {
                bytes[COUNTS + 3 + 2 * at] = count % 4;
            }
            bytes.extend([0xc0, 12]);
            bytes.extend((kind % 70).to_be_bytes());
            bytes.extend([0, 1, 0, 0, 0, 60, 0, data.len() as u8]);
            bytes.extend(data);
            bytes.extend(rest);
            prop_assert_eq!(question.check(&bytes), Ok(()));
            if let Ok(response) = read(&bytes) {
                for record in response.records.iter().chain(&response.authority) {
                    let text = record.to_string();
                    assert!(!text.contains(char::is_control), "{text:?}");
                }
            }
        }
    }
}
