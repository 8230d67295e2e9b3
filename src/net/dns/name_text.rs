//! Domain names as text (RFC 1035 section 5.1).

use std::fmt::Write;

use hickory_proto::rr::{Label, Name};

/// Maximum length of a label, and of a name in wire format with its final zero, in bytes (RFC 1035 section 2.3.4).
const MAX_LABEL: usize = 63;
const MAX_NAME: usize = 255;

/// A name with its final dot. Bytes are escaped as by dig: `\DDD` in decimal, and a backslash before characters that
/// zone files give a meaning.
pub(super) fn text(name: &Name) -> String {
    let mut text = String::new();
    for label in name.iter() {
        for byte in label {
            let _ = match byte {
                b'"' | b'(' | b')' | b'.' | b';' | b'\\' | b'@' | b'$' => {
                    write!(text, "\\{}", char::from(*byte))
                }
                b'!'..=b'~' => write!(text, "{}", char::from(*byte)),
                _ => write!(text, "\\{byte:03}"),
            };
        }
        text.push('.');
    }
    if text.is_empty() { ".".to_owned() } else { text }
}

/// Parses a name. A label may have any bytes (RFC 2181 section 11); one that is not ASCII is encoded (IDNA).
///
/// # Errors
/// Fails for an empty label, for one of more than 63 bytes, for a name of more than 255 bytes, and for a bad escape.
pub(super) fn parse(text: &str) -> Result<Name, String> {
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    if text == "." {
        return Ok(Name::root());
    }
    let mut labels: Vec<Vec<u8>> = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (label, after) = label(rest)?;
        if label.is_empty() {
            return Err("one of its labels is empty".to_owned());
        }
        if label.len() > MAX_LABEL {
            let length = label.len();
            return Err(format!("a label has {length} bytes, and {MAX_LABEL} are the limit"));
        }
        labels.push(label);
        rest = after;
    }
    let length = labels.iter().map(|label| label.len() + 1).sum::<usize>() + 1;
    if length > MAX_NAME {
        return Err(format!("it has {length} bytes, and {MAX_NAME} are the limit"));
    }
    let mut name = Name::from_labels(labels).map_err(|error| error.to_string())?;
    name.set_fqdn(true);
    Ok(name)
}

/// The first label, and the text after its dot.
fn label(text: &str) -> Result<(Vec<u8>, &str), String> {
    let (mut label, mut is_plain, mut at) = (Vec::new(), true, 0);
    while let Some(letter) = text[at..].chars().next() {
        at += letter.len_utf8();
        match letter {
            '.' => break,
            '\\' => {
                is_plain = false;
                let (byte, count) = escaped(&text[at..])?;
                label.push(byte);
                at += count;
            }
            _ if letter.is_control() => {
                return Err("a control character is written as `\\DDD`".to_owned());
            }
            _ => label.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    if is_plain && !label.is_ascii() {
        let letters = String::from_utf8_lossy(&label);
        let encoded = Label::from_utf8(&letters)
            .map_err(|_| format!("`{}` has no encoding (IDNA)", letters.escape_debug()))?;
        label = encoded.to_ascii().into_bytes();
    }
    Ok((label, &text[at..]))
}

/// Byte of an escape after its backslash, and the length of the text that stands for it.
fn escaped(text: &str) -> Result<(u8, usize), String> {
    let bad = || "a backslash begins `\\DDD` with a number up to 255, or stands before a character";
    match text.as_bytes() {
        [a, b, c, ..] if [a, b, c].iter().all(|it| it.is_ascii_digit()) => {
            Ok((text[..3].parse().map_err(|_| bad())?, 3))
        }
        [byte, ..] if byte.is_ascii() && !byte.is_ascii_digit() => Ok((*byte, 1)),
        _ => Err(bad().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn o4_every_name_of_dns_is_read_and_written() {
        let table = [
            (r"Living\032Room.test", r"Living\032Room.test."),
            ("living room.test", r"living\032room.test."),
            ("1.0/25.2.0.192.in-addr.arpa.", "1.0/25.2.0.192.in-addr.arpa."),
            ("-dash.test", "-dash.test."),
            ("_http._tcp.*.test", "_http._tcp.*.test."),
            (r"a\.b.test", r"a\.b.test."),
            (r"a\046b.test", r"a\.b.test."),
            (r"\000\255\127.test", r"\000\255\127.test."),
            (r#"a@b$c(d)e;f"g.test"#, r#"a\@b\$c\(d\)e\;f\"g.test."#),
            ("bücher.test", "xn--bcher-kva.test."),
            ("_sip.bücher.test", "_sip.xn--bcher-kva.test."),
            (".", "."),
        ];
        for (typed, shown) in table {
            let name = parse(typed).unwrap_or_else(|why| panic!("{typed}: {why}"));
            assert_eq!(text(&name), shown, "{typed}");
            assert_eq!(parse(shown), Ok(name), "{shown} comes back");
        }
    }

    #[test]
    fn o4_a_text_that_is_no_name_has_a_reason() {
        let long = "x".repeat(64);
        let table = [
            ("", "empty"),
            ("a..b", "empty"),
            (".a", "empty"),
            (long.as_str(), "64 bytes"),
            (r"a\256.test", "backslash"),
            (r"a\25.test", "backslash"),
            ("a\\", "backslash"),
        ];
        for (typed, why) in table {
            let error = parse(typed).unwrap_err();
            assert!(error.contains(why), "{typed}: {error}");
        }
    }

    proptest! {
        #[test]
        fn o4_any_labels_come_back(
            labels in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..20), 1..10)
        ) {
            let mut name = Name::from_labels(labels).unwrap();
            name.set_fqdn(true);
            let back = parse(&text(&name)).unwrap();
            prop_assert_eq!(back.iter().collect::<Vec<_>>(), name.iter().collect::<Vec<_>>());
        }

        #[test]
        fn o4_any_text_is_no_panic(typed in any::<String>()) {
            let _ = parse(&typed);
        }
    }
}
