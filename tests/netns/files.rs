//! Files of this host that the system's resolver obeys, and so has a race that asks it for each family by itself.

use crate::bed::{self, Bed};
use crate::document::Document;
use crate::skip::skipped;

/// The program in a network whose names have both families, with this text in the place of a file of the host.
fn connect(bed: &Bed, file: &str, text: &str) -> Document {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("file");
    std::fs::write(&kept, text).unwrap();
    let script = format!("mount --bind \"$0\" {file} && exec \"$@\"");
    let program = [env!("CARGO_BIN_EXE_loopctl"), "connect", "target.test:7", "--json"];
    let mounting = ["unshare", "--mount", "sh", "-c", &script, kept.to_str().unwrap()];
    let output = bed.run("healthy", &[&mounting[..], &program[..]].concat());
    assert!(output.status.success(), "{}", bed::text(&output.stderr));
    Document::parse(&bed::text(&output.stdout))
}

/// The name servers have an IPv6 address as well: who replaces a host by another does not want that one.
#[test]
fn netns_what_the_hosts_file_has_is_all_there_is_t42() {
    let Some(bed) = Bed::open() else { return };
    let document = connect(&bed, "/etc/hosts", "192.0.2.1 target.test\n");
    assert_eq!(document.candidates(), ["192.0.2.1"]);
    let document = connect(&bed, "/etc/hosts", "192.0.2.1 other.test\n");
    assert_eq!(document.candidates(), ["2001:db8:5::1", "192.0.2.1"]);
}

#[test]
fn netns_gai_conf_may_put_ipv4_first() {
    let Some(bed) = Bed::open() else { return };
    if !std::path::Path::new("/etc/gai.conf").exists() {
        // There is nothing to put another file in the place of.
        return skipped("/etc/gai.conf");
    }
    let document = connect(&bed, "/etc/gai.conf", "precedence ::ffff:0:0/96 100\n");
    assert_eq!(document.winner().unwrap().ip, "192.0.2.1");
    let document = connect(&bed, "/etc/gai.conf", "#precedence ::ffff:0:0/96 100\n");
    assert_eq!(document.winner().unwrap().ip, "2001:db8:5::1");
}
