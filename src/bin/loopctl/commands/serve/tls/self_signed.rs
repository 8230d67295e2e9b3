//! A certificate for one run: nobody has to make one before TLS can be tried.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime};

use loopctl::plan::{Host, Target};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, Error, ExtendedKeyUsagePurpose, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

use crate::config::Place;
use crate::config::environment::Environment;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long it is good for.
const LIFE: Duration = DAY.saturating_mul(90);

/// Nobody has this name (RFC 6761, section 6.4).
const ANOTHER_NAME: &str = "another-name.invalid";

/// A key, and the names that it stands for.
pub(super) struct Made {
    key: KeyPair,
    names: Vec<String>,
    /// Since 1970.
    now: Duration,
}

/// A certificate, and its key, in PEM.
pub(super) struct Papers {
    pub(super) chain: String,
    pub(super) key: String,
}

impl Made {
    /// For all names by which a client may come to these places.
    pub(super) fn new(places: &[Place]) -> Result<Self, Error> {
        let now = Environment::wall_clock().duration_since(SystemTime::UNIX_EPOCH);
        let (key, now) = (KeyPair::generate()?, now.unwrap_or_default());
        Ok(Self { key, names: names(places, Environment::host_name()), now })
    }

    pub(super) fn usual(&self) -> Result<Papers, Error> {
        // A client's clock may be slow.
        self.papers("loopctl, for one run", &self.names, self.now.saturating_sub(DAY))
    }

    pub(super) fn for_another_name(&self) -> Result<Papers, Error> {
        let names = [ANOTHER_NAME.to_owned()];
        self.papers("loopctl, for another name", &names, self.now.saturating_sub(DAY))
    }

    pub(super) fn expired(&self) -> Result<Papers, Error> {
        // Until yesterday.
        self.papers("loopctl, expired", &self.names, self.now.saturating_sub(LIFE + DAY))
    }

    /// All have the same key. The organization differs, so that clients cannot take one for the other.
    fn papers(&self, by: &str, names: &[String], from: Duration) -> Result<Papers, Error> {
        let mut params = CertificateParams::new(names)?;
        let mut subject = DistinguishedName::new();
        subject.push(DnType::CommonName, names.first().map_or("localhost", |name| name));
        subject.push(DnType::OrganizationName, by);
        params.distinguished_name = subject;
        params.not_before = date_time_ymd(1970, 1, 1) + from;
        params.not_after = date_time_ymd(1970, 1, 1) + from + LIFE;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let chain = params.self_signed(&self.key)?.pem();
        Ok(Papers { chain, key: self.key.serialize_pem() })
    }
}

/// Those of loopback always, each once. Hosts are named as they were typed.
fn names(places: &[Place], host_name: Option<String>) -> Vec<String> {
    let loopback = ["localhost".to_owned()].into_iter();
    let loopback =
        loopback.chain([Ipv4Addr::LOCALHOST.to_string(), Ipv6Addr::LOCALHOST.to_string()]);
    let hosts = places.iter().filter_map(|place| match &place.target {
        Target::Tcp(Host::Name(name), _) => Some(name.clone()),
        Target::Tcp(Host::Literal(ip), _) if !ip.is_unspecified() => Some(ip.to_string()),
        _ => None,
    });
    let all = loopback.chain(hosts).chain(host_name);
    // Certificates know neither zones of addresses nor letters beyond ASCII.
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

    fn place(text: &str) -> Place {
        Place { text: text.to_owned(), target: text.parse().unwrap(), everywhere: false }
    }

    #[test]
    fn it_is_for_all_names_by_which_clients_may_come() {
        let places = ["a.example:1", "192.0.2.1:2", "localhost:3", "[::]:4", "unix:/tmp/x"];
        let names = names(&places.map(place), Some("box".to_owned()));
        let expected = ["localhost", "127.0.0.1", "::1", "a.example", "192.0.2.1", "box"];
        assert_eq!(names, expected);
    }

    #[test]
    fn what_no_certificate_can_name_is_left_out() {
        let names = names(
            &[place("fe80::1%lo:1".replace("fe80::1%lo", "[fe80::1%lo]").as_str())],
            Some("bücher".to_owned()),
        );
        assert_eq!(names, ["localhost", "127.0.0.1", "::1"]);
    }
}
