//! Search list of resolv.conf(5).

/// Search list of resolv.conf(5): domains that complete short names.
///
/// A name that ends in a dot is complete. A name with at least [`ndots`](Self::new) dots is queried unchanged
/// before the search list is applied, any other name afterwards.
///
/// ```
/// use loopctl::plan::SearchList;
///
/// let search = SearchList::new(["corp.example", "example"], 1);
/// assert_eq!(search.names("db"), ["db.corp.example.", "db.example.", "db."]);
/// assert_eq!(search.names("db.eu"), ["db.eu.", "db.eu.corp.example.", "db.eu.example."]);
/// assert_eq!(search.names("db."), ["db."]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchList {
    domains: Vec<String>,
    ndots: usize,
}

impl SearchList {
    /// List of domains, in this order. `ndots` is the number of dots from which a name is first queried unchanged.
    pub fn new<D: Into<String>>(domains: impl IntoIterator<Item = D>, ndots: usize) -> Self {
        Self { domains: domains.into_iter().map(Into::into).collect(), ndots }
    }

    /// Empty list: every name is complete.
    pub fn none() -> Self {
        Self { domains: Vec::new(), ndots: 1 }
    }

    /// Names to query for `name`, in this order. Each ends in a dot, and there are no duplicates.
    pub fn names(&self, name: &str) -> Vec<String> {
        if name.ends_with('.') {
            return vec![name.to_owned()];
        }
        let complete = std::iter::once(format!("{name}."));
        let searched = self.domains.iter().map(|domain| join(name, domain));
        let dots = name.bytes().filter(|byte| *byte == b'.').count();
        let in_order: Vec<String> = if dots >= self.ndots {
            complete.chain(searched).collect()
        } else {
            searched.chain(complete).collect()
        };
        let mut names = Vec::new();
        for name in in_order {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

/// Appends a domain; the root (`.`) leaves the name unchanged.
fn join(name: &str, domain: &str) -> String {
    match domain.trim_matches('.') {
        "" => format!("{name}."),
        domain => format!("{name}.{domain}."),
    }
}

#[cfg(test)]
mod tests {
    use super::SearchList;

    #[test]
    fn ndots_decides_whether_the_unchanged_name_comes_first() {
        let names = |ndots, name| SearchList::new(["a.example"], ndots).names(name);
        let table = [
            (0, "db", ["db.", "db.a.example."]),
            (1, "db", ["db.a.example.", "db."]),
            (1, "db.x", ["db.x.", "db.x.a.example."]),
            (5, "a.b.c.d.e", ["a.b.c.d.e.a.example.", "a.b.c.d.e."]),
            (5, "a.b.c.d.e.f", ["a.b.c.d.e.f.", "a.b.c.d.e.f.a.example."]),
        ];
        for (ndots, name, wanted) in table {
            assert_eq!(names(ndots, name), wanted, "{name} with ndots {ndots}");
        }
    }

    #[test]
    fn dots_around_domains_are_ignored_and_the_root_is_a_domain() {
        let search = SearchList::new([".", "example.", "example"], 1);
        assert_eq!(search.names("db"), ["db.", "db.example."], "no name is queried twice");
        assert_eq!(SearchList::none().names("db"), ["db."]);
    }
}
