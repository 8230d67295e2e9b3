//! What people type, right and wrong, and what they are told.

use crate::support::{refusing, run};

#[test]
fn mistakes_name_what_to_type_instead() {
    let cases = [
        (
            "2001:db8::1:443",
            "is an IPv6 address without brackets",
            "hint: write `[2001:db8::1]:443`",
        ),
        ("2001:db8::1", "is an IPv6 address without brackets", "hint: write `[2001:db8::1]:443`"),
        ("example.com", "has no port", "hint: write `example.com:443`"),
        ("example.com:", "has no port", "hint: write `example.com:443`"),
        ("[::1]", "has no port", "hint: write `[::1]:443`"),
        ("/run/x.sock", "has no port", "hint: write `unix:/run/x.sock`"),
        ("host:99999", "`99999` is not a port", "hint: a port is a number up to 65535"),
        ("host:-1", "`-1` is not a port", "hint: a port is a number up to 65535"),
        ("unix:", "`unix:` needs a path", "hint: write `unix:/path"),
        ("h:443:80", "`h:443:80` has two ports", "hint: write `h:443` or `h:80`"),
        ("h:0", "nothing can listen on port 0", "hint: write `h:443`"),
        ("443", "`443` is a port without a host", "hint: write `HOST:443`"),
        ("h.test/x", "`h.test/x` has a path, but no scheme", "hint: write `https://h.test/x`"),
        (
            "h.test:81/x",
            "has a path, but no scheme",
            "hint: write `h.test:81`, or `http://h.test:81/x`",
        ),
        ("https:h.test/x", "has no `//` after the scheme", "hint: write `https://h.test/x`"),
        ("TCP:h:1", "has no `//` after the scheme", "hint: write `tcp://h:1`"),
        ("gopher://h", "`gopher` is no scheme that loopctl knows", "hint: write `tcp://HOST:PORT`"),
        ("tls://h", "`tls://h` has no port", "hint: write `tls://h:443`"),
        ("https:///x", "the URL `https://` has no host", "hint: write `https://HOST`"),
        ("u:s3cret@h:1", "the target `h:1` has a user name before it", "hint: write `h:1`"),
    ];
    for (typed, error, hint) in cases {
        let ran = run(&["connect", "--", typed]);
        assert_eq!(ran.code, Some(2), "{typed}");
        assert!(ran.stderr.contains(error) && ran.stderr.contains(hint), "{typed}: {}", ran.stderr);
    }
}

#[test]
fn flags_may_stand_anywhere() {
    for args in [["--json", "demo", "-4"], ["demo", "-4", "--json"], ["-4", "--json", "demo"]] {
        assert_eq!(run(&args).json()["schema"], "loopctl.connect.v1", "{args:?}");
    }
}

#[test]
fn an_odd_delay_is_warned_about() {
    let ran = run(&["demo", "--happy-eyeballs=20ms"]);
    assert!(ran.stderr.contains("warning: ") && ran.stderr.contains("RFC 8305"), "{}", ran.stderr);
    assert_eq!(ran.code, Some(0));
}

#[test]
fn help_leads_with_examples() {
    for args in [&["--help"][..], &["connect", "--help"], &["demo", "--help"]] {
        let ran = run(args);
        assert_eq!(ran.code, Some(0));
        assert!(ran.stdout.starts_with("Examples:\n"), "{}", ran.stdout);
    }
}

#[test]
fn passwords_are_not_repeated() {
    const SECRET: &str = "s3cret";
    let closed = refusing("127.0.0.1").port();
    let urls = [
        format!("postgres://u:{SECRET}@127.0.0.1:{closed}/x?sslpassword={SECRET}"),
        format!("https://u:{SECRET}@127.0.0.1:{closed}/?token={SECRET}#{SECRET}"),
        format!("redis://:a@{SECRET}@127.0.0.1:{closed}"),
        format!("amqp://u:a/{SECRET}@127.0.0.1:{closed}"),
        format!("gopher://u:{SECRET}@h"),
        format!("tls://u:{SECRET}@h"),
        format!("https://u:{SECRET}@h:99999"),
        format!("https://u:{SECRET}@a b/"),
        format!("u:{SECRET}@h:1"),
    ];
    for url in &urls {
        for format in ["--json", "--ndjson", "--csv", "--plain", "--prom", "-vv"] {
            let ran = run(&["connect", format, url]);
            let code =
                if url.contains(&closed.to_string()) && !url.starts_with("amqp") { 7 } else { 2 };
            assert_eq!(ran.code, Some(code), "{url}: {}", ran.stderr);
            assert!(!(ran.stdout + &ran.stderr).contains(SECRET), "{format} {url}");
        }
        // A file may have any name; a URL is none.
        let ran = run(&["connect", "--targets", url]);
        let is_file = !url.contains("://");
        assert_eq!(ran.code, Some(26), "{url}");
        assert!(is_file || !ran.stderr.contains(SECRET), "{url}: {}", ran.stderr);
    }
}

#[test]
fn each_target_has_the_transport_of_its_url() {
    let (tcp, udp) = (refusing("127.0.0.1").port(), refusing("127.0.0.1").port());
    let targets =
        ["https", "smtp", "http", "udp"].map(|scheme| format!("{scheme}://127.0.0.1:{tcp}"));
    let mut args = vec!["connect", "--json"];
    args.extend(targets.iter().map(String::as_str));
    let port = udp.to_string();
    args.extend(["127.0.0.1", &port]);
    let documents = run(&args).json();
    let transports: Vec<_> = (0..5).map(|at| documents[at]["transport"].clone()).collect();
    assert_eq!(transports, ["tcp", "tcp", "tcp", "udp", "tcp"]);
    assert_eq!(documents[4]["target"], format!("127.0.0.1:{udp}"));
}

#[test]
fn flags_of_other_programs_are_answered_with_ours() {
    for (line, error, hint) in [
        ("connect -p 80 h", "there is no flag `-p`", "write `HOST:80`"),
        ("connect --servername x h:1", "there is no flag `--servername`", "write `--sni NAME`"),
        ("connect -servername x h:1", "there is no flag `-servername`", "write `--sni NAME`"),
        ("connect -connect h:443", "there is no flag `-connect`", "needs no flag"),
        ("--connect-timeout 3 h:1", "there is no flag `--connect-timeout`", "--timeout 3s"),
        ("connect -z h 80", "there is no flag `-z`", "needs no such flag"),
        ("connect -w3 h:1", "there is no flag `-3`", "follows a `=`"),
        ("connect --jsn h:1", "there is no flag `--jsn`", "did you mean `--json`?"),
        ("connect --timeout -1s h:1", "invalid value '-1s'", "a time is not negative"),
        ("connect -c abc h:1", "invalid value 'abc'", "it is a number, at least 1"),
        ("connect -c 0 h:1", "invalid value '0'", "it is a number, at least 1"),
        ("connect --dscp AF9 h:1", "invalid value 'AF9'", "EF, AF11 to AF43"),
        ("connect -I https://h", "invalid value 'https://h'", "such as eth0"),
        ("connect -s https://h", "invalid value 'https://h'", "--quiet, and not -s"),
        ("conect h:1", "`conect` is neither a command nor a target", "`loopctl connect`"),
        ("connect --udp --ca x h:1", "flags about TLS have no effect", ""),
        ("connect --path --sni x h:1", "flags about TLS have no effect", ""),
        ("help nosuch", "`nosuch` is no command", ""),
    ] {
        let ran = run(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(ran.code, Some(2), "{line}: {}", ran.stderr);
        let told = ran.stderr.contains(error) && ran.stderr.contains(hint);
        assert!(told, "{line}: {}", ran.stderr);
    }
    let ran = run(&["connect", "--nosuch", "http://u:s3cret@h:99999"]);
    assert!(!ran.stderr.contains("s3cret"), "{}", ran.stderr);
}

#[test]
fn a_target_needs_no_command() {
    let closed = refusing("127.0.0.1");
    let (ip, port) = (closed.ip().to_string(), closed.port().to_string());
    let (url, pair) = (format!("http://{closed}/x"), closed.to_string());
    for args in [&["--json", &url][..], &[&pair, "--json"], &["--json", "-k", &ip, &port]] {
        let ran = run(args);
        assert_eq!(ran.code, Some(7), "{}", ran.stderr);
        assert_eq!(ran.json()["port"], closed.port(), "{args:?}");
    }
}

#[test]
fn a_pin_that_no_target_has_is_warned_about() {
    let target = refusing("127.0.0.1").to_string();
    let told = |pin: &str| run(&["connect", "--resolve", pin, &target]).stderr;
    assert!(told("x.test:192.0.2.1").contains("warning: --resolve names `x.test`"));
    let target = format!("x.test:{}", refusing("127.0.0.1").port());
    for pin in ["x.test.:127.0.0.1", "*:PORT:127.0.0.1", "+X.test:PORT:127.0.0.1"] {
        let pin = pin.replace("PORT", target.split(':').next_back().unwrap());
        let ran = run(&["connect", "--resolve", &pin, &target]);
        assert_eq!((ran.code, ran.stderr.contains("warning")), (Some(7), false), "{}", ran.stderr);
    }
}
