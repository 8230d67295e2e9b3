//! Checksums, as sha256sum(1) and b3sum(1) print them.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use clap::ValueEnum;
use sha2::Digest;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Algorithm {
    /// SHA-256, in the format of sha256sum(1)
    Sha256,
    /// BLAKE3, in the format of b3sum(1)
    Blake3,
}

/// A checksum being computed.
pub(crate) enum Checksum {
    Sha256(sha2::Sha256),
    Blake3(Box<blake3::Hasher>),
}

/// A computed checksum with its algorithm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) algorithm: Algorithm,
    pub(crate) hex: String,
}

impl Algorithm {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Blake3 => "blake3",
        }
    }
}

impl Checksum {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self::Sha256(sha2::Sha256::new()),
            Algorithm::Blake3 => Self::Blake3(Box::default()),
        }
    }

    pub(crate) fn add(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Blake3(hasher) => drop(hasher.update(bytes)),
        }
    }

    pub(crate) fn sum(&self) -> Sum {
        match self {
            Self::Sha256(hasher) => {
                Sum { algorithm: Algorithm::Sha256, hex: hex(&hasher.clone().finalize()) }
            }
            Self::Blake3(hasher) => {
                Sum { algorithm: Algorithm::Blake3, hex: hex(hasher.finalize().as_bytes()) }
            }
        }
    }
}

impl Sum {
    /// The line that sha256sum(1) and b3sum(1) print and check. A backslash in front marks an escaped name. The bytes of
    /// a name are not always text.
    pub(crate) fn line(&self, name: &[u8]) -> Vec<u8> {
        let mut escaped = Vec::new();
        for byte in name {
            match byte {
                b'\\' => escaped.extend(b"\\\\"),
                b'\n' => escaped.extend(b"\\n"),
                b'\r' => escaped.extend(b"\\r"),
                other => escaped.push(*other),
            }
        }
        let mark: &[u8] = if escaped == name { b"" } else { b"\\" };
        [mark, self.hex.as_bytes(), b"  ", &escaped, b"\n"].concat()
    }
}

/// `sha256:HEX` or `blake3:HEX`.
impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.hex)
    }
}

impl FromStr for Sum {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (name, hex) = text.split_once(':').ok_or(())?;
        let known = [Algorithm::Sha256, Algorithm::Blake3];
        let algorithm = known.into_iter().find(|known| known.name() == name).ok_or(())?;
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        // Both algorithms have 256 bits.
        match hex.len() == 64 && hex.bytes().all(is_digit) {
            true => Ok(Self { algorithm, hex: hex.to_owned() }),
            false => Err(()),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum_of(algorithm: Algorithm, pieces: &[&str]) -> Sum {
        let mut checksum = Checksum::new(algorithm);
        pieces.iter().for_each(|piece| checksum.add(piece.as_bytes()));
        checksum.sum()
    }

    /// `printf abc | sha256sum`, `printf abc | b3sum`, and the same of nothing.
    #[test]
    fn sums_are_those_of_the_tools() {
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let blake3 = "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85";
        assert_eq!(sum_of(Algorithm::Sha256, &["a", "", "bc"]).hex, sha256);
        assert_eq!(sum_of(Algorithm::Blake3, &["ab", "c"]).hex, blake3);
        let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(
            sum_of(Algorithm::Sha256, &[]).line(b"-"),
            format!("{nothing}  -\n").into_bytes()
        );
    }

    #[test]
    fn sums_are_read_as_they_are_written() {
        for algorithm in [Algorithm::Sha256, Algorithm::Blake3] {
            let sum = sum_of(algorithm, &["abc"]);
            assert_eq!(sum.to_string().parse(), Ok(sum.clone()));
            assert_eq!(sum.to_string()[1..].parse::<Sum>(), Err(()));
            assert_eq!(sum.to_string().to_uppercase().parse::<Sum>(), Err(()));
        }
        assert_eq!("-".parse::<Sum>(), Err(()));
    }

    #[test]
    fn names_that_would_break_a_line_are_escaped() {
        let sum = Sum { algorithm: Algorithm::Sha256, hex: "00".to_owned() };
        assert_eq!(sum.line(b"a b"), b"00  a b\n");
        assert_eq!(sum.line(b"a\nb\\"), b"\\00  a\\nb\\\\\n");
        assert_eq!(sum.line(b"a\xff"), b"00  a\xff\n");
    }
}
