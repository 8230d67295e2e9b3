//! Reads data of a record, and writes them as text.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use super::super::{name_text, section};
use crate::net::dns::type_names;

/// Position in the data of a record. A name in them may point into the message.
pub(in super::super) struct Cursor<'a> {
    message: &'a [u8],
    rest: Range<usize>,
}

impl<'a> Cursor<'a> {
    pub(in super::super) fn new(message: &'a [u8], data: Range<usize>) -> Self {
        Self { message, rest: data }
    }

    pub(in super::super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(in super::super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.rest.start.checked_add(count).filter(|end| *end <= self.rest.end)?;
        let taken = self.message.get(self.rest.start..end)?;
        self.rest.start = end;
        Some(taken)
    }

    pub(in super::super) fn rest(&mut self) -> &'a [u8] {
        let taken = self.message.get(self.rest.clone()).unwrap_or_default();
        self.rest.start = self.rest.end;
        taken
    }

    pub(in super::super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(in super::super) fn u8(&mut self) -> Option<u8> {
        Some(self.array::<1>()?[0])
    }

    pub(in super::super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(in super::super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(in super::super) fn v4(&mut self) -> Option<Ipv4Addr> {
        self.array::<4>().map(Ipv4Addr::from)
    }

    pub(in super::super) fn v6(&mut self) -> Option<Ipv6Addr> {
        self.array::<16>().map(Ipv6Addr::from)
    }

    pub(in super::super) fn name(&mut self) -> Option<String> {
        let (name, after) = section::name(self.message, self.rest.start)?;
        if after > self.rest.end {
            return None;
        }
        self.rest.start = after;
        Some(name_text::text(&name))
    }

    /// Character string with its length byte (RFC 1035 section 3.3).
    pub(in super::super) fn string(&mut self) -> Option<&'a [u8]> {
        let length = self.u8()?;
        self.take(length.into())
    }

    /// Types of a bitmap (RFC 4034 section 4.1.2).
    pub(super) fn types(&mut self) -> Option<Vec<String>> {
        let mut types = Vec::new();
        while !self.is_empty() {
            let (window, length) = (u16::from(self.u8()?), self.u8()?);
            if !(1..=32).contains(&length) {
                return None;
            }
            types.extend(bits(self.take(length.into())?).map(|bit| type_name(window << 8 | bit)));
        }
        Some(types)
    }
}

/// Numbers of the bits that are set; the first one is the highest of its byte.
pub(super) fn bits(bytes: &[u8]) -> impl Iterator<Item = u16> + '_ {
    let is_set = move |bit: &u16| {
        let byte = bytes.get(usize::from(bit / 8)).copied().unwrap_or_default();
        byte & (0x80 >> (bit % 8)) != 0
    };
    let count = u16::try_from(bytes.len() * 8).unwrap_or(u16::MAX);
    (0..count).filter(is_set)
}

pub(super) fn type_name(number: u16) -> String {
    type_names::name(number).map_or_else(|| format!("TYPE{number}"), str::to_owned)
}

/// Character string in quotes.
pub(super) fn quoted(bytes: &[u8]) -> String {
    format!("\"{}\"", crate::net::dns::record::printable(bytes.iter().copied()))
}

/// Bytes in hexadecimal, with something between them.
pub(super) fn hex_between(bytes: &[u8], between: &str) -> String {
    let mut text = String::new();
    for byte in bytes {
        let between = if text.is_empty() { "" } else { between };
        let _ = write!(text, "{between}{byte:02x}");
    }
    text
}
