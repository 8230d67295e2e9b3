//! Alerts of TLS (RFC 8446 section 6).

use std::fmt;

/// Defines [`TlsAlert`] from one table: variant, number and name of the IANA registry, and meaning.
macro_rules! alerts {
    ($($variant:ident = $number:literal, $name:literal, $meaning:literal;)*) => {
        /// Description of a TLS alert, by its registered number and name (RFC 8446 section 6).
        ///
        /// ```
        /// use loopctl::TlsAlert;
        ///
        /// let alert = TlsAlert::from(48);
        /// assert_eq!(alert, TlsAlert::UnknownCa);
        /// assert_eq!((alert.number(), alert.name()), (48, Some("unknown_ca")));
        /// assert_eq!(TlsAlert::from(200).to_string(), "alert 200");
        /// ```
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum TlsAlert {
            $(#[doc = concat!("`", $name, "`: ", $meaning, ".")] $variant,)*
            /// A number without a registered name.
            Unknown(u8),
        }

        impl From<u8> for TlsAlert {
            fn from(number: u8) -> Self {
                match number {
                    $($number => Self::$variant,)*
                    number => Self::Unknown(number),
                }
            }
        }

        impl TlsAlert {
            /// The registered number, as it is sent.
            pub fn number(self) -> u8 {
                match self {
                    $(Self::$variant => $number,)*
                    Self::Unknown(number) => number,
                }
            }

            /// The meaning as a clause, such as `no set of parameters is acceptable to both sides`.
            pub fn meaning(self) -> Option<&'static str> {
                match self {
                    $(Self::$variant => Some($meaning),)*
                    Self::Unknown(_) => None,
                }
            }

            /// The registered name, such as `handshake_failure`.
            pub fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$variant => Some($name),)*
                    Self::Unknown(_) => None,
                }
            }
        }
    };
}

alerts! {
    CloseNotify = 0, "close_notify", "the sender sends no more data";
    UnexpectedMessage = 10, "unexpected_message", "a message came out of turn";
    BadRecordMac = 20, "bad_record_mac", "a record cannot be decrypted";
    DecryptionFailed = 21, "decryption_failed", "a record cannot be decrypted (TLS 1.0)";
    RecordOverflow = 22, "record_overflow", "a record is too long";
    DecompressionFailure = 30, "decompression_failure", "a record cannot be decompressed (TLS 1.2)";
    HandshakeFailure = 40, "handshake_failure", "no set of parameters is acceptable to both sides";
    NoCertificate = 41, "no_certificate", "no certificate is available (SSL 3.0)";
    BadCertificate = 42, "bad_certificate", "a certificate is corrupt or its signature is wrong";
    UnsupportedCertificate = 43, "unsupported_certificate", "the certificate's type is not supported";
    CertificateRevoked = 44, "certificate_revoked", "the issuer has revoked the certificate";
    CertificateExpired = 45, "certificate_expired", "the certificate has expired or is not valid yet";
    CertificateUnknown = 46, "certificate_unknown", "the certificate is unacceptable for another reason";
    IllegalParameter = 47, "illegal_parameter", "a field of the handshake is out of range or inconsistent";
    UnknownCa = 48, "unknown_ca", "the chain does not lead to a trusted authority";
    AccessDenied = 49, "access_denied", "the certificate is valid, and access is denied";
    DecodeError = 50, "decode_error", "a message cannot be decoded";
    DecryptError = 51, "decrypt_error", "a signature or a Finished message is wrong";
    ExportRestriction = 60, "export_restriction", "export rules are violated (TLS 1.0)";
    ProtocolVersion = 70, "protocol_version", "the version offered is recognised and not supported";
    InsufficientSecurity = 71, "insufficient_security", "the server requires more secure parameters";
    InternalError = 80, "internal_error", "an error unrelated to the peer or the protocol";
    InappropriateFallback = 86, "inappropriate_fallback", "the client retries with a lower version needlessly (RFC 7507)";
    UserCanceled = 90, "user_canceled", "the handshake is cancelled for a reason outside the protocol";
    NoRenegotiation = 100, "no_renegotiation", "renegotiation is refused (TLS 1.2)";
    MissingExtension = 109, "missing_extension", "a mandatory extension is missing";
    UnsupportedExtension = 110, "unsupported_extension", "an extension was not offered or is not allowed there";
    CertificateUnobtainable = 111, "certificate_unobtainable", "a certificate cannot be fetched from its URL (RFC 6066)";
    UnrecognizedName = 112, "unrecognized_name", "no server has the name of the SNI extension (RFC 6066)";
    BadCertificateStatusResponse = 113, "bad_certificate_status_response", "the OCSP response is invalid (RFC 6066)";
    BadCertificateHashValue = 114, "bad_certificate_hash_value", "the hash of a certificate does not match (RFC 6066)";
    UnknownPskIdentity = 115, "unknown_psk_identity", "no acceptable PSK identity was offered";
    CertificateRequired = 116, "certificate_required", "a client certificate is required and was not sent";
    NoApplicationProtocol = 120, "no_application_protocol", "no protocol of the ALPN extension is supported (RFC 7301)";
    EchRequired = 121, "ech_required", "encrypted Client Hello was required and rejected (RFC 9849)";
}

/// The registered name, or the number.
impl fmt::Display for TlsAlert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "alert {}", self.number()),
        }
    }
}

impl From<rustls::AlertDescription> for TlsAlert {
    fn from(alert: rustls::AlertDescription) -> Self {
        Self::from(u8::from(alert))
    }
}

/// Alert at the end of a flight: a plaintext record of type 21 with a level and a description (RFC 8446 section 6).
/// Encrypted alerts have another record type.
pub(super) fn plaintext_alert(flight: &[u8]) -> Option<TlsAlert> {
    match flight.last_chunk()? {
        [21, 3, _, 0, 2, _, description] => Some(TlsAlert::from(*description)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_agree_with_those_of_rustls() {
        for number in 0..=u8::MAX {
            let (ours, theirs) = (TlsAlert::from(number), rustls::AlertDescription::from(number));
            assert_eq!(ours.number(), number);
            let theirs = format!("{theirs:?}").to_ascii_lowercase();
            let Some(name) = ours.name() else {
                assert!(
                    theirs.starts_with("alertdescription(0x") || theirs.starts_with("unknown"),
                    "{number}: {theirs}"
                );
                continue;
            };
            let spelled = theirs
                .replace("unrecognised", "unrecognized")
                .replace("encryptedclienthello", "ech");
            assert_eq!(name.replace('_', ""), spelled, "{number}");
        }
    }

    #[test]
    fn an_alert_is_found_at_the_end_of_a_flight() {
        let flight = [22, 3, 3, 0, 1, 0, 21, 3, 3, 0, 2, 2, 70];
        assert_eq!(plaintext_alert(&flight), Some(TlsAlert::ProtocolVersion));
        assert_eq!(plaintext_alert(&flight[6..]), Some(TlsAlert::ProtocolVersion));
        assert_eq!(plaintext_alert(&flight[..12]), None);
        assert_eq!(plaintext_alert(&[23, 3, 3, 0, 2, 2, 70]), None, "encrypted");
        assert_eq!(plaintext_alert(&[]), None);
    }
}
