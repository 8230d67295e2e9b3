//! What people type, right and wrong, and what they are told.

use crate::support::run;

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
