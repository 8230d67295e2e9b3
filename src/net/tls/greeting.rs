//! Protocols that answer on a port where TLS was expected, by their first bytes.

use std::fmt;

/// Protocol without TLS, recognised by the first bytes of a peer.
///
/// ```
/// use loopctl::PlainProtocol;
///
/// assert_eq!(PlainProtocol::of(b"HTTP/1.1 400 Bad Request\r\n"), Some(PlainProtocol::Http));
/// assert_eq!(PlainProtocol::of(b"SSH-2.0-OpenSSH_9.2\r\n").unwrap().to_string(), "SSH");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PlainProtocol {
    /// HTTP/1 (RFC 9112): a response, or a request.
    Http,
    /// HTTP/2 without TLS (RFC 9113): its preface, or a SETTINGS frame.
    Http2,
    /// SSH (RFC 4253).
    Ssh,
    /// SMTP (RFC 5321).
    Smtp,
    /// LMTP (RFC 2033).
    Lmtp,
    /// FTP (RFC 959).
    Ftp,
    /// A reply code that SMTP, FTP and others share (RFC 959 section 4.2).
    ReplyCode,
    /// NNTP (RFC 3977).
    Nntp,
    /// IMAP (RFC 9051).
    Imap,
    /// POP3 (RFC 1939).
    Pop3,
    /// ManageSieve (RFC 5804).
    Sieve,
    /// XMPP (RFC 6120).
    Xmpp,
    /// PostgreSQL.
    Postgres,
    /// MySQL or MariaDB.
    MySql,
    /// Redis.
    Redis,
    /// AMQP.
    Amqp,
    /// VNC (RFC 6143).
    Vnc,
    /// Telnet (RFC 854).
    Telnet,
}

impl PlainProtocol {
    /// Recognises a protocol. `None` if the bytes are those of none, or could be those of several.
    pub fn of(first_bytes: &[u8]) -> Option<Self> {
        let starts =
            |words: &[&str]| words.iter().any(|word| first_bytes.starts_with(word.as_bytes()));
        if let Some(binary) = Self::of_binary(first_bytes) {
            return Some(binary);
        }
        let line = String::from_utf8_lossy(first_bytes).to_ascii_uppercase();
        Some(match () {
            () if starts(&["HTTP/"]) || is_request(&line) => Self::Http,
            () if starts(&["PRI * HTTP/2"]) => Self::Http2,
            () if starts(&["SSH-"]) => Self::Ssh,
            () if starts(&["* OK", "* PREAUTH", "* BYE"]) => Self::Imap,
            () if starts(&["+OK"]) => Self::Pop3,
            () if starts(&["\"IMPLEMENTATION\""]) => Self::Sieve,
            () if starts(&["<?xml", "<stream:"]) => Self::Xmpp,
            () if starts(&["RFB 0"]) => Self::Vnc,
            () if starts(&["AMQP"]) => Self::Amqp,
            () if starts(&["-NOAUTH", "-DENIED", "+PONG"]) => Self::Redis,
            () if starts(&["-ERR unknown command", "-ERR Protocol error"]) => Self::Redis,
            () if starts(&["EHLO ", "HELO "]) => Self::Smtp,
            () => return Self::of_reply(first_bytes, &line),
        })
    }

    fn of_binary(bytes: &[u8]) -> Option<Self> {
        match *bytes {
            // An error message: its type, its length, and the field for the severity.
            [b'E', 0, 0, _, _, b'S' | b'V' | b'C' | b'M', ..] => Some(Self::Postgres),
            // A packet of the length in three bytes with number 0: protocol version 10, or an error.
            [_, _, 0, 0, 10, b'0'..=b'9', ..] | [_, _, 0, 0, 0xff, _, _, ..] => Some(Self::MySql),
            // A frame of type SETTINGS on stream 0.
            [0, 0, _, 4, 0 | 1, 0, 0, 0, 0, ..] => Some(Self::Http2),
            // IAC with WILL, WON'T, DO or DON'T.
            [0xff, 0xfb..=0xfe, ..] => Some(Self::Telnet),
            _ => None,
        }
    }

    /// A code of three digits, and text that may name the protocol.
    fn of_reply(bytes: &[u8], line: &str) -> Option<Self> {
        let [b'1'..=b'5', b'0'..=b'9', b'0'..=b'9', b' ' | b'-', ..] = *bytes else { return None };
        let says = |words: &[&str]| words.iter().any(|word| line.contains(word));
        Some(match () {
            () if says(&["LMTP"]) => Self::Lmtp,
            () if says(&["SMTP"]) => Self::Smtp,
            () if says(&["FTP"]) => Self::Ftp,
            () if says(&["NNTP", "INN", "POSTING"]) && line.starts_with("20") => Self::Nntp,
            () => Self::ReplyCode,
        })
    }

    /// Quote of the first bytes for a message; `None` where text of the peer must not be shown, because it is not
    /// authenticated and looks like the protocol's own (CVE-2024-10977).
    pub(super) fn quote(self, first_bytes: &[u8]) -> Option<String> {
        match self {
            Self::Postgres | Self::Telnet | Self::Http2 => None,
            Self::MySql if first_bytes.get(4) == Some(&10) => {
                let version = first_bytes[5..].split(|byte| *byte == 0).next().unwrap_or_default();
                Some(version.escape_ascii().to_string())
            }
            Self::MySql => None,
            _ => Some(first_line(first_bytes)),
        }
    }
}

/// Whether the first bytes from a peer are no record of TLS: its type, and the first byte of its version.
pub(super) fn is_plain(first_bytes: &[u8]) -> bool {
    /// Record types from change_cipher_spec to heartbeat (RFC 8446 section 5.1, RFC 6520).
    const RECORD_TYPES: std::ops::RangeInclusive<u8> = 20..=24;
    match first_bytes {
        [] => false,
        [kind] => !RECORD_TYPES.contains(kind),
        [kind, version, ..] => !RECORD_TYPES.contains(kind) || *version != 3,
    }
}

/// Whether a peer sends back the ClientHello.
pub(super) fn is_echo(first_sent: &[u8], first_bytes: &[u8]) -> bool {
    /// Length of a ClientHello up to the end of its random number, which no other one repeats.
    const HELLO: usize = 5 + 4 + 2 + 32;
    first_sent.len() >= HELLO
        && first_bytes.len() >= HELLO
        && first_bytes[..HELLO] == first_sent[..HELLO]
}

fn is_request(line: &str) -> bool {
    const METHODS: [&str; 9] =
        ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
    let (method, rest) = line.split_once(' ').unwrap_or_default();
    METHODS.contains(&method) && (rest.starts_with('/') || rest.contains("HTTP/"))
}

/// The first line that is not empty, escaped.
pub(super) fn first_line(bytes: &[u8]) -> String {
    let mut lines = bytes.split(|byte| b"\r\n".contains(byte));
    let line = lines.find(|line| !line.is_empty()).unwrap_or(bytes);
    line.escape_ascii().to_string()
}

impl fmt::Display for PlainProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "HTTP",
            Self::Http2 => "HTTP/2",
            Self::Ssh => "SSH",
            Self::Smtp => "SMTP",
            Self::Lmtp => "LMTP",
            Self::Ftp => "FTP",
            Self::ReplyCode => "a protocol with reply codes, such as SMTP or FTP",
            Self::Nntp => "NNTP",
            Self::Imap => "IMAP",
            Self::Pop3 => "POP3",
            Self::Sieve => "ManageSieve",
            Self::Xmpp => "XMPP",
            Self::Postgres => "PostgreSQL",
            Self::MySql => "MySQL",
            Self::Redis => "Redis",
            Self::Amqp => "AMQP",
            Self::Vnc => "VNC",
            Self::Telnet => "Telnet",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::PlainProtocol as Plain;
    use super::*;

    #[test]
    fn protocols_are_recognised_by_their_first_bytes() {
        let cases: [(&[u8], Option<Plain>); 34] = [
            (b"HTTP/1.0 400 Bad request\r\n", Some(Plain::Http)),
            (b"GET /index.html HTTP/1.1\r\n", Some(Plain::Http)),
            (b"CONNECT a.test:443 HTTP/1.1\r\n", Some(Plain::Http)),
            (b"PRI * HTTP/2.0\r\n\r\nSM", Some(Plain::Http2)),
            (b"\0\0\x12\x04\0\0\0\0\0\0\x03", Some(Plain::Http2)),
            (b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", Some(Plain::Ssh)),
            (b"220 mx.test ESMTP Postfix\r\n", Some(Plain::Smtp)),
            (b"220-mx.test esmtp\r\n220 b\r\n", Some(Plain::Smtp)),
            (b"554 no smtp service for you\r\n", Some(Plain::Smtp)),
            (b"220 mail.test LMTP Dovecot ready\r\n", Some(Plain::Lmtp)),
            (b"220 (vsFTPd 3.0.3)\r\n", Some(Plain::Ftp)),
            (b"220 ready\r\n", Some(Plain::ReplyCode)),
            (b"421 busy\r\n", Some(Plain::ReplyCode)),
            (b"200 news.test InterNetNews ready (posting ok)\r\n", Some(Plain::Nntp)),
            (b"* OK [CAPABILITY IMAP4rev1] ready\r\n", Some(Plain::Imap)),
            (b"* BYE overloaded\r\n", Some(Plain::Imap)),
            (b"+OK POP3 ready\r\n", Some(Plain::Pop3)),
            (b"\"IMPLEMENTATION\" \"Dovecot\"\r\n", Some(Plain::Sieve)),
            (b"<?xml version='1.0'?><stream:stream", Some(Plain::Xmpp)),
            (b"E\0\0\0\x8eSFATAL\0", Some(Plain::Postgres)),
            (b"J\0\0\0\n8.0.36\0\x08\0\0\0", Some(Plain::MySql)),
            (b"E\0\0\0\xffj\x04Host '192.0.2.1' is not allowed", Some(Plain::MySql)),
            (b"-NOAUTH Authentication required.\r\n", Some(Plain::Redis)),
            (b"-ERR unknown command `x`\r\n", Some(Plain::Redis)),
            (b"AMQP\0\0\x09\x01", Some(Plain::Amqp)),
            (b"RFB 003.008\n", Some(Plain::Vnc)),
            (b"\xff\xfd\x18\xff\xfd\x20", Some(Plain::Telnet)),
            (b"EHLO a.test\r\n", Some(Plain::Smtp)),
            // Redis says this, and so does POP3 when it is busy.
            (b"-ERR busy\r\n", None),
            (b"hello\n", None),
            (b"GETTING ready\n", None),
            (b"2200 cows\n", None),
            (b"", None),
            (b"\0\0\0\0", None),
        ];
        for (bytes, expected) in cases {
            assert_eq!(Plain::of(bytes), expected, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn quotes_are_one_line_without_control_characters() {
        assert_eq!(
            Plain::Http.quote(b"HTTP/1.1 400 \x1b[2J\r\nX: y").unwrap(),
            "HTTP/1.1 400 \\x1b[2J"
        );
        assert_eq!(Plain::MySql.quote(b"J\0\0\0\n8.0.36\0\x08").unwrap(), "8.0.36");
        assert_eq!(Plain::Postgres.quote(b"E\0\0\0\x8eSFATAL\0"), None);
        assert_eq!(first_line(b"\r\n\r\nready\r\n"), "ready");
    }
}
