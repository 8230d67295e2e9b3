//! Self-signed certificates for one run, so that TLS works without a certificate file.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime};

use loopctl::plan::{Host, Target};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, Error, ExtendedKeyUsagePurpose, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

use crate::config::ListenSpec;
use crate::config::environment::Environment;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Validity of a generated certificate.
const LIFETIME: Duration = DAY.saturating_mul(90);

/// A name that no host has (RFC 6761, section 6.4).
const ANOTHER_NAME: &str = "another-name.invalid";

/// Generates certificates for one key.
pub(super) struct Generator {
    key: KeyPair,
    names: Vec<String>,
    /// Since the Unix epoch.
    now: Duration,
}

/// Certificate chain and private key, in PEM.
pub(super) struct Identity {
    pub(super) chain: String,
    pub(super) key: String,
}

impl Generator {
    /// Makes a key for all names under which clients may reach these addresses.
    pub(super) fn new(specs: &[ListenSpec]) -> Result<Self, Error> {
        let now = Environment::wall_clock().duration_since(SystemTime::UNIX_EPOCH);
        Ok(Self {
            key: KeyPair::generate()?,
            names: names(specs, Environment::host_name()),
            now: now.unwrap_or_default(),
        })
    }

    /// A valid certificate.
    pub(super) fn regular(&self) -> Result<Identity, Error> {
        // Valid since yesterday, because a client's clock may be slow.
        self.identity("loopctl, for one run", &self.names, self.now.saturating_sub(DAY))
    }

    /// A certificate for `tls-wrong-name`.
    pub(super) fn for_another_name(&self) -> Result<Identity, Error> {
        let names = [ANOTHER_NAME.to_owned()];
        self.identity("loopctl, for another name", &names, self.now.saturating_sub(DAY))
    }

    /// A certificate for `tls-expired`, valid until yesterday.
    pub(super) fn expired(&self) -> Result<Identity, Error> {
        self.identity("loopctl, expired", &self.names, self.now.saturating_sub(LIFETIME + DAY))
    }

    /// All certificates share the key. Their organizations differ, because clients look up issuers by subject.
    fn identity(&self, by: &str, names: &[String], from: Duration) -> Result<Identity, Error> {
        let mut params = CertificateParams::new(names)?;
        let mut subject = DistinguishedName::new();
        subject.push(DnType::CommonName, names.first().map_or("localhost", |name| name));
        subject.push(DnType::OrganizationName, by);
        params.distinguished_name = subject;
        params.not_before = date_time_ymd(1970, 1, 1) + from;
        params.not_after = date_time_ymd(1970, 1, 1) + from + LIFETIME;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let chain = params.self_signed(&self.key)?.pem();
        Ok(Identity { chain, key: self.key.serialize_pem() })
    }
}

/// Names for the certificate, each once: loopback, the hosts of ADDR as typed, and the name of this host.
fn names(specs: &[ListenSpec], host_name: Option<String>) -> Vec<String> {
    let loopback =
        ["localhost".to_owned(), Ipv4Addr::LOCALHOST.to_string(), Ipv6Addr::LOCALHOST.to_string()];
    let hosts = specs.iter().filter_map(|spec| match &spec.target {
        Target::Tcp(Host::Name(name), _) => Some(name.clone()),
        Target::Tcp(Host::Literal(ip), _) if !ip.is_unspecified() => Some(ip.to_string()),
        _ => None,
    });
    let all = loopback.into_iter().chain(hosts).chain(host_name);
    // A subjectAltName has neither zone identifiers nor characters beyond ASCII.
    let mut names: Vec<String> = Vec::new();
    for name in all.filter(|name| name.is_ascii() && !name.is_empty() && !name.contains('%')) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(text: &str) -> ListenSpec {
        ListenSpec { text: text.to_owned(), target: text.parse().unwrap(), is_wildcard: false }
    }

    #[test]
    fn the_certificate_has_all_names_of_the_listeners() {
        let specs = ["a.example:1", "192.0.2.1:2", "localhost:3", "[::]:4", "unix:/tmp/x"];
        let names = names(&specs.map(spec), Some("box".to_owned()));
        let expected = ["localhost", "127.0.0.1", "::1", "a.example", "192.0.2.1", "box"];
        assert_eq!(names, expected);
    }

    #[test]
    fn names_that_a_certificate_cannot_have_are_left_out() {
        let names = names(&[spec("[fe80::1%lo]:1")], Some("bücher".to_owned()));
        assert_eq!(names, ["localhost", "127.0.0.1", "::1"]);
    }
}
