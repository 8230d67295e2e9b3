//! Denials that prove less: those of NSEC3 records with the opt-out flag (RFC 5155 section 9.2).

use data_encoding::BASE32HEX_NOPAD;
use hickory_net::proto::dnssec::rdata::{DNSSECRData, NSEC3};
use hickory_net::proto::rr::{Name, RData, Record};

use super::rrset::RrSet;

/// Zone whose denial of a name leaves room for an unsigned delegation, because the NSEC3 record that covers the next
/// closer name has the opt-out flag.
pub(super) fn zone(denial: &RrSet) -> Option<Name> {
    let records: Vec<(&Name, &NSEC3)> =
        denial.message.authorities.iter().filter_map(nsec3).collect();
    let (owner, first) = records.first()?;
    let zone = owner.base_name();
    let hash = |name: &Name| {
        let hashed =
            first.hash_algorithm().hash(first.salt(), &name.to_lowercase(), first.iterations());
        hashed.ok().map(|digest| digest.as_ref().to_vec())
    };
    let has_record = |name: &Name| {
        let hashed = hash(name);
        hashed.is_some() && records.iter().any(|(owner, _)| hashed_owner(owner) == hashed)
    };
    // The record of the name itself tells its types, and covers nothing.
    if has_record(&denial.name) {
        return None;
    }
    let (mut next_closer, mut encloser) = (denial.name.clone(), denial.name.base_name());
    while !has_record(&encloser) {
        if encloser.num_labels() <= zone.num_labels() {
            return None;
        }
        (next_closer, encloser) = (encloser.clone(), encloser.base_name());
    }
    let wanted = hash(&next_closer)?;
    let covers = |(owner, record): &&(&Name, &NSEC3)| {
        hashed_owner(owner)
            .is_some_and(|from| is_between(&from, &wanted, record.next_hashed_owner_name()))
    };
    let (_, covering) = records.iter().find(covers)?;
    covering.opt_out().then_some(zone)
}

fn nsec3(record: &Record) -> Option<(&Name, &NSEC3)> {
    match &record.data {
        RData::DNSSEC(DNSSECRData::NSEC3(nsec3)) => Some((&record.name, nsec3)),
        _ => None,
    }
}

fn hashed_owner(owner: &Name) -> Option<Vec<u8>> {
    BASE32HEX_NOPAD.decode(&owner.iter().next()?.to_ascii_uppercase()).ok()
}

/// Whether a hash is between two neighbours; the last one of a zone points to the first one.
fn is_between(from: &[u8], hash: &[u8], to: &[u8]) -> bool {
    if from < to { from < hash && hash < to } else { from < hash || hash < to }
}

#[cfg(test)]
mod tests {
    use super::is_between;

    #[test]
    fn a_hash_is_between_its_neighbours_and_behind_the_last_one() {
        for (from, hash, to, is_covered) in [
            (1, 2, 3, true),
            (1, 1, 3, false),
            (1, 3, 3, false),
            (9, 10, 2, true),
            (9, 1, 2, true),
            (9, 5, 2, false),
            (4, 5, 4, true),
        ] {
            assert_eq!(is_between(&[from], &[hash], &[to]), is_covered, "{from} {hash} {to}");
        }
    }
}
