//! Hints about special-use names (RFC 6761), which public name servers do not have. Programs are not to treat names of
//! `.test` and `.example` as special (sections 6.2 and 6.5).

/// Hint for a name that was denied, if its last label is special.
pub(super) fn hint(name: &str) -> Option<&'static str> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let last = name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    Some(match last.as_str() {
        "local" => {
            "hosts of the local network answer names of .local over multicast DNS (RFC 6762): `avahi-resolve -n NAME` asks them"
        }
        "invalid" => "names of .invalid never exist (RFC 6761 section 6.4)",
        "alt" => "names of .alt are not in DNS (RFC 9476)",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::hint;

    #[test]
    fn only_the_last_label_is_special() {
        for special in ["box.local", "BOX.Local.", "a.invalid", "invalid", "x.y.alt."] {
            assert!(hint(special).is_some(), "{special}");
        }
        for usual in ["local.example.com", "localhost", "mylocal", "", ".", "a.test"] {
            assert_eq!(hint(usual), None, "{usual}");
        }
    }
}
