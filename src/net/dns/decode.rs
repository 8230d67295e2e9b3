//! Conversion of hickory's records.

use std::net::IpAddr;
use std::time::Duration;

use hickory_proto::rr::rdata::svcb::{SVCB, SvcParamValue};
use hickory_proto::rr::rdata::{CAA, SOA};
use hickory_proto::rr::{Name, RData, Record};

use super::record::printable;
use super::{DnsData, DnsRecord, RecordType, ServiceBinding, StartOfAuthority};

pub(super) fn record(record: &Record) -> DnsRecord {
    DnsRecord {
        name: name(&record.name),
        record_type: RecordType::of(record.record_type()),
        ttl: seconds(record.ttl),
        data: data(&record.data),
    }
}

/// A name with its final dot, and without control characters.
pub(super) fn name(name: &Name) -> String {
    let text = name.to_ascii();
    let text = if text.ends_with('.') { text } else { format!("{text}.") };
    if text.bytes().all(|byte| byte.is_ascii_graphic()) { text } else { printable(text.bytes()) }
}

/// A TTL with its highest bit set counts as zero (RFC 2181 section 8).
fn seconds(ttl: u32) -> Duration {
    Duration::from_secs(u32::try_from(ttl.cast_signed()).unwrap_or(0).into())
}

fn data(data: &RData) -> DnsData {
    match data {
        RData::A(address) => DnsData::A(address.0),
        RData::AAAA(address) => DnsData::Aaaa(address.0),
        RData::CAA(caa) => authorization(caa),
        RData::CNAME(alias) => DnsData::Cname(name(alias)),
        RData::HTTPS(https) => DnsData::Https(binding(https)),
        RData::MX(mx) => DnsData::Mx { preference: mx.preference, exchange: name(&mx.exchange) },
        RData::NS(server) => DnsData::Ns(name(server)),
        RData::PTR(of) => DnsData::Ptr(name(of)),
        RData::SOA(soa) => DnsData::Soa(start(soa)),
        RData::SRV(srv) => DnsData::Srv {
            priority: srv.priority,
            weight: srv.weight,
            port: srv.port,
            target: name(&srv.target),
        },
        RData::SVCB(svcb) => DnsData::Svcb(binding(svcb)),
        RData::TXT(txt) => DnsData::Txt(txt.txt_data.iter().map(|text| text.to_vec()).collect()),
        RData::Unknown { rdata, .. } => DnsData::Other(unknown(&rdata.anything)),
        other => DnsData::Other(printable(other.to_string().bytes())),
    }
}

fn authorization(caa: &CAA) -> DnsData {
    DnsData::Caa {
        critical: caa.issuer_critical,
        tag: printable(caa.tag.bytes()),
        value: caa.value.clone(),
    }
}

fn start(soa: &SOA) -> StartOfAuthority {
    let seconds = |count: i32| seconds(count.cast_unsigned());
    StartOfAuthority {
        primary: name(&soa.mname),
        mailbox: name(&soa.rname),
        serial: soa.serial,
        refresh: seconds(soa.refresh),
        retry: seconds(soa.retry),
        expire: seconds(soa.expire),
        minimum: seconds(soa.minimum.cast_signed()),
    }
}

fn binding(svcb: &SVCB) -> ServiceBinding {
    let (priority, target) = (svcb.svc_priority, name(&svcb.target_name));
    let mut binding = ServiceBinding { priority, target, ..ServiceBinding::default() };
    for (key, value) in &svcb.svc_params {
        match value {
            SvcParamValue::Alpn(alpn) => binding.alpn.clone_from(&alpn.0),
            SvcParamValue::NoDefaultAlpn => binding.no_default_alpn = true,
            SvcParamValue::Port(port) => binding.port = Some(*port),
            SvcParamValue::Ipv4Hint(hints) => {
                binding.address_hints.extend(hints.0.iter().map(|hint| IpAddr::V4(hint.0)));
            }
            SvcParamValue::Ipv6Hint(hints) => {
                binding.address_hints.extend(hints.0.iter().map(|hint| IpAddr::V6(hint.0)));
            }
            // hickory writes base64 between quotes.
            SvcParamValue::EchConfigList(ech) => {
                binding.ech = Some(ech.to_string().trim_matches('"').to_owned());
            }
            SvcParamValue::Mandatory(keys) => {
                let keys: Vec<String> = keys.0.iter().map(ToString::to_string).collect();
                binding.others.push(("mandatory".to_owned(), keys.join(",")));
            }
            SvcParamValue::Unknown(bytes) => {
                let value = format!("\"{}\"", printable(bytes.0.iter().copied()));
                binding.others.push((format!("key{}", u16::from(*key)), value));
            }
        }
    }
    binding
}

/// Unknown data in the format of RFC 3597 section 5.
fn unknown(bytes: &[u8]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\\# {} {hex}", bytes.len()).trim_end().to_owned()
}
