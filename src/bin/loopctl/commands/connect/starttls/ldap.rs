//! StartTLS of LDAP (RFC 4511, section 4.14).

use std::io;

use super::Greeting;
use super::dialogue::{Dialogue, refused, unexpected_bytes};
use crate::util::units;

/// Object identifier of the request.
const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";
/// Object identifier of a Notice of Disconnection (RFC 4511, section 4.4.1).
const DISCONNECTION: &[u8] = b"1.3.6.1.4.1.1466.20036";

/// An extended request, and its response.
pub(super) async fn speak(dialogue: &mut Dialogue<'_>) -> io::Result<Greeting> {
    const REQUEST: [u8; 9] = [0x30, 0x1d, 0x02, 0x01, 0x01, 0x77, 0x18, 0x80, 0x16];
    const MAX_LENGTH: usize = 64 * 1024;
    dialogue.send(&[&REQUEST, START_TLS].concat()).await?;
    let odd = || refused("the server's answer is not LDAP");
    let head = dialogue.bytes(2).await?;
    if head[0] != 0x30 {
        return Err(unexpected_bytes(&[head, dialogue.rest().await].concat()));
    }
    let mut length = usize::from(head[1]);
    if head[1] & 0x80 != 0 {
        // Because the long form of a length begins with the number of its bytes.
        let digits = dialogue.bytes(usize::from(head[1] & 0x7f).min(8)).await?;
        length = digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit));
    }
    if length > MAX_LENGTH {
        return Err(odd());
    }
    let message = dialogue.bytes(length).await?;
    let response = Response::read(&message).ok_or_else(odd)?;
    match (response.is_disconnection, response.code) {
        (false, 0) => Ok(None),
        (true, _) => Err(refused(format!(
            "the server disconnects (Notice of Disconnection): {}",
            response.text()
        ))),
        (false, _) => Err(refused(format!("the server refuses StartTLS: {}", response.text()))),
    }
}

/// ExtendedResponse (RFC 4511, section 4.12).
struct Response {
    code: u8,
    message: String,
    is_disconnection: bool,
}

impl Response {
    fn read(message: &[u8]) -> Option<Self> {
        let (_, rest) = element(message, 0x02)?;
        let (response, _) = element(rest, 0x78)?;
        let (code, rest) = element(response, 0x0a)?;
        let &[code] = code else { return None };
        // A server may leave out what follows the code.
        let parts = element(rest, 0x04).and_then(|(_, rest)| element(rest, 0x04));
        let (text, mut rest) = parts.unwrap_or_default();
        if let Some((_, after)) = element(rest, 0xa3) {
            // Referrals.
            rest = after;
        }
        let name = element(rest, 0x8a).map(|(name, _)| name);
        Some(Self {
            code,
            message: units::printable(&String::from_utf8_lossy(text)),
            is_disconnection: name == Some(DISCONNECTION),
        })
    }

    /// Name, number and message.
    fn text(&self) -> String {
        let code = match result_name(self.code) {
            Some(name) => format!("{name} (result code {})", self.code),
            None => format!("result code {}", self.code),
        };
        match self.message.trim() {
            "" => code,
            message => {
                const MAX_CHARS: usize = 300;
                let message: String = message.chars().take(MAX_CHARS).collect();
                format!("{code}: `{message}`")
            }
        }
    }
}

/// Names of result codes (RFC 4511, section 4.1.9).
fn result_name(code: u8) -> Option<&'static str> {
    Some(match code {
        0 => "success",
        1 => "operationsError",
        2 => "protocolError",
        3 => "timeLimitExceeded",
        4 => "sizeLimitExceeded",
        5 => "compareFalse",
        6 => "compareTrue",
        7 => "authMethodNotSupported",
        8 => "strongerAuthRequired",
        10 => "referral",
        11 => "adminLimitExceeded",
        12 => "unavailableCriticalExtension",
        13 => "confidentialityRequired",
        14 => "saslBindInProgress",
        16 => "noSuchAttribute",
        17 => "undefinedAttributeType",
        18 => "inappropriateMatching",
        19 => "constraintViolation",
        20 => "attributeOrValueExists",
        21 => "invalidAttributeSyntax",
        32 => "noSuchObject",
        33 => "aliasProblem",
        34 => "invalidDNSyntax",
        36 => "aliasDereferencingProblem",
        48 => "inappropriateAuthentication",
        49 => "invalidCredentials",
        50 => "insufficientAccessRights",
        51 => "busy",
        52 => "unavailable",
        53 => "unwillingToPerform",
        54 => "loopDetect",
        64 => "namingViolation",
        65 => "objectClassViolation",
        66 => "notAllowedOnNonLeaf",
        67 => "notAllowedOnRDN",
        68 => "entryAlreadyExists",
        69 => "objectClassModsProhibited",
        71 => "affectsMultipleDSAs",
        80 => "other",
        _ => return None,
    })
}

/// The contents of the first element, which has this tag, and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[own, first], rest) = bytes.split_first_chunk()?;
    let (length, rest) = match first {
        0x80.. => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f).min(8))?;
            (digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)), rest)
        }
        length => (usize::from(length), rest),
    };
    rest.split_at_checked(length).filter(|_| own == tag)
}
