//! Flags of curl, nc, openssl and other clients, and what does the same here.

use crate::util::message::Message;

/// Flags, and what to write instead.
type Peers = &'static [(&'static [&'static str], &'static str)];

const PEERS: Peers = &[
    (&["-p", "--port"], "the port follows the host: write `HOST:80` or `HOST 80`"),
    (&["--host", "--url", "--connect", "-connect"], "the target needs no flag: write `HOST:443`"),
    (&["--servername", "--server-name", "-servername"], "write `--sni NAME`"),
    (&["--connect-timeout", "--max-time", "-m", "--deadline", "-W"], "write `--timeout 3s`"),
    (&["--cacert", "--cafile", "--ca-file", "--capath", "-CAfile", "-CApath"], "write `--ca FILE`"),
    (&["--no-check-certificate", "--no-verify", "--verify=no"], "write `--insecure`, or `-k`"),
    (&["--ssl", "--https", "--secure", "--use-tls"], "write `--tls`"),
    (&["--tlsv1.2", "--tls1.2", "-tls1_2"], "write `--tls-min 1.2`"),
    (&["--tlsv1.3", "--tls1.3", "-tls1_3"], "write `--tls-min 1.3`"),
    (&["--http2", "--http1.1", "-alpn"], "write `--alpn h2` or `--alpn http/1.1`"),
    (&["-starttls"], "write `--starttls PROTOCOL`"),
    (&["-showcerts"], "write `--tls -v`: it shows the whole chain"),
    (&["-cert"], "write `--cert FILE`"),
    (&["-key"], "write `--key FILE`"),
    (&["--dns-servers", "--dns-server", "--nameserver", "--dns"], "write `--server ADDR`"),
    (&["--doh-url"], "write `--server https://HOST/dns-query`"),
    (&["--connect-to"], "write `--resolve HOST:ADDR`"),
    (&["--unix-socket", "-U"], "write `unix:/path` as the target"),
    (
        &["--local-port", "--bind", "--bind-address", "--source-address"],
        "write `--source ADDR:PORT`",
    ),
    (&["--tos"], "write `--dscp N`, which is the upper 6 bits of it"),
    (&["--retry", "--tries", "--retries"], "write `--wait=1m`: it retries until connected"),
    (&["--repeat", "--times"], "write `--count N`"),
    (&["--silent"], "write `--quiet`"),
    (&["--output", "-o"], "write `--report FILE`"),
    (&["--format"], "write `--json`, `--csv`, `--plain` or `--prom`"),
    (&["-n", "-z"], "connect needs no such flag: it prints addresses and sends nothing"),
    (&["-l", "--listen"], "write `loopctl serve`"),
    (&["--tcp", "-t"], "connect uses TCP, unless --udp is given"),
    (&["--proxy", "-x"], "loopctl connects directly; name the proxy as the target to measure it"),
];

/// Flags of openssl and nc that begin with one `-`, which would be read as several short flags.
const WITH_ONE_DASH: [&str; 9] = [
    "-connect",
    "-servername",
    "-CAfile",
    "-CApath",
    "-starttls",
    "-showcerts",
    "-alpn",
    "-tls1_2",
    "-tls1_3",
];

/// The message for a flag of another program; `unknown` is the argument that clap does not know.
pub(super) fn mistake(unknown: Option<&str>, words: &[String]) -> Option<Message> {
    let with_one_dash = words.iter().find(|word| WITH_ONE_DASH.contains(&word.as_str()));
    let flag = with_one_dash.map(String::as_str).or(unknown)?;
    let hint = answer(flag)?;
    let error = Some(format!("there is no flag `{flag}`"));
    Some(Message { error, hints: vec![hint.to_owned()], ..Message::default() })
}

fn answer(flag: &str) -> Option<&'static str> {
    if flag.strip_prefix('-').is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit())) {
        return Some("a value of --wait, --keepalive or --happy-eyeballs follows a `=`: `-w=3`");
    }
    let known = PEERS.iter().find(|(flags, _)| flags.contains(&flag));
    known.map(|(_, answer)| *answer)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;
    use crate::cli::help::long_flags;

    #[test]
    fn answers_name_flags_that_exist() {
        let mut root = Cli::command();
        root.build();
        let connect = root.find_subcommand("connect").unwrap();
        let known = long_flags(connect);
        for (_, answer) in PEERS {
            let words = answer.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
            for word in words.filter(|word| word.starts_with("--")) {
                assert!(known.iter().any(|flag| flag == word), "{word} in {answer}");
            }
        }
    }
}
