//! nsswitch.conf(5): the sources of host names.

/// The sources of host names, such as `files` and `dns`, in their order. A file that cannot be read has no effect.
pub(crate) fn name_sources() -> Vec<String> {
    name_sources_in(&std::fs::read_to_string("/etc/nsswitch.conf").unwrap_or_default())
}

/// Words in brackets are actions (`[NOTFOUND=return]`) and no sources.
fn name_sources_in(nsswitch_conf: &str) -> Vec<String> {
    let hosts = nsswitch_conf.lines().find_map(|line| line.trim_start().strip_prefix("hosts:"));
    let words = hosts.unwrap_or("dns files").split('#').next().unwrap_or_default();
    let mut is_action = false;
    let is_source = |word: &&str| {
        let begins = word.starts_with('[');
        let is_source = !is_action && !begins;
        is_action = (is_action || begins) && !word.ends_with(']');
        is_source
    };
    words.split_whitespace().filter(is_source).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nsswitch_conf_lists_sources_and_actions() {
        let cases = [
            ("", "dns files"),
            ("passwd: files\nhosts: files dns # mine\n", "files dns"),
            ("hosts: files mymachines [!UNAVAIL=return] dns\n", "files mymachines dns"),
            ("hosts: files [NOTFOUND=return SUCCESS=return] dns\n", "files dns"),
        ];
        for (text, expected) in cases {
            assert_eq!(name_sources_in(text).join(" "), expected, "{text}");
        }
    }
}
