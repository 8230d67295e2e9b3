//! Warnings about the files that the system's resolver obeys.

use loopctl::{ConfSource, HostsFile, ResolvConf, UnreadableConf};

use crate::config::NameService;

/// Warnings about `/etc/resolv.conf`, and about the hosts file if the system is asked.
pub(crate) fn warnings(service: &NameService, is_system_asked: bool) -> Vec<String> {
    let (conf, path) = (&service.conf, ResolvConf::PATH);
    let mut warnings = Vec::new();
    for passed in &conf.passed_over {
        let text = passed.text.escape_debug();
        warnings.push(format!("{path}:{}: `{text}` has no effect: {}", passed.line, passed.reason));
    }
    let has_default = conf.servers.iter().any(|server| server.line.is_none());
    if has_default {
        let why = match &conf.unreadable {
            Some(unreadable) => cannot_be_read(path, unreadable),
            None => format!("{path} has no usable name server"),
        };
        warnings.push(format!("{why}: 127.0.0.1 is asked by default"));
    }
    if let (0, true) = (conf.attempts, is_system_asked) {
        let place =
            conf.attempts_source.map_or_else(String::new, |source| format!("{}: ", place(source)));
        warnings.push(format!("{place}with `attempts:0` the system asks no name server"));
    }
    if let Some(unreadable) = service.unreadable_hosts.as_ref().filter(|it| !it.is_missing)
        && is_system_asked
    {
        let why = cannot_be_read(HostsFile::PATH, unreadable);
        warnings.push(format!("{why}: its names are not known here"));
    }
    warnings
}

fn cannot_be_read(path: &str, unreadable: &UnreadableConf) -> String {
    if unreadable.is_missing {
        format!("there is no {path}")
    } else {
        format!("{path} cannot be read ({})", unreadable.message)
    }
}

/// File and line, or variable.
pub(crate) fn place(source: ConfSource) -> String {
    match source {
        ConfSource::Line(line) => format!("{}:{line}", ResolvConf::PATH),
        ConfSource::Variable(name) => format!("the variable {name}"),
        ConfSource::HostName => "the domain of the host name".to_owned(),
        _ => "the default".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::nsswitch_conf::NameSources;

    fn service(conf: &str) -> NameService {
        NameService {
            conf: ResolvConf::parse(conf),
            sources: NameSources { line: None, sources: Vec::new() },
            hosts: HostsFile::default(),
            unreadable_hosts: None,
        }
    }

    #[test]
    fn good_files_give_no_warning_and_others_one_for_each_line() {
        assert_eq!(warnings(&service("nameserver 192.0.2.1\noptions edns0\n"), true), [""; 0]);
        let odd = "nameserver 192.0.2.1\r\nOptions rotate\n";
        assert_eq!(
            warnings(&service(odd), true),
            [
                "/etc/resolv.conf:1: `nameserver 192.0.2.1` has no effect: it ends in a carriage return",
                "/etc/resolv.conf:2: `Options rotate` has no effect: the keyword must be in lower case",
                "/etc/resolv.conf has no usable name server: 127.0.0.1 is asked by default",
            ]
        );
        let none = service("nameserver 192.0.2.1\noptions attempts:0\n");
        assert_eq!(
            warnings(&none, true),
            ["/etc/resolv.conf:2: with `attempts:0` the system asks no name server"]
        );
        assert_eq!(warnings(&none, false), [""; 0]);
    }

    #[test]
    fn an_unreadable_file_is_told_with_its_default() {
        let mut service = service("");
        let message = "permission denied".to_owned();
        service.conf.unreadable = Some(UnreadableConf { is_missing: false, message });
        let expected =
            "/etc/resolv.conf cannot be read (permission denied): 127.0.0.1 is asked by default";
        assert_eq!(warnings(&service, false), [expected]);
    }
}
