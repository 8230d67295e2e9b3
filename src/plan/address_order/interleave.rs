//! Interleaving of address families: an unreachable family costs one attempt, not all of its addresses.

/// Reorders `items` so that families alternate (RFC 8305 section 4, asyncio's `_interleave_addrinfos`).
///
/// Families are taken in the order of their first appearance, and the order within a family is kept. So the
/// resolver's ranking (RFC 6724) still decides which address of a family comes first. `first` is the First Address
/// Family Count: the number of addresses of the first family before the families alternate; 0 counts as 1. When a
/// family has no more addresses, the others follow in order. Duplicates are kept.
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
    let mut families = group_by_family(items, family);
    let mut ordered = Vec::new();
    if let Some((_, leading)) = families.first_mut() {
        ordered.extend(leading.by_ref().take(first.saturating_sub(1)));
    }
    loop {
        let before = ordered.len();
        ordered.extend(families.iter_mut().filter_map(|(_, members)| members.next()));
        if ordered.len() == before {
            return ordered;
        }
    }
}

type Members<T> = std::vec::IntoIter<T>;

/// Groups the items by family, in the order of first appearance.
fn group_by_family<T, F: PartialEq>(
    items: impl IntoIterator<Item = T>,
    family: impl Fn(&T) -> F,
) -> Vec<(F, Members<T>)> {
    let mut families: Vec<(F, Vec<T>)> = Vec::new();
    for item in items {
        let key = family(&item);
        match families.iter_mut().find(|(known, _)| *known == key) {
            Some((_, members)) => members.push(item),
            None => families.push((key, vec![item])),
        }
    }
    families.into_iter().map(|(family, members)| (family, members.into_iter())).collect()
}
