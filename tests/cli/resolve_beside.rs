//! `resolve` beside getent(1), dig(1) and kdig(1), with NSD in a network of its own: the same answers. Where one of
//! them is not there, the test says so and passes.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::resolve::assert_valid;
use crate::support::{has_program, skipped};

const ZONE: &str = "\
$ORIGIN test.
$TTL 60
@ SOA ns admin 1 3600 600 86400 9
@ NS ns
ns A 127.0.0.1
many A 10.77.0.99
many A 10.77.0.2
many A 10.77.0.66
many AAAA fd77::dead
many AAAA fd77:1::beef
www CNAME many
v4 A 10.77.0.2
v6 AAAA fd77::7
host MX 10 mail
host TXT \"a text\" \"another\"
";

const CONF: &str = "\
server:
  ip-address: 127.0.0.1
  username: \"\"
  zonesdir: FOLDER
  database: \"\"
  pidfile: FOLDER/pid
  zonelistfile: FOLDER/zones
  xfrdfile: FOLDER/xfrd
  server-count: 1
remote-control:
  control-enable: no
zone:
  name: test
  zonefile: zone
";

/// In a network and a file system of its own: addresses, a name server, and then the commands of `$1`, each of which
/// writes to a file.
const SCRIPT: &str = "\
set -e
ip link set lo up
ip address add 10.77.0.1/24 dev lo
ip address add fd77::1/64 dev lo nodad
mount --bind resolv.conf /etc/resolv.conf
mount --bind hosts /etc/hosts
mount --bind nsswitch.conf /etc/nsswitch.conf
nsd -d -c conf >nsd.log 2>&1 &
trap \"kill $!\" EXIT
for try in $(seq 100); do
  if dig +short +time=1 +tries=1 @127.0.0.1 ns.test | grep -q 127; then break; fi
  sleep 0.05
done
for name in many.test www.test v4.test v6.test; do
  getent ahosts $name | awk '$2 == \"STREAM\" {print $1}' >$name.getent
  for peer in dig kdig; do
    for type in A AAAA; do $peer +short $type $name; done | sed '/\\.$/d' >$name.$peer
  done
  $LOOPCTL resolve --json $name >$name.json
done
$LOOPCTL resolve many.test >many.txt
$LOOPCTL resolve --short many.test >many.short
$LOOPCTL resolve --short -t MX,TXT host.test >host.short
dig +short MX host.test >host.dig
dig +short TXT host.test >>host.dig
";

/// Says whether everything that is needed is there.
fn has_peers() -> bool {
    if !["nsd", "dig", "kdig", "getent", "ip"].into_iter().all(has_program) {
        return false;
    }
    let may = Command::new("unshare").args(["-rnm", "true"]).status();
    let may = may.is_ok_and(|status| status.success());
    if !may {
        skipped("a network namespace");
    }
    may
}

fn lines(folder: &Path, name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// The addresses of one side, in its order.
fn by_rank(document: &Value, key: &str) -> Vec<String> {
    let rows = document["addresses"].as_array().unwrap().iter();
    let mut rows: Vec<&Value> = rows.filter(|row| !row[key].is_null()).collect();
    rows.sort_by_key(|row| row[key].as_u64());
    rows.iter().map(|row| row["ip"].as_str().unwrap().to_owned()).collect()
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

#[test]
fn il_07_the_same_answers_as_getent_dig_and_kdig() {
    if !has_peers() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    let place = folder.display().to_string();
    for (name, text) in [
        ("zone", ZONE),
        ("conf", CONF),
        ("resolv.conf", "nameserver 127.0.0.1\n"),
        ("hosts", "127.0.0.1 localhost\n"),
        ("nsswitch.conf", "hosts: files dns\n"),
    ] {
        std::fs::write(folder.join(name), text.replace("FOLDER", &place)).unwrap();
    }
    let output = Command::new("unshare")
        .args(["-rnm", "sh", "-c", SCRIPT])
        .current_dir(folder)
        .env("LOOPCTL", env!("CARGO_BIN_EXE_loopctl"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for name in ["many.test", "www.test", "v4.test", "v6.test"] {
        let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
        let document: Value = serde_json::from_str(&text).unwrap();
        assert_valid(&document);
        assert_eq!(document["outcome"], "success");
        assert_eq!(by_rank(&document, "system_rank"), lines(folder, &format!("{name}.getent")));
        let told = sorted(by_rank(&document, "dns_rank"));
        for peer in ["dig", "kdig"] {
            assert_eq!(told, sorted(lines(folder, &format!("{name}.{peer}"))), "{name} {peer}");
        }
    }
    assert_eq!(lines(folder, "host.short"), lines(folder, "host.dig"));
    let told = std::fs::read_to_string(folder.join("many.txt")).unwrap();
    let text = std::fs::read_to_string(folder.join("many.test.json")).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(lines(folder, "many.short"), by_rank(&document, "connect_rank"));
    explained(&document, &told);
}

/// Where name servers and the system have two addresses the other way round, a rule says why.
fn explained(document: &Value, told: &str) {
    let (system, dns) = (by_rank(document, "system_rank"), by_rank(document, "dns_rank"));
    let rules = document["addresses"].as_array().unwrap().iter();
    let rules: Vec<&str> = rules.filter_map(|row| row["rule"].as_str()).collect();
    let place = |order: &[String], ip: &String| order.iter().position(|it| it == ip).unwrap();
    let overtakes = system
        .iter()
        .enumerate()
        .any(|(at, ip)| system[at + 1..].iter().any(|other| place(&dns, other) < place(&dns, ip)));
    assert!(
        overtakes,
        "the zone is made so that getaddrinfo changes the order: {dns:?} {system:?}"
    );
    assert!(rules.iter().any(|rule| rule.contains("rule ")), "{document:#}");
    assert!(told.contains("(files, dns)"), "{told}");
    assert!(told.lines().all(|line| !line.ends_with(' ')), "{told}");
}
