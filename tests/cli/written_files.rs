//! Files of `--port-file` and `--report`: names that cannot be planted, modes that stay.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::support::{loopctl, run};

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o7777
}

fn write_port(path: &Path) {
    let args = ["serve", "127.0.0.1:0", "--timeout", "10ms", "--port-file"];
    let ran = run(&[&args, &[path.to_str().unwrap()][..]].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let port = std::fs::read_to_string(path).unwrap();
    assert!(port.trim().parse::<u16>().is_ok(), "{port:?}");
}

#[test]
fn the_mode_of_a_file_that_is_replaced_stays() {
    let folder = tempfile::tempdir().unwrap();
    for wanted in [0o600, 0o640, 0o444] {
        let path = folder.path().join(format!("{wanted:o}"));
        std::fs::write(&path, "before").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(wanted)).unwrap();
        write_port(&path);
        assert_eq!(mode(&path), wanted);
    }
    let (fresh, plain) = (folder.path().join("fresh"), folder.path().join("plain"));
    std::fs::write(&plain, "").unwrap();
    write_port(&fresh);
    assert_eq!(mode(&fresh), mode(&plain), "a new file has that of the umask");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 5, "nothing is left over");
}

#[test]
fn a_link_stays_and_its_target_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (target, link) = (folder.path().join("target"), folder.path().join("link"));
    std::fs::write(&target, "before").unwrap();
    symlink("target", &link).unwrap();
    write_port(&link);
    assert!(link.symlink_metadata().unwrap().is_symlink());
    assert_ne!(std::fs::read_to_string(&target).unwrap(), "before");
}

/// The process number is known to whoever starts the program, and was once a part of the name.
#[test]
fn a_planted_link_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let victim = folder.path().join("victim");
    std::fs::write(&victim, "precious").unwrap();
    let script = "for name in r.txt port; do ln -s victim .$name.$$; done; \
                  exec \"$0\" serve 127.0.0.1:0 --timeout 10ms --port-file port";
    let status = std::process::Command::new("sh")
        .args(["-c", script, loopctl().get_program().to_str().unwrap()])
        .current_dir(folder.path())
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
}
