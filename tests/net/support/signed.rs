//! Zones signed here and now, well and badly, with a root of their own, and NSD in charge of all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hickory_proto::dnssec::crypto::{EcdsaSigningKey, RsaSigningKey};
use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData, DS, NSEC, NSEC3, NSEC3PARAM, RRSIG};
use hickory_proto::dnssec::{
    Algorithm, DigestType, DnssecSigner, Nsec3HashAlgorithm, PublicKeyBuf, SigningKey,
};
use hickory_proto::rr::rdata::NULL;
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordSet, RecordType};
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder};
use hickory_proto::serialize::txt::Parser;
use time::OffsetDateTime;

use crate::skip::has_program;

const TTL: u32 = 60;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How a zone denies names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Denial {
    Nsec,
    Nsec3,
    /// NSEC3 with the opt-out flag.
    OptOut,
}

/// How a zone is signed.
struct Signing {
    algorithm: Algorithm,
    denial: Denial,
    /// How many days from now signatures begin, and how many they last.
    days: (i64, u32),
}

const WELL: Signing =
    Signing { algorithm: Algorithm::ECDSAP256SHA256, denial: Denial::Nsec, days: (-1, 30) };
const WITH_OPT_OUT: Signing = Signing { denial: Denial::OptOut, ..WELL };
const WITH_RSA: Signing = Signing { algorithm: Algorithm::RSASHA256, ..WELL };
const WITH_RSA_AND_NSEC3: Signing = Signing { algorithm: Algorithm::RSASHA512, ..WITH_NSEC3 };
/// Key of the zones with RSA; ring makes none.
const RSA_KEY: &[u8] = include_bytes!("rsa2048.pk8");
const WITH_NSEC3: Signing = Signing { denial: Denial::Nsec3, ..WELL };
const EXPIRED: Signing = Signing { days: (-20, 10), ..WELL };
const EARLY: Signing = Signing { days: (3, 10), ..WELL };

struct Key {
    algorithm: Algorithm,
    pkcs8: Vec<u8>,
    dnskey: DNSKEY,
}

impl Key {
    fn new(flags: u16, algorithm: Algorithm) -> Self {
        let pkcs8 = match algorithm {
            Algorithm::ECDSAP256SHA256 => {
                let pkcs8 = EcdsaSigningKey::generate_pkcs8(algorithm).unwrap();
                pkcs8.secret_pkcs8_der().to_vec()
            }
            _ => RSA_KEY.to_vec(),
        };
        let public: PublicKeyBuf = signing_key(&pkcs8, algorithm).to_public_key().unwrap();
        Self { algorithm, pkcs8, dnskey: DNSKEY::with_flags(flags, public) }
    }

    fn signature(&self, zone: &Name, set: &RecordSet, days: (i64, u32)) -> RRSIG {
        let key = signing_key(&self.pkcs8, self.algorithm);
        let signer = DnssecSigner::new(self.dnskey.clone(), key, zone.clone(), DAY * days.1);
        let inception = OffsetDateTime::now_utc() + time::Duration::days(days.0);
        RRSIG::from_rrset(set, DNSClass::IN, inception, &signer).unwrap()
    }

    fn ds(&self, zone: &Name) -> DS {
        let (digest, tag) = (DigestType::SHA256, self.dnskey.calculate_key_tag().unwrap());
        let bytes = self.dnskey.to_digest(zone, digest).unwrap().as_ref().to_vec();
        DS::new(tag, self.algorithm, digest, bytes)
    }
}

fn signing_key(pkcs8: &[u8], algorithm: Algorithm) -> Box<dyn SigningKey> {
    let der = pkcs8.into();
    match algorithm {
        Algorithm::ECDSAP256SHA256 => {
            Box::new(EcdsaSigningKey::from_pkcs8(&der, algorithm).unwrap())
        }
        _ => Box::new(RsaSigningKey::from_pkcs8(&der, algorithm).unwrap()),
    }
}

/// The keys of a zone: one vouches for the other, which signs.
struct Keys {
    vouching: Key,
    signing: Key,
}

impl Keys {
    fn new(algorithm: Algorithm) -> Self {
        Self { vouching: Key::new(257, algorithm), signing: Key::new(256, algorithm) }
    }
}

type Sets = BTreeMap<(Name, RecordType), RecordSet>;

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn sets(zone: &Name, text: &str) -> Sets {
    let start = format!("$TTL {TTL}\n@ SOA ns.test. me.test. 1 2 3 4 5\n@ NS ns.test.\n");
    let parser = Parser::new(start + text, None, Some(zone.clone()));
    let sets = parser.parse().unwrap().1.into_values();
    sets.map(|set| ((set.name().clone(), set.record_type()), set)).collect()
}

fn insert(sets: &mut Sets, owner: &Name, data: DNSSECRData) {
    let record = Record::from_rdata(owner.clone(), TTL, RData::DNSSEC(data));
    let key = (owner.clone(), record.record_type());
    let set = sets.entry(key).or_insert_with_key(|(name, record_type)| {
        RecordSet::with_ttl(name.clone(), *record_type, TTL)
    });
    set.insert(record, 1);
}

/// Adds keys, denials and signatures to a zone.
fn sign(zone: &Name, sets: &mut Sets, keys: &Keys, how: &Signing) {
    for key in [&keys.vouching, &keys.signing] {
        insert(sets, zone, DNSSECRData::DNSKEY(key.dnskey.clone()));
    }
    let is_delegated = |sets: &Sets, owner: &Name| {
        owner != zone && sets.contains_key(&(owner.clone(), RecordType::NS))
    };
    let owners: BTreeSet<Name> = sets.keys().map(|(owner, _)| owner.clone()).collect();
    let types = |sets: &Sets, owner: &Name| -> Vec<RecordType> {
        let of_owner = sets.keys().filter(|(name, _)| name == owner);
        of_owner.map(|(_, record_type)| *record_type).collect()
    };
    match how.denial {
        Denial::Nsec => {
            let next = owners.iter().cycle().skip(1);
            for (owner, next) in owners.iter().zip(next) {
                let mut types = types(sets, owner);
                types.extend([RecordType::NSEC, RecordType::RRSIG]);
                let nsec = NSEC::new(next.clone(), types);
                insert(sets, owner, DNSSECRData::NSEC(nsec));
            }
        }
        Denial::Nsec3 | Denial::OptOut => {
            let opt_out = how.denial == Denial::OptOut;
            let hash = Nsec3HashAlgorithm::SHA1;
            let parameters = NSEC3PARAM::new(hash, false, 0, Vec::new());
            insert(sets, zone, DNSSECRData::NSEC3PARAM(parameters));
            let hashed: BTreeMap<Vec<u8>, &Name> = owners
                .iter()
                .map(|owner| (hash.hash(&[], owner, 0).unwrap().as_ref().to_vec(), owner))
                .collect();
            let next = hashed.keys().cycle().skip(1);
            for ((own, owner), next) in hashed.iter().zip(next) {
                let mut types = types(sets, owner);
                if !is_delegated(sets, owner) || types.contains(&RecordType::DS) {
                    types.push(RecordType::RRSIG);
                }
                let nsec3 = NSEC3::new(hash, opt_out, 0, Vec::new(), next.clone(), types);
                let label = name(&base32hex(own)).append_domain(zone).unwrap();
                insert(sets, &label, DNSSECRData::NSEC3(nsec3));
            }
        }
    }
    let mut signatures = Vec::new();
    for ((owner, record_type), set) in &*sets {
        let is_ours =
            !is_delegated(sets, owner) || matches!(record_type, RecordType::DS | RecordType::NSEC);
        if is_ours {
            let key =
                if *record_type == RecordType::DNSKEY { &keys.vouching } else { &keys.signing };
            signatures.push((owner.clone(), key.signature(zone, set, how.days)));
        }
    }
    for (owner, signature) in signatures {
        let covered = signature.input().type_covered;
        let record =
            Record::from_rdata(owner.clone(), TTL, RData::DNSSEC(DNSSECRData::RRSIG(signature)));
        sets.get_mut(&(owner, covered)).unwrap().insert_rrsig(record);
    }
}

/// RFC 4648 section 7, in lower case and without padding: 20 bytes have none.
fn base32hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
    let mut text = String::new();
    for five in bytes.chunks(5) {
        let bits = five.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        for at in (0..8).rev() {
            text.push(char::from(DIGITS[(bits >> (5 * at) & 31) as usize]));
        }
    }
    text
}

/// A zone file in which all data is bytes (RFC 3597), so that nobody's text forms matter.
fn zone_file(sets: &Sets) -> String {
    let mut text = String::new();
    for record in sets.values().flat_map(|set| set.records_with_rrsigs()) {
        let mut data = Vec::new();
        let mut encoder = BinEncoder::new(&mut data);
        encoder.set_canonical_form(true);
        record.data.emit(&mut encoder).unwrap();
        let hex: String = data.iter().map(|byte| format!("{byte:02x}")).collect();
        let kind = u16::from(record.record_type());
        let owner = record.name.to_ascii();
        writeln!(text, "{owner} {TTL} IN TYPE{kind} \\# {} {hex}", data.len()).unwrap();
    }
    text
}

/// NSD with all zones.
pub(crate) struct Signed {
    pub(crate) address: SocketAddr,
    /// The root's key, as a zone file has it.
    pub(crate) anchor: String,
    /// The digest of the same key.
    pub(crate) anchor_ds: String,
    /// The key of `test.`, as if that were an island.
    pub(crate) island: String,
    pub(crate) folder: tempfile::TempDir,
    child: Child,
}

impl Drop for Signed {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What each zone below `test.` is.
fn children() -> Vec<(&'static str, Option<Signing>)> {
    vec![
        ("signed.test.", Some(WELL)),
        ("nsec3.test.", Some(WITH_NSEC3)),
        ("optout.test.", Some(WITH_OPT_OUT)),
        ("rsa.test.", Some(WITH_RSA)),
        ("rsa3.test.", Some(WITH_RSA_AND_NSEC3)),
        ("wild.test.", Some(WELL)),
        ("wild3.test.", Some(WITH_NSEC3)),
        ("expired.test.", Some(EXPIRED)),
        ("early.test.", Some(EARLY)),
        // The parent has the DS of another key.
        ("wrongkey.test.", Some(WELL)),
        // The address has been changed since.
        ("tampered.test.", Some(WELL)),
        // The parent has a DS.
        ("stripped.test.", None),
        ("plain.test.", None),
        // Signed, but the parent has no DS.
        ("island.test.", Some(WELL)),
        // The parent has a DS of an algorithm that nobody knows.
        ("unknown.test.", Some(WELL)),
    ]
}

const NAMES: &str = "www A 192.0.2.1\nwww AAAA 2001:db8::1\nalias CNAME www\n\
    out CNAME www.plain.test.\nnowhere CNAME nothing.signed.test.\n";

impl Signed {
    /// `None` where there is no NSD; it is said.
    pub(crate) fn start() -> Option<Self> {
        if !has_program("nsd") {
            return None;
        }
        let (root, test) = (Keys::new(WELL.algorithm), Keys::new(WELL.algorithm));
        let mut zones: Vec<(String, Sets)> = Vec::new();
        let mut delegations = String::new();
        let mut vouched: Vec<(Name, DS)> = Vec::new();
        for (zone, signing) in children() {
            let algorithm = signing.as_ref().map_or(WELL.algorithm, |signing| signing.algorithm);
            let (keys, owner) = (Keys::new(algorithm), name(zone));
            let text =
                if zone.starts_with("wild") { "* A 192.0.2.7\nwww A 192.0.2.1\n" } else { NAMES };
            let mut sets = sets(&owner, text);
            if zone == "signed.test." {
                let (owner, target) = (name("old.signed.test."), name("nsec3.test."));
                let rdata = NULL::with(target.to_bytes().unwrap());
                let data = RData::Unknown { code: RecordType::DNAME, rdata };
                let mut set = RecordSet::with_ttl(owner.clone(), RecordType::DNAME, TTL);
                set.insert(Record::from_rdata(owner.clone(), TTL, data), 1);
                sets.insert((owner, RecordType::DNAME), set);
            }
            if let Some(signing) = signing {
                sign(&owner, &mut sets, &keys, &signing);
            }
            if zone == "tampered.test." {
                let set = sets.get_mut(&(name("www.tampered.test."), RecordType::A)).unwrap();
                let signatures = set.rrsigs().to_vec();
                let mut other = RecordSet::with_ttl(set.name().clone(), RecordType::A, TTL);
                other.add_rdata(RData::A("192.0.2.66".parse().unwrap()));
                signatures.into_iter().for_each(|it| other.insert_rrsig(it));
                *set = other;
            }
            writeln!(delegations, "{zone} NS ns.test.").unwrap();
            let ds = keys.vouching.ds(&owner);
            match zone {
                "plain.test." | "island.test." => {}
                "wrongkey.test." => {
                    vouched.push((owner.clone(), Key::new(257, algorithm).ds(&owner)))
                }
                "unknown.test." => {
                    let algorithm = Algorithm::Unknown(200);
                    let digest = ds.digest().to_vec();
                    let ds = DS::new(ds.key_tag(), algorithm, DigestType::SHA256, digest);
                    vouched.push((owner.clone(), ds));
                }
                _ => vouched.push((owner.clone(), ds)),
            }
            zones.push((zone.to_owned(), sets));
        }
        let top = name("test.");
        let mut sets_of_test = sets(&top, &(NAMES.to_owned() + "ns A 127.0.0.1\n" + &delegations));
        for (owner, ds) in vouched {
            insert(&mut sets_of_test, &owner, DNSSECRData::DS(ds));
        }
        sign(&top, &mut sets_of_test, &test, &WELL);
        zones.push(("test.".to_owned(), sets_of_test));
        let mut sets_of_root = sets(&Name::root(), "test. NS ns.test.\nns.test. A 127.0.0.1\n");
        sets_of_root.remove(&(name("ns.test."), RecordType::A));
        insert(&mut sets_of_root, &top, DNSSECRData::DS(test.vouching.ds(&top)));
        sign(&Name::root(), &mut sets_of_root, &root, &WELL);
        zones.push((".".to_owned(), sets_of_root));
        Some(Self::serve(&zones, &root, &test))
    }

    fn serve(zones: &[(String, Sets)], root: &Keys, test: &Keys) -> Self {
        let (folder, address) = (tempfile::tempdir().unwrap(), free_address());
        let place = folder.path().display();
        let mut conf = format!(
            "server:\n  ip-address: 127.0.0.1@{}\n  username: \"\"\n  zonesdir: \"{place}\"\n  database: \"\"\n\
             \x20 pidfile: \"{place}/pid\"\n  xfrdfile: \"{place}/xfrd\"\n  zonelistfile: \"{place}/zones\"\n\
             \x20 xfrdir: \"{place}\"\n  server-count: 1\nremote-control:\n  control-enable: no\n",
            address.port()
        );
        for (zone, sets) in zones {
            let file = format!("{}zone", zone.replace('.', "_"));
            fs::write(folder.path().join(&file), zone_file(sets)).unwrap();
            write!(conf, "zone:\n  name: \"{zone}\"\n  zonefile: \"{file}\"\n").unwrap();
        }
        fs::write(folder.path().join("nsd.conf"), conf).unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let child = Command::new("nsd")
            .args(["-d", "-c", &format!("{place}/nsd.conf")])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        let anchor = |zone: &str, key: &DNSKEY| format!("{zone} IN DNSKEY {key}\n");
        let ds = root.vouching.ds(&Name::root());
        let mut signed = Self {
            address,
            anchor: anchor(".", &root.vouching.dnskey),
            anchor_ds: format!(". IN DS {ds}\n"),
            island: anchor("test.", &test.vouching.dnskey),
            folder,
            child: child.unwrap(),
        };
        signed.wait();
        signed
    }

    /// Until it answers.
    fn wait(&mut self) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let question = b"\0\x01\0\0\0\x01\0\0\0\0\0\0\x04test\0\0\x06\0\x01";
        for _ in 0..400 {
            let log = || fs::read_to_string(self.folder.path().join("log")).unwrap();
            assert!(self.child.try_wait().unwrap().is_none(), "it ended: {}", log());
            let mut answer = [0; 512];
            socket.send_to(question, self.address).unwrap();
            if socket.recv(&mut answer).is_ok_and(|count| count > 12 && answer[3] & 15 == 0) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!(
            "nsd does not answer: {}",
            fs::read_to_string(self.folder.path().join("log")).unwrap()
        );
    }
}

/// What a server says to a message.
pub(crate) fn relay(server: SocketAddr, message: &[u8]) -> Vec<u8> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket.send_to(message, server).unwrap();
    let mut answer = vec![0; 65535];
    let count = socket.recv(&mut answer).unwrap();
    answer.truncate(count);
    answer
}

/// A port that is free for UDP and TCP.
pub(crate) fn free_address() -> SocketAddr {
    for _ in 0..100 {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = tcp.local_addr().unwrap();
        if UdpSocket::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no port is free");
}
