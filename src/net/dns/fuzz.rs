//! Decodes arbitrary bytes as an answer: entry point of the fuzzer in `fuzz/`, and of the tests below.

use std::time::{Duration, Instant};

use super::message::{self, QueryFlags, Question};
use super::{DnsAnswer, DnsExchange, RecordType};

/// Decodes a message and formats everything that the program would print. Returns whether it was an answer.
///
/// # Panics
/// Panics if the output contains a control character. Any other panic is a finding as well.
#[cfg_attr(not(fuzzing), allow(unreachable_pub))]
pub fn fuzz_decode(bytes: &[u8], now: Instant) -> bool {
    let question = Question::new("example.test", RecordType::A).expect("a name");
    let sent = question.message(true, QueryFlags::default(), true).expect("a message");
    let checked = sent.check(bytes);
    let (_, _) = (message::is_truncated(bytes), message::plain_rcode(bytes));
    let Ok(response) = message::read(bytes) else { return false };
    let exchange = DnsExchange {
        server: None,
        transport: None,
        started: now,
        took: Duration::ZERO,
        round_trip: None,
        retries: 0,
        truncated: response.flags.truncated,
        without_edns: None,
        #[cfg(feature = "dnssec")]
        validation: None,
    };
    let answer = DnsAnswer {
        name: question.name(),
        record_type: RecordType::A,
        rcode: response.rcode,
        flags: response.flags,
        records: response.records,
        authority: response.authority,
        extended_errors: response.extended_errors,
        oddities: response.oddities,
        exchange,
    };
    let records = answer.records.iter().chain(&answer.authority).map(ToString::to_string);
    let errors = answer.extended_errors.iter().map(ToString::to_string);
    let verdict = checked.map_err(|why| why.to_string()).err();
    for text in records.chain(errors).chain(verdict).chain([answer.rcode.to_string()]) {
        assert!(!text.contains(char::is_control), "{text:?}");
    }
    assert!(answer.addresses().count() <= answer.records.len());
    assert!(answer.ttl().is_some() || answer.records.is_empty());
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reproducible random numbers (splitmix64).
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, limit: usize) -> usize {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) % limit.max(1) as u64) as usize
        }

        fn byte(&mut self) -> u8 {
            self.below(256) as u8
        }
    }

    fn now() -> Instant {
        crate::EventLoop::new().unwrap().handle().time()
    }

    const NAME: &[u8] = b"\x07example\x04test\0";
    /// Compression pointer to the question's name.
    const SAME: &[u8] = &[0xc0, 12];

    /// Answer with these records: owner, type and data.
    fn message(records: &[(&[u8], u16, &[u8])]) -> Vec<u8> {
        let count = u16::try_from(records.len()).unwrap();
        let mut bytes =
            [&[7, 7, 0x81, 0x80, 0, 1], &count.to_be_bytes()[..], &[0; 4], NAME].concat();
        bytes.extend([0, 1, 0, 1]);
        for (owner, kind, data) in records {
            bytes.extend_from_slice(owner);
            bytes.extend(kind.to_be_bytes());
            bytes.extend([0, 1, 0, 0, 0, 60]);
            bytes.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
            bytes.extend_from_slice(data);
        }
        bytes
    }

    /// One message of every kind.
    fn seeds() -> Vec<Vec<u8>> {
        let soa = [SAME, SAME, &[0; 20]].concat();
        let srv = [&[0, 1, 0, 2, 1, 187], SAME].concat();
        let svcb =
            [&[0, 1, 0][..], &[0, 1, 0, 3, 2, b'h', b'2'], &[0, 4, 0, 4, 192, 0, 2, 1]].concat();
        let sig = [&[0, 1, 8, 2, 0, 0, 0, 60][..], &[1; 10], NAME, &[9; 32]].concat();
        let nsec = [NAME, &[0, 6, 0x40, 0, 0, 0, 0, 3]].concat();
        let mut options = message(&[(b"\0", 41, &[0, 15, 0, 4, 0, 3, b'h', b'i'])]);
        // For the additional section.
        options.swap(7, 11);
        vec![
            message(&[(SAME, 1, &[192, 0, 2, 1]), (SAME, 1, &[192, 0, 2, 2])]),
            message(&[(SAME, 5, b"\x03www\xc0\x0c"), (b"\x03www\xc0\x0c", 28, &[0; 16])]),
            message(&[(SAME, 15, b"\0\x0a\x04mail\xc0\x0c"), (SAME, 16, b"\x03a b\x02\"\x07")]),
            message(&[(SAME, 6, &soa), (SAME, 2, SAME), (SAME, 12, NAME)]),
            message(&[(SAME, 33, &srv), (SAME, 257, b"\x80\x05issueca.test")]),
            message(&[(SAME, 65, &svcb), (SAME, 64, &[0, 0, 0])]),
            message(&[(SAME, 46, &sig), (SAME, 47, &nsec), (SAME, 43, &[0, 1, 8, 2, 1, 2, 3, 4])]),
            message(&[
                (SAME, 48, &[1, 1, 3, 8, 1, 2, 3]),
                (SAME, 50, &[1, 0, 0, 1, 1, 9, 1, 7, 0, 1, 64]),
            ]),
            message(&[(SAME, 999, &[1, 2, 3])]),
            options,
        ]
    }

    fn mutated(seeds: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
        const TELLING: [u8; 8] = [0, 1, 0x3f, 0x40, 0x80, 0xc0, 0xfe, 0xff];
        let mut bytes = seeds[dice.below(seeds.len())].clone();
        for _ in 0..=dice.below(4) {
            let at = dice.below(bytes.len());
            match dice.below(8) {
                0 => bytes[at] ^= 1 << dice.below(8),
                1 => bytes[at] = TELLING[dice.below(TELLING.len())],
                2 => bytes[at] = dice.byte(),
                3 => bytes.truncate(at.max(1)),
                // Random record counts of the sections.
                4 if bytes.len() > 12 => bytes[4 + dice.below(8)] = TELLING[dice.below(3)],
                // Pointer to any offset, its own included.
                5 if at + 1 < bytes.len() => {
                    bytes[at] = 0xc0 | dice.below(2) as u8;
                    bytes[at + 1] = dice.byte();
                }
                6 => {
                    let other = &seeds[dice.below(seeds.len())];
                    bytes.extend_from_slice(&other[dice.below(other.len())..]);
                }
                _ => bytes.insert(at, dice.byte()),
            }
        }
        bytes
    }

    #[test]
    fn o4_forty_thousand_answers_with_something_wrong_in_them() {
        const COUNT: usize = 40_000;
        let (seeds, mut dice, now) = (seeds(), Dice(20_260_731), now());
        for (nth, seed) in seeds.iter().enumerate() {
            assert!(fuzz_decode(seed, now), "seed {nth} is an answer");
        }
        let readable = (0..COUNT).filter(|_| fuzz_decode(&mutated(&seeds, &mut dice), now)).count();
        // Both outcomes occur often enough for the test to be meaningful.
        assert!((COUNT / 20..COUNT * 19 / 20).contains(&readable), "{readable} can be read");
    }

    #[test]
    fn o4_every_beginning_of_every_message() {
        let now = now();
        // What is cut off behind the answer section does not matter.
        for seed in seeds().into_iter().filter(|seed| seed[7] > 0) {
            let readable = (0..seed.len()).filter(|length| fuzz_decode(&seed[..*length], now));
            // The end of each record but the last one is the end of a message that counts too many.
            assert_eq!(readable.count(), usize::from(seed[7]) - 1, "{seed:?}");
        }
    }

    /// Chain of compression pointers as long as fits, and records that start at its end.
    #[test]
    fn o4_compression_loops_and_chains_take_no_time() {
        let now = now();
        for target in [12, 13, 29, 30, 31, 0x3fff] {
            let pointer = [0xc0 | (target >> 8) as u8, target as u8];
            fuzz_decode(&message(&[(&pointer, 1, &[192, 0, 2, 1])]), now);
        }
        let mut chain = message(&[]);
        for _ in 0..8000 {
            let at = u16::try_from(chain.len() - 2).unwrap() & 0x3fff;
            chain.extend((0xc000 | at).to_be_bytes());
        }
        chain[7] = 200;
        best_of_three_takes_at_most(Duration::from_millis(250), || fuzz_decode(&chain, now));
    }

    /// Chain of CNAME records as long as fits into a message, in reverse order.
    #[test]
    fn o4_a_message_full_of_aliases_takes_no_time() {
        let now = now();
        let name = |nth: u16| [&[4][..], format!("{nth:04x}").as_bytes(), &[0]].concat();
        let names: Vec<Vec<u8>> = (0..2900).map(name).collect();
        let pairs = names.windows(2).map(|pair| (&pair[0][..], 5, &pair[1][..]));
        let mut records: Vec<_> = pairs.chain([(SAME, 5, &names[0][..])]).collect();
        records.reverse();
        let bytes = message(&records);
        assert!(bytes.len() < 65_536);
        best_of_three_takes_at_most(Duration::from_millis(500), || fuzz_decode(&bytes, now));
    }

    fn best_of_three_takes_at_most(limit: Duration, mut work: impl FnMut() -> bool) {
        let event_loop = crate::EventLoop::new().unwrap();
        let handle = event_loop.handle();
        let mut time = || {
            let began = handle.time();
            work();
            handle.time() - began
        };
        let best = (0..3).map(|_| time()).min().unwrap();
        assert!(best <= limit, "{best:?}");
    }
}
