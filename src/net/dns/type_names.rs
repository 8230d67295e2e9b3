//! Names of record types, from IANA's registry "Resource Record (RR) TYPEs" (RFC 6895 section 3.1).

/// Name and number of each type, by number.
const NAMES: [(&str, u16); 95] = [
    ("A", 1),
    ("NS", 2),
    ("MD", 3),
    ("MF", 4),
    ("CNAME", 5),
    ("SOA", 6),
    ("MB", 7),
    ("MG", 8),
    ("MR", 9),
    ("NULL", 10),
    ("WKS", 11),
    ("PTR", 12),
    ("HINFO", 13),
    ("MINFO", 14),
    ("MX", 15),
    ("TXT", 16),
    ("RP", 17),
    ("AFSDB", 18),
    ("X25", 19),
    ("ISDN", 20),
    ("RT", 21),
    ("NSAP", 22),
    ("NSAP-PTR", 23),
    ("SIG", 24),
    ("KEY", 25),
    ("PX", 26),
    ("GPOS", 27),
    ("AAAA", 28),
    ("LOC", 29),
    ("NXT", 30),
    ("EID", 31),
    ("NIMLOC", 32),
    ("SRV", 33),
    ("ATMA", 34),
    ("NAPTR", 35),
    ("KX", 36),
    ("CERT", 37),
    ("A6", 38),
    ("DNAME", 39),
    ("SINK", 40),
    ("OPT", 41),
    ("APL", 42),
    ("DS", 43),
    ("SSHFP", 44),
    ("IPSECKEY", 45),
    ("RRSIG", 46),
    ("NSEC", 47),
    ("DNSKEY", 48),
    ("DHCID", 49),
    ("NSEC3", 50),
    ("NSEC3PARAM", 51),
    ("TLSA", 52),
    ("SMIMEA", 53),
    ("HIP", 55),
    ("NINFO", 56),
    ("RKEY", 57),
    ("TALINK", 58),
    ("CDS", 59),
    ("CDNSKEY", 60),
    ("OPENPGPKEY", 61),
    ("CSYNC", 62),
    ("ZONEMD", 63),
    ("SVCB", 64),
    ("HTTPS", 65),
    ("DSYNC", 66),
    ("HHIT", 67),
    ("BRID", 68),
    ("SPF", 99),
    ("UINFO", 100),
    ("UID", 101),
    ("GID", 102),
    ("UNSPEC", 103),
    ("NID", 104),
    ("L32", 105),
    ("L64", 106),
    ("LP", 107),
    ("EUI48", 108),
    ("EUI64", 109),
    ("NXNAME", 128),
    ("TKEY", 249),
    ("TSIG", 250),
    ("IXFR", 251),
    ("AXFR", 252),
    ("MAILB", 253),
    ("MAILA", 254),
    ("ANY", 255),
    ("URI", 256),
    ("CAA", 257),
    ("AVC", 258),
    ("DOA", 259),
    ("AMTRELAY", 260),
    ("RESINFO", 261),
    ("WALLET", 262),
    ("TA", 32768),
    ("DLV", 32769),
];

/// Number of a type, by its name in any case, by `*` for `ANY`, or by `TYPE99` (RFC 3597 section 5).
pub(super) fn number(text: &str) -> Option<u16> {
    if text == "*" {
        return number("ANY");
    }
    let known = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    let by_number = || {
        let (prefix, number) = text.split_at_checked(4)?;
        let is_number =
            prefix.eq_ignore_ascii_case("TYPE") && number.bytes().all(|byte| byte.is_ascii_digit());
        number.parse().ok().filter(|_| is_number)
    };
    known.map(|(_, number)| *number).or_else(by_number)
}

/// Name of a type that has one.
pub(super) fn name(number: u16) -> Option<&'static str> {
    let at = NAMES.binary_search_by_key(&number, |(_, number)| *number).ok()?;
    Some(NAMES[at].0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn o4_names_and_numbers_are_in_order_and_lead_to_each_other() {
        assert!(NAMES.windows(2).all(|pair| pair[0].1 < pair[1].1));
        for (text, of_type) in NAMES {
            assert_eq!(number(text), Some(of_type), "{text}");
            assert_eq!(number(&text.to_lowercase()), Some(of_type), "{text}");
            assert_eq!(number(&format!("type{of_type}")), Some(of_type), "{text}");
            assert_eq!(name(of_type), Some(text));
        }
        assert_eq!((number("*"), number("TYPE65280")), (Some(255), Some(65280)));
        for nonsense in ["", "TYPE", "TYPE+1", "TYPE70000", "B", "TÜPE1", "MX "] {
            assert_eq!(number(nonsense), None, "{nonsense}");
        }
        assert_eq!((name(0), name(54), name(65280)), (None, None, None));
    }
}
