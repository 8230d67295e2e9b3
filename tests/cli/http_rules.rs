//! `serve --mode http`: requests by the rules of RFC 9110 and 9112, byte for byte.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::path::Path;
use std::time::Duration;

use crate::served::Served;
use crate::support::run;

fn serve(root: Option<&Path>) -> Served {
    let root = root.map_or_else(Vec::new, |root| vec!["--root", root.to_str().unwrap()]);
    Served::start(&[&["--mode", "http", "--json"], &root[..]].concat())
}

/// Status and content.
fn ask(server: &Served, request: &[u8]) -> (u16, String) {
    let answer = String::from_utf8_lossy(&server.ask(request)).into_owned();
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
    let (_, content) = answer.split_once("\r\n\r\n").unwrap_or_default();
    (status.unwrap_or(0), content.to_owned())
}

#[test]
fn each_mistake_of_a_client_has_its_status_and_its_name() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.txt"), "hello\n").unwrap();
    for mut server in [serve(Some(folder.path())), serve(None)] {
        for (line, fields, status, text) in [
            ("GET /sp ace HTTP/1.1", "Host: x", 400, "the target has a space"),
            ("GET /a.txt HTTP/3.0", "Host: x", 505, "not this major version"),
            ("GET /a.txt HTTP/1.x", "Host: x", 400, "the version is malformed"),
            ("GET a.txt HTTP/1.1", "Host: x", 400, "neither a path nor a URL"),
            ("GET /a.txt HTTP/1.1", "Host: a b/c@", 400, "the value of Host is not a host"),
            ("GET /a.txt HTTP/1.1", "Host: [::1", 400, "the value of Host is not a host"),
            (
                "PUT /a HTTP/1.1",
                "Host: x\r\nContent-Length: 1\r\nContent-Length: 2",
                400,
                "two values",
            ),
            ("PROXY TCP4 192.0.2.1 192.0.2.2 1 2", "", 400, "this is the PROXY protocol"),
        ] {
            let request = format!("{line}\r\n{fields}\r\n\r\n");
            let (code, content) = ask(&server, request.as_bytes());
            if line.starts_with("PUT") && code == 405 {
                // A server of files does not read the content.
                server.record();
                continue;
            }
            assert_eq!(code, status, "{line}: {content}");
            assert!(content.contains(text), "{line}: {content}");
            let record = server.record();
            let message = record["error"]["message"].as_str().unwrap();
            assert!(message.contains(text), "{line}: {record}");
        }
        let (code, _) = ask(&server, b"GET /a.txt HTTP/1.7\r\nHost: x\r\n\r\n");
        assert_eq!(code, 200, "the highest minor version that is known");
        let (code, _) = ask(
            &server,
            b"GET /a.txt HTTP/1.1\r\nHost: \r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
        );
        assert_eq!(code, 200);
    }
}

#[test]
fn no_path_of_a_client_is_an_error_of_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::os::unix::fs::symlink("loop", at("loop")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", at("out")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(at("fifo")).status().unwrap().success());
    std::fs::write(at("a.txt"), "hello").unwrap();
    let raw: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"raw\xff\xe9");
    std::fs::write(folder.path().join(raw), "bytes").unwrap();
    let server = serve(Some(folder.path()));
    let long = "x".repeat(300);
    for path in ["loop", "loop/a", "out", "fifo", "a.txt/b", &long, "%00", "..%2f..", "none"] {
        let (code, _) = ask(&server, format!("GET /{path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes());
        assert!(matches!(code, 403 | 404), "{path}: {code}");
    }
    for path in [&b"raw\xff\xe9"[..], b"raw%FF%E9", b"raw\xff%e9"] {
        let request = [b"GET /", path, b" HTTP/1.1\r\nHost: x\r\n\r\n"].concat();
        assert_eq!(ask(&server, &request), (200, "bytes".to_owned()), "{path:?}");
    }
}

/// The client reads when it has sent everything, and pauses longer than a second meanwhile.
#[test]
fn an_early_answer_reaches_a_client_that_still_sends() {
    let folder = tempfile::tempdir().unwrap();
    let heads: [(&str, &str, u16); 3] = [
        ("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 600000\r\n\r\n", "x", 405),
        ("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", "x", 405),
        ("POST /sp ace HTTP/1.1\r\nHost: x\r\nContent-Length: 600000\r\n\r\n", "x", 400),
    ];
    let server = serve(Some(folder.path()));
    std::thread::scope(|scope| {
        for (head, piece, status) in heads {
            let server = &server;
            scope.spawn(move || {
                let mut stream = server.connect();
                stream.write_all(head.as_bytes()).unwrap();
                for _ in 0..3 {
                    std::thread::sleep(Duration::from_millis(1300));
                    stream.write_all(piece.repeat(200_000).as_bytes()).unwrap();
                }
                stream.shutdown(Shutdown::Write).unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).unwrap();
                assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
            });
        }
    });
}

#[test]
fn http_2_is_not_agreed_on_where_it_is_not_spoken() {
    for names in ["h2", "h2,http/1.1", "http/1.1,h3"] {
        let ran = run(&["serve", "--tls", "--mode", "http", "--alpn", names, "--timeout", "1s"]);
        assert_eq!(ran.code, Some(2), "{names} {}", ran.stderr);
        assert!(ran.stderr.contains("--mode http speaks HTTP/1.1"), "{}", ran.stderr);
    }
    for mode in ["http", "echo"] {
        let names = if mode == "http" { "http/1.1,http/1.0" } else { "h2" };
        let args = ["serve", "--tls", "--mode", mode, "--alpn", names, "--timeout", "50ms"];
        assert_eq!(run(&args).code, Some(0), "{mode}");
    }
}

/// A date of this very minute may be that of another content.
#[test]
fn a_fresh_date_is_no_strong_validator() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("f"), "0123456789").unwrap();
    let server = serve(Some(folder.path()));
    let head = server.ask(b"HEAD /f HTTP/1.1\r\nHost: x\r\n\r\n");
    let head = String::from_utf8(head).unwrap();
    let date = head.lines().find_map(|line| line.strip_prefix("Last-Modified: ")).unwrap();
    let tag = head.lines().find_map(|line| line.strip_prefix("ETag: ")).unwrap();
    for (validator, status) in [(date, 200), (tag, 206)] {
        let request = format!(
            "GET /f HTTP/1.1\r\nHost: x\r\nRange: bytes=5-\r\nIf-Range: {validator}\r\n\r\n"
        );
        assert_eq!(ask(&server, request.as_bytes()).0, status, "{validator}");
    }
}
