//! What a certificate says.

use std::net::IpAddr;

use sha2::{Digest, Sha256};
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::serve::report::Certificate;

impl Certificate {
    /// Of one in DER. What cannot be read has a fingerprint all the same.
    pub(crate) fn of(der: &[u8]) -> Self {
        let sha256 = Sha256::digest(der).iter().map(|byte| format!("{byte:02x}")).collect();
        let Ok(parsed) = x509_cert::Certificate::from_der(der) else {
            return Self { subject: None, names: Vec::new(), sha256 };
        };
        let certified = parsed.tbs_certificate();
        let alternatives = certified.get_extension::<SubjectAltName>().ok().flatten();
        let names = alternatives.map_or_else(Vec::new, |(_, names)| names.0);
        Self {
            subject: Some(certified.subject().to_string()),
            names: names.iter().filter_map(name).collect(),
            sha256,
        }
    }
}

/// Of a host or an address.
fn name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(name.to_string()),
        GeneralName::IpAddress(octets) => {
            let octets = octets.as_bytes();
            let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
            v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from))
                .ok()
                .map(|ip| ip.to_string())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_read_and_the_whole_is_hashed() {
        let names = ["a.example", "*.b.example", "192.0.2.1", "2001:db8::1"].map(str::to_owned);
        let made = rcgen::generate_simple_self_signed(names.to_vec()).unwrap();
        let told = Certificate::of(made.cert.der());
        assert_eq!(told.names, names);
        assert_eq!(told.subject.as_deref(), Some("CN=rcgen self signed cert"));
        assert_eq!(told.sha256.len(), 64);
    }

    #[test]
    fn what_is_no_certificate_has_a_fingerprint() {
        let told = Certificate::of(b"abc");
        // FIPS 180-2, appendix B.1.
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!((told.subject, &told.names[..], &told.sha256[..]), (None, &[][..], sha256));
    }
}
