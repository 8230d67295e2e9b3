//! `serve --mode sink`: what is refused never looks like success to the sender, and one file has one writer.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::path::Path;

use crate::served::Served;
use crate::support::{Ran, loopctl, run};

fn file(folder: &Path, bytes: usize) -> String {
    let path = folder.join("input");
    std::fs::write(&path, vec![7; bytes]).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_transfer_over_max_size_is_reset_for_every_output() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (single, many) = (at("single"), at("many"));
    std::fs::create_dir(&many).unwrap();
    for bytes in [1001, 3_000_000] {
        let input = file(folder.path(), bytes);
        let outputs: [&[&str]; 4] =
            [&["--output", &single, "--force"], &["--output", &many], &["--output", "-"], &[]];
        for output in outputs {
            let limit = ["--once", "--mode", "sink", "--max-size", "1000"];
            let mut command = loopctl();
            command.args(["serve", "127.0.0.1:0", "--port-file", &at("port")]).args(limit);
            let _ = std::fs::remove_file(at("port"));
            command
                .args(output)
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null());
            let mut sink = command.spawn().unwrap();
            let port = loop {
                match std::fs::read_to_string(at("port")) {
                    Ok(port) if !port.is_empty() => break port,
                    _ => std::thread::yield_now(),
                }
            };
            let target = format!("127.0.0.1:{}", port.trim());
            let ran = run(&["sendfile", &input, &target, "--checksum", "sha256"]);
            assert_ne!(ran.code, Some(0), "{bytes} {output:?} {}", ran.stdout);
            assert!(!ran.stdout.lines().any(|line| line.len() > 64 && !line.contains(' ')));
            assert_eq!(sink.wait().unwrap().code(), Some(56), "{bytes} {output:?}");
        }
    }
}

#[test]
fn exactly_max_size_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (file(folder.path(), 1000), folder.path().join("output"));
    let server = Served::start(&[
        "--once",
        "--mode",
        "sink",
        "--max-size",
        "1000",
        "--output",
        output.to_str().unwrap(),
    ]);
    let ran = run(&["sendfile", &input, &server.address.to_string()]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(server.end().code, Some(0));
    assert_eq!(std::fs::read(&output).unwrap(), vec![7; 1000]);
}

#[test]
fn an_announced_length_over_max_size_is_refused_before_the_first_byte() {
    let folder = tempfile::tempdir().unwrap();
    let (output, part) = (folder.path().join("output"), folder.path().join("output.part"));
    let input = file(folder.path(), 1001);
    std::fs::write(&part, vec![7; 10]).unwrap();
    let server = Served::start(&[
        "--once",
        "--mode",
        "sink",
        "--max-size",
        "1000",
        "--resume",
        "--output",
        output.to_str().unwrap(),
    ]);
    let ran = run(&["sendfile", &input, &server.address.to_string(), "--resume"]);
    assert_ne!(ran.code, Some(0), "{}", ran.stdout);
    let ran = server.end();
    assert_eq!(ran.code, Some(56), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("announced 1001 bytes, more than --max-size 1000"),
        "{}",
        ran.stderr
    );
    assert_eq!(std::fs::read(&part).unwrap(), vec![7; 10]);
    assert!(!output.exists());
}

#[test]
fn a_second_writer_of_a_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other");
    std::os::unix::fs::symlink(folder.path(), &other).unwrap();
    let (path, same) = (folder.path().join("two"), other.join("two"));
    let [path, same] = [&path, &same].map(|path| path.to_str().unwrap());
    for first in ["--resume", "--force"] {
        let server = Served::start(&["--once", "--mode", "sink", "--output", path, first]);
        for second in ["--resume", "--force"] {
            let args = ["serve", "127.0.0.1:0", "--once", "--mode", "sink", "--output", same];
            let ran = run(&[&args, &[second, "--timeout", "3s"][..]].concat());
            assert_eq!(ran.code, Some(23), "{first} {second} {}", ran.stderr);
            assert!(ran.stderr.contains("another program writes to"), "{}", ran.stderr);
        }
        let ran = server.terminate();
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    }
}

#[test]
fn a_part_that_another_program_has_changed_is_not_confirmed() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("output");
    let server = Served::start(&["--once", "--mode", "sink", "--output", output.to_str().unwrap()]);
    let mut stream = server.connect();
    stream.write_all(b"hello").unwrap();
    let part = folder.path().join("output.part");
    while std::fs::read(&part).unwrap() != b"hello" {
        std::thread::yield_now();
    }
    std::fs::OpenOptions::new().append(true).open(&part).unwrap().write_all(b"!").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let _ = stream.read(&mut [0]);
    let ran = server.end();
    assert_eq!(ran.code, Some(23), "{}", ran.stderr);
    assert!(ran.stderr.contains("has 6 bytes, and 5 were received"), "{}", ran.stderr);
    assert!(!output.exists());
}

#[test]
fn links_are_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let victim = folder.path().join("victim");
    std::fs::write(&victim, "precious").unwrap();
    let (output, part) = (folder.path().join("output"), folder.path().join("output.part"));
    std::os::unix::fs::symlink(&victim, &part).unwrap();
    let dangling = folder.path().join("dangling");
    std::os::unix::fs::symlink("nowhere", &dangling).unwrap();
    let serve = |output: &Path, args: &[&str]| -> Ran {
        let fixed =
            ["serve", "127.0.0.1:0", "--once", "--mode", "sink", "--timeout", "3s", "--output"];
        run(&[&fixed, &[output.to_str().unwrap()][..], args].concat())
    };
    for args in [&["--force"][..], &["--resume"], &[]] {
        let ran = serve(&output, args);
        assert_eq!(ran.code, Some(23), "{args:?} {}", ran.stderr);
    }
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
    let ran = serve(&dangling, &[]);
    assert_eq!(ran.code, Some(23));
    assert!(ran.stderr.contains("exists"), "{}", ran.stderr);
}

#[test]
fn bytes_that_the_peer_never_had_are_not_claimed() {
    let folder = tempfile::tempdir().unwrap();
    let input = file(folder.path(), 4_000_000);
    for method in ["sendfile", "copy"] {
        let listener =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        listener.set_recv_buffer_size(4096).unwrap();
        let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
        listener.bind(&any.into()).unwrap();
        listener.listen(1).unwrap();
        let listener = std::net::TcpListener::from(listener);
        let target = listener.local_addr().unwrap().to_string();
        let peer = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut bytes = vec![0; 10_000];
            stream.read_exact(&mut bytes).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(300));
            socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        });
        let args = ["sendfile", &input, &target, "--json", "--method", method];
        let ran = run(&args);
        peer.join().unwrap();
        let sent = ran.json()["sent_bytes"].as_u64().unwrap();
        assert_eq!(ran.code, Some(55), "{}", ran.stderr);
        assert!((10_000..400_000).contains(&sent), "{method}: {sent}");
    }
    // Half a second without a taker.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    socket2::SockRef::from(&listener).set_recv_buffer_size(4096).unwrap();
    let target = listener.local_addr().unwrap().to_string();
    let ran = run(&["sendfile", &input, &target, "--json", "--idle-timeout", "300ms"]);
    assert_eq!(ran.code, Some(28), "{}", ran.stderr);
    assert!(ran.json()["sent_bytes"].as_u64().unwrap() < 400_000, "{}", ran.stdout);
}

#[test]
fn no_grace_for_clients_leaves_the_output_its_time() {
    for args in [&["--json"][..], &[]] {
        for is_busy in [false, true] {
            let server = Served::start(&[&["--grace", "0s"], args].concat());
            let stream = is_busy.then(|| {
                let mut stream = server.connect();
                stream.write_all(b"x").unwrap();
                stream.read_exact(&mut [0]).unwrap();
                stream
            });
            let ran = server.terminate();
            let expected = if is_busy { Some(28) } else { Some(0) };
            assert_eq!(ran.code, expected, "{}", ran.stderr);
            assert!(
                ran.stdout.contains(if args.is_empty() { " in " } else { "summary" }),
                "{}",
                ran.stdout
            );
            assert_eq!(ran.stderr, "");
            drop(stream);
        }
    }
}

/// sha256sum(1) compares the bytes of the name.
#[test]
fn a_name_that_is_no_text_is_printed_as_it_is() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    let name = std::ffi::OsStr::from_bytes(b"x\xff");
    std::fs::write(folder.path().join(name), "hi").unwrap();
    let server = Served::start(&["--once", "--mode", "discard"]);
    let mut command = loopctl();
    command.arg("sendfile").arg(name).arg(server.address.to_string());
    let output =
        command.args(["--checksum", "sha256"]).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success());
    assert!(output.stdout.ends_with(b"  x\xff\n"), "{}", output.stdout.escape_ascii());
}
