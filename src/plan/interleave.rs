//! Alternates address families so that a dead one costs one attempt, not all of its addresses.

/// Reorders `items` so that families alternate (RFC 8305 section 4, asyncio's `_interleave_addrinfos`).
///
/// Families are taken in order of first appearance and the order inside a family is kept, so the
/// resolver's own ranking (RFC 6724) still decides which address of a family comes first. `first` is
/// the First Address Family Count: how many addresses of the first family lead before alternating
/// begins; 0 behaves as 1. What is left over when a family runs out follows in order. Duplicates are
/// kept.
///
/// ```
/// use loopctl::plan::interleave;
///
/// let family = |address: &&str| address.as_bytes()[0];
/// assert_eq!(interleave(["6a", "6b", "4a", "4b"], 1, family), ["6a", "4a", "6b", "4b"]);
/// assert_eq!(interleave(["6a", "6b", "6c", "4a"], 2, family), ["6a", "6b", "4a", "6c"]);
/// ```
pub fn interleave<T, F: PartialEq>(
    items: impl IntoIterator<Item = T>,
    first: usize,
    family: impl Fn(&T) -> F,
) -> Vec<T> {
    let mut lanes = lanes(items, family);
    let mut ordered = Vec::new();
    if let Some((_, lead)) = lanes.first_mut() {
        ordered.extend(lead.by_ref().take(first.saturating_sub(1)));
    }
    loop {
        let before = ordered.len();
        ordered.extend(lanes.iter_mut().filter_map(|(_, lane)| lane.next()));
        if ordered.len() == before {
            return ordered;
        }
    }
}

type Lane<T> = std::vec::IntoIter<T>;

/// One lane per family, in order of first appearance.
fn lanes<T, F: PartialEq>(
    items: impl IntoIterator<Item = T>,
    family: impl Fn(&T) -> F,
) -> Vec<(F, Lane<T>)> {
    let mut lanes: Vec<(F, Vec<T>)> = Vec::new();
    for item in items {
        let of = family(&item);
        match lanes.iter_mut().find(|(known, _)| *known == of) {
            Some((_, lane)) => lane.push(item),
            None => lanes.push((of, vec![item])),
        }
    }
    lanes.into_iter().map(|(of, lane)| (of, lane.into_iter())).collect()
}
