//! `serve --mode http`: answers byte by byte, limits, and that nothing leads out of the root.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

use crate::served::{Served, timed};
use crate::support::{Signal, run, wait_until_refused};

const SERVER: &str = concat!("Server: loopctl/", env!("CARGO_PKG_VERSION"), "\r\n");
/// The last change of every file made here.
const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

/// A tree of files, and the server of it.
struct Site {
    directory: TempDir,
    server: Served,
}

impl Site {
    fn new(args: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        fs::create_dir_all(root.join("sub/deep")).unwrap();
        fs::write(directory.path().join("secret"), "secret").unwrap();
        let (mode, root) = (["--mode", "http", "--root"], root.to_str().unwrap());
        let server = Served::start(&[&mode[..], &[root], args].concat());
        Self { directory, server }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join("root").join(name)
    }

    fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.path(name), content).unwrap();
        self.date(name, UNIX_EPOCH + Duration::from_secs(784_111_777));
    }

    fn date(&self, name: &str, date: SystemTime) {
        File::options().write(true).open(self.path(name)).unwrap().set_modified(date).unwrap();
    }

    /// What this request gets, without its date.
    fn get(&self, path: &str, fields: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: x\r\n{fields}\r\n"))
    }

    fn ask(&self, requests: &str) -> String {
        undated(&String::from_utf8(self.server.ask(requests.as_bytes())).unwrap())
    }

    fn status(&self, path: &str) -> u16 {
        self.get(path, "")[9..12].parse().unwrap()
    }
}

/// Takes the dates out, which are no constants, once they have been looked at.
fn undated(answers: &str) -> String {
    let mut rest = String::new();
    for line in answers.split_inclusive("\r\n") {
        match line.strip_prefix("Date: ") {
            Some(date) => assert!(date.len() == 31 && date.ends_with(" GMT\r\n"), "{date}"),
            None => rest += line,
        }
    }
    rest
}

fn body_of(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

/// Reads an answer whose length is known to be this.
fn receive(stream: &mut TcpStream, length: usize) -> String {
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

#[test]
fn a_file_is_sent_with_all_that_is_known_of_it() {
    let site = Site::new(&[]);
    site.write("a.txt", b"hello\n");
    let tag = "ETag: \"2ebc98a1-0-6\"\r\n";
    let fields = format!("Accept-Ranges: bytes\r\n{tag}Last-Modified: {MODIFIED}\r\n");
    let kind = "Content-Type: text/plain; charset=utf-8\r\n";
    let head = format!("HTTP/1.1 200 OK\r\n{SERVER}{kind}{fields}Content-Length: 6\r\n\r\n");
    assert_eq!(site.get("/a.txt", ""), format!("{head}hello\n"));
    assert_eq!(site.ask("HEAD /a.txt HTTP/1.1\r\nHost: x\r\n\r\n"), head);
    for (name, kind) in [
        ("a.html", "text/html; charset=utf-8"),
        ("a.png", "image/png"),
        ("a.wasm", "application/wasm"),
        ("a", "application/octet-stream"),
        ("a.unheard-of", "application/octet-stream"),
    ] {
        site.write(name, b"");
        let answer = site.get(&format!("/{name}"), "");
        assert!(answer.contains(&format!("\r\nContent-Type: {kind}\r\n")), "{name}: {answer}");
        assert!(answer.ends_with("\r\nContent-Length: 0\r\n\r\n"), "{answer}");
    }
}

#[test]
fn requests_follow_one_another_on_a_connection() {
    let site = Site::new(&[]);
    site.write("a", b"first");
    site.write("b", b"second");
    let get = |path| format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    let single = site.get("/a", "");
    // One at a time.
    let mut stream = site.server.connect();
    let length = site.server.ask(get("/a").as_bytes()).len();
    for _ in 0..3 {
        stream.write_all(get("/a").as_bytes()).unwrap();
        assert_eq!(undated(&receive(&mut stream, length)), single);
    }
    // All at once, and in any pieces.
    let all = site.ask(&[get("/a"), get("/b"), get("/none"), get("/a")].concat());
    let expected = ["/a", "/b", "/none", "/a"].map(|path| site.get(path, "")).concat();
    assert_eq!(all, expected);
    for piece in get("/a").as_bytes().chunks(7) {
        stream.write_all(piece).unwrap();
        // So that the pieces do not arrive as one.
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(undated(&receive(&mut stream, length)), single);
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

#[test]
fn connections_end_when_the_client_wants_it() {
    let site = Site::new(&[]);
    site.write("a", b"first");
    let again = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
    let count = |fields: &str, version| {
        let mut stream = site.server.connect();
        write!(stream, "GET /a HTTP/1.{version}\r\nHost: x\r\n{fields}\r\n{again}").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answers = String::new();
        stream.read_to_string(&mut answers).unwrap();
        (answers.matches("HTTP/1.1 200 OK").count(), answers)
    };
    assert_eq!(count("", 1).0, 2);
    let (answers, text) = count("Connection: Close\r\n", 1);
    assert!(answers == 1 && text.contains("\r\nConnection: close\r\n"), "{text}");
    let (answers, text) = count("", 0);
    assert!(answers == 1 && text.contains("\r\nConnection: close\r\n"), "{text}");
    let (answers, text) = count("Connection: keep-alive\r\n", 0);
    assert!(answers == 2 && text.contains("\r\nConnection: keep-alive\r\n"), "{text}");
    // It does not wait for the client's end.
    let mut stream = site.server.connect();
    write!(stream, "GET /a HTTP/1.0\r\n\r\n").unwrap();
    assert!(stream.read_to_string(&mut String::new()).unwrap() > 0);
}

#[test]
fn ranges_are_sent_in_part() {
    let site = Site::new(&[]);
    site.write("a", b"0123456789");
    site.write("empty", b"");
    let get = |path: &str, range: &str| {
        let answer = site.get(path, &format!("Range: bytes={range}\r\n"));
        let field = answer.lines().find_map(|line| line.strip_prefix("Content-Range: bytes "));
        let field = field.unwrap_or_default().to_owned();
        (answer[9..12].to_owned(), field, body_of(&answer).to_owned())
    };
    let part = |range: &str, body: &str| ("206".to_owned(), format!("{range}/10"), body.to_owned());
    assert_eq!(get("/a", "0-0"), part("0-0", "0"));
    assert_eq!(get("/a", "9-9"), part("9-9", "9"));
    assert_eq!(get("/a", "9-"), part("9-9", "9"));
    assert_eq!(get("/a", "5-1000"), part("5-9", "56789"));
    assert_eq!(get("/a", "-1"), part("9-9", "9"));
    assert_eq!(get("/a", "-1000"), part("0-9", "0123456789"));
    let none = |size: u64| {
        ("416".to_owned(), format!("*/{size}"), "416 Range Not Satisfiable\n".to_owned())
    };
    assert_eq!(get("/a", "10-"), none(10));
    assert_eq!(get("/a", "-0"), none(10));
    assert_eq!(get("/empty", "0-0"), none(0));
    let all = |body: &str| ("200".to_owned(), String::new(), body.to_owned());
    assert_eq!(get("/empty", "-1"), all(""));
    assert_eq!(get("/a", "0-0,9-9"), all("0123456789"));
    assert_eq!(get("/a", "3-2"), all("0123456789"));
    let head = site.ask("HEAD /a HTTP/1.1\r\nHost: x\r\nRange: bytes=0-0\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("\r\nContent-Length: 10\r\n"));
}

#[test]
fn what_the_client_has_is_not_sent_again() {
    let site = Site::new(&[]);
    site.write("a", b"0123456789");
    let answer = site.get("/a", &format!("If-Modified-Since: {MODIFIED}\r\n"));
    let tag = "ETag: \"2ebc98a1-0-a\"\r\n";
    assert_eq!(
        answer,
        format!(
            "HTTP/1.1 304 Not Modified\r\n{SERVER}Accept-Ranges: bytes\r\n{tag}Last-Modified: {MODIFIED}\r\n\r\n"
        )
    );
    let status = |fields: &str| site.get("/a", fields)[9..12].to_owned();
    assert_eq!(status("If-None-Match: \"2ebc98a1-0-a\"\r\n"), "304");
    assert_eq!(status("If-None-Match: \"other\"\r\n"), "200");
    assert_eq!(status("If-Match: \"other\"\r\n"), "412");
    assert_eq!(status(&format!("Range: bytes=0-0\r\nIf-Range: {MODIFIED}\r\n")), "206");
    assert_eq!(status("Range: bytes=0-0\r\nIf-Range: \"other\"\r\n"), "200");
    site.write("a", b"98765");
    site.date("a", UNIX_EPOCH + Duration::from_secs(784_111_778));
    assert_eq!(status(&format!("If-Modified-Since: {MODIFIED}\r\n")), "200");
}

#[test]
fn dates_that_cannot_be_told_are_left_out() {
    let site = Site::new(&[]);
    for year in [-100_i64, 100, 8000] {
        let distance = Duration::from_secs(year.unsigned_abs() * 31_556_952);
        let date = if year < 0 { UNIX_EPOCH - distance } else { UNIX_EPOCH + distance };
        site.write("a", b"x");
        site.date("a", date);
        let answer = site.get("/a", &format!("If-Modified-Since: {MODIFIED}\r\n"));
        assert!(answer.starts_with("HTTP/1.1 200 ") && !answer.contains("Last-Mod"), "{answer}");
        assert!(site.get("/", "").contains("<td>1 B</td><td></td>"), "{year}");
    }
}

#[test]
fn folders_are_listed_unless_they_have_an_index() {
    let site = Site::new(&[]);
    site.write("sub/b <&>\"'.txt", b"x");
    site.write("sub/.hidden", &[b'x'; 1500]);
    fs::write(site.path("sub").join(Path::new(std::ffi::OsStr::from_bytes(b"a\xff"))), "").unwrap();
    let answer = site.get("/sub/", "");
    assert!(answer.contains("\r\nContent-Type: text/html; charset=utf-8\r\n"), "{answer}");
    let rows: Vec<&str> = answer.lines().filter_map(|line| line.strip_prefix("<tr><td>")).collect();
    let date = "1994-11-06T08:49:37Z</td></tr>";
    assert_eq!(rows[0], "<a href=\"../\">../</a></td><td></td><td></td></tr>");
    assert!(rows[1].starts_with("<a href=\"deep/\">deep/</a></td><td></td><td>20"), "{rows:?}");
    let hidden = "<a href=\".hidden\">.hidden</a></td><td>1.5 kB</td><td>";
    assert_eq!(rows[2], format!("{hidden}{date}"));
    assert!(rows[3].starts_with("<a href=\"a%FF\">a\u{fffd}</a></td><td>0 B</td>"), "{rows:?}");
    let name = "b &lt;&amp;&gt;\"'.txt";
    let link = "b%20%3C%26%3E%22%27.txt";
    assert_eq!(rows[4], format!("<a href=\"{link}\">{name}</a></td><td>1 B</td><td>{date}"));
    assert_eq!(body_of(&site.get(&format!("/sub/{link}"), "")), "x", "the link works");
    assert_eq!(site.status("/sub/a%FF"), 200);

    let moved = site.get("/sub?x=1", "");
    assert!(moved.starts_with("HTTP/1.1 301 "), "{moved}");
    assert!(moved.contains("\r\nLocation: /sub/?x=1\r\n"), "{moved}");
    let elsewhere = site.get("//sub", "");
    assert!(elsewhere.contains("\r\nLocation: /sub/\r\n"), "no other host: {elsewhere}");

    site.write("sub/index.html", b"<p>index");
    assert!(site.get("/sub/", "").ends_with("\r\n\r\n<p>index"));
}

#[test]
fn nothing_leads_out_of_the_root() {
    let site = Site::new(&[]);
    site.write("sub/a", b"inside");
    let link = |to: &str, name: &str| symlink(to, site.path(name)).unwrap();
    link("../sub/a", "sub/to-a");
    link("sub", "to-sub");
    link("../secret", "to-secret");
    link("..", "to-parent");
    link("/etc/passwd", "to-passwd");
    link("nowhere", "to-nowhere");
    for path in ["/sub/a", "/sub/to-a", "/to-sub/a", "/to-sub/deep/../a", "http://y/sub/a"] {
        assert_eq!(body_of(&site.get(path, "")), "inside", "{path}");
    }
    for path in [
        "/../secret",
        "/%2e%2e/secret",
        "/..%2fsecret",
        "/sub/../../secret",
        "/sub/%2E%2e/.%2e/secret",
        "/..\\secret",
        "/sub%00",
        "/sub/a%00.txt",
        "/sub/a/",
        "/sub/a/b",
        "//etc/passwd",
        "///etc/passwd",
        "/%2fetc/passwd",
        "file:///etc/passwd",
        "/to-nowhere",
        &format!("/{}", "x".repeat(300)),
    ] {
        assert_eq!(site.status(path), 404, "{path}");
    }
    for path in ["/to-secret", "/to-parent/secret", "/to-parent/", "/to-passwd"] {
        assert_eq!(site.status(path), 403, "{path}");
    }
    let listing = site.get("/", "");
    assert!(listing.contains("<a href=\"to-sub/\">to-sub/</a>"), "{listing}");
    assert!(listing.contains("to-secret</a></td><td></td><td></td>"), "{listing}");
}

#[test]
fn what_is_no_file_is_not_opened() {
    let site = Site::new(&[]);
    assert!(Command::new("mkfifo").arg(site.path("fifo")).status().unwrap().success());
    let _listener = UnixListener::bind(site.path("socket")).unwrap();
    let (took, statuses) = timed(|| [site.status("/fifo"), site.status("/socket")]);
    assert_eq!(statuses, [403, 403]);
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(site.get("/", "").contains("<a href=\"fifo\">fifo</a>"));
    assert_eq!(site.server.terminate().code, Some(0), "no thread waits for it");
}

#[test]
fn only_get_and_head_are_for_files() {
    let site = Site::new(&[]);
    site.write("a", b"first");
    let answer =
        site.ask("DELETE /a HTTP/1.1\r\nHost: x\r\n\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"), "{answer}");
    assert!(answer.contains("\r\nAllow: GET, HEAD\r\n") && answer.ends_with("first"), "{answer}");
    // A body is not waited for.
    let mut stream = site.server.connect();
    write!(stream, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nGET /").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 405 ") && answer.contains("\r\nConnection: close\r\n"));
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
}

#[test]
fn without_a_root_the_request_is_described() {
    let server = Served::start(&["--mode", "http"]);
    let ask = |text: &str| undated(&String::from_utf8(server.ask(text.as_bytes())).unwrap());
    let answer = |body: &str, connection: &str| {
        let kind = "Content-Type: text/plain; charset=utf-8\r\n";
        let length = format!("Content-Length: {}\r\n", body.len());
        format!("HTTP/1.1 200 OK\r\n{SERVER}{kind}{length}{connection}\r\n{body}")
    };
    let get = "GET /x?y HTTP/1.1\r\nHost: a\r\nX-Some:  thing\r\n\r\n";
    let described = answer(&format!("{get}0 bytes of body\n"), "");
    assert_eq!(ask(get), described);
    let head = get.replace("GET", "HEAD");
    let length = format!("Content-Length: {}\r\n\r\n", head.len() + "0 bytes of body\n".len());
    assert!(ask(&head).ends_with(&length), "{}", ask(&head));
    let put = "BREW /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
    let put_described = answer(&format!("{put}5 bytes of body\n"), "");
    assert_eq!(ask(&format!("{put}12345{get}")), format!("{put_described}{described}"));
    let post = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunks = "3\r\nabc\r\na\r\n0123456789\r\n0\r\nSum: 1\r\n\r\n";
    let post_described = answer(&format!("{post}13 bytes of body\n"), "");
    assert_eq!(ask(&format!("{post}{chunks}{get}")), format!("{post_described}{described}"));
    let old = "POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\n";
    let old_described = answer(&format!("{old}2 bytes of body\n"), "Connection: close\r\n");
    assert_eq!(ask(&format!("{old}ab{get}")), old_described);
    assert!(ask("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").starts_with("HTTP/1.1 200 "));
    assert!(ask("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n").starts_with("HTTP/1.1 501 "));
}

#[test]
fn a_client_that_waits_for_continue_gets_it() {
    let server = Served::start(&["--mode", "http"]);
    let mut stream = server.connect();
    let fields = "Host: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n";
    write!(stream, "PUT / HTTP/1.1\r\n{fields}\r\n").unwrap();
    assert_eq!(receive(&mut stream, 25), "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"abc").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("3 bytes of body\n"), "{answer}");
}

#[test]
fn what_breaks_a_rule_ends_the_connection_with_a_reason() {
    let mut server = Served::start(&["--mode", "http", "--json"]);
    let long = "x".repeat(20_000);
    for (request, status, why) in [
        ("nonsense\r\n\r\n".to_owned(), 400, "has no target"),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400, "has one Host field"),
        ("GET / HTTP/1.1\r\nHost: x\r\n".to_owned(), 400, "within its head"),
        (format!("GET /{long}"), 414, "first line is over 16 KiB"),
        (format!("GET / HTTP/1.1\r\nA: {long}"), 431, "head is over 16 KiB"),
        (format!("GET / HTTP/1.0\r\n{}\r\n", "A: b\r\n".repeat(65)), 431, "64 fields"),
        ("GET / HTTP/3.0\r\nHost: x\r\n\r\n".to_owned(), 505, "HTTP/1.1"),
        ("PUT / HTTP/1.0\r\nContent-Length: x\r\n\r\n".to_owned(), 400, "not a number"),
        ("PUT / HTTP/1.0\r\nContent-Length: 3\r\n\r\nab".to_owned(), 400, "within its content"),
    ] {
        let answer = String::from_utf8(server.ask(request.as_bytes())).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
        assert!(body_of(&answer).contains(why), "{answer}");
        let record = server.record();
        assert_eq!(record["end"], "limit", "{record}");
        assert!(record["error"]["message"].as_str().unwrap().contains(why), "{record}");
    }
}

#[test]
fn a_refusal_reaches_a_client_that_is_still_sending() {
    let server = Served::start(&["--mode", "http"]);
    let mut stream = server.connect();
    stream.write_all(b"GET / HTTP/1.1\r\nA: ").unwrap();
    stream.write_all(&[b'x'; 1 << 20]).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[test]
fn idle_connections_stay_until_the_timeout_or_the_end() {
    let mut server = Served::start(&["--mode", "http", "--json", "--idle-timeout", "300ms"]);
    let mut idle = server.connect();
    assert_eq!(idle.read(&mut [0]).unwrap(), 0);
    assert_eq!(server.record()["end"], "idle");
    let server = Served::start(&["--mode", "http", "--json"]);
    let mut kept = server.connect();
    kept.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert!(kept.read(&mut [0; 100]).unwrap() > 0);
    let (took, ran) = timed(|| server.terminate());
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(ran.code, Some(0));
    assert!(ran.stdout.contains(r#""end":"shutdown""#), "{}", ran.stdout);
}

#[test]
fn a_download_is_finished_when_the_server_ends() {
    const SIZE: usize = 20 << 20;
    let site = Site::new(&["--json"]);
    site.write("big", &vec![7; SIZE]);
    let mut stream = site.server.connect();
    write!(stream, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    stream.read_exact(&mut [0; 100]).unwrap();
    site.server.signal(Signal::TERM);
    wait_until_refused(site.server.address);
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(rest.len() > SIZE && rest.ends_with(&[7; 1000]), "{}", rest.len());
    let ran = site.server.end();
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    assert!(ran.stdout.contains(r#""aborted":0"#), "{}", ran.stdout);
}

#[test]
fn files_that_change_meanwhile_are_sent_as_long_as_they_were() {
    const SIZE: usize = 20 << 20;
    let mut site = Site::new(&["--json"]);
    let begin = |site: &Site| {
        site.write("big", &vec![7; SIZE]);
        let mut stream = site.server.connect();
        let fields = "Host: x\r\nConnection: close\r\n";
        write!(stream, "GET /big HTTP/1.1\r\n{fields}\r\n").unwrap();
        stream.read_exact(&mut [0; 100]).unwrap();
        (stream, File::options().append(true).open(site.path("big")).unwrap())
    };
    let rest = |mut stream: TcpStream| {
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        rest.len()
    };
    let (stream, mut file) = begin(&site);
    file.write_all(&vec![8; SIZE]).unwrap();
    assert!(rest(stream) < SIZE + 500);
    assert_eq!(site.server.record()["end"], "eof");

    let (stream, file) = begin(&site);
    file.set_len(100).unwrap();
    assert!(rest(stream) < SIZE);
    let record = site.server.record();
    assert_eq!(record["end"], "error");
    assert_eq!(record["error"]["message"], "the file became shorter while it was sent");
}

#[test]
fn a_file_of_any_size_needs_no_more_memory() {
    let site = Site::new(&[]);
    File::create(site.path("sparse")).unwrap().set_len(1 << 40).unwrap();
    let mut stream = site.server.connect();
    write!(stream, "GET /sparse HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut buffer = vec![0; 1 << 20];
    for _ in 0..200 {
        stream.read_exact(&mut buffer).unwrap();
    }
    let memory = site.server.peak_memory();
    assert!(memory < 32 << 20, "{memory} bytes");
}

/// With a rate, the pieces have to be counted; without one, the kernel sends the file.
#[test]
fn sf_09_files_are_sent_by_the_kernel_unless_something_has_to_see_the_bytes() {
    for (args, natively) in [(&["-vv"][..], true), (&["-vv", "--rate", "100MB/s"], false)] {
        let site = Site::new(args);
        let data: String = (0..30_000).map(|n| format!("{n:05}\n")).collect();
        site.write("big", data.as_bytes());
        assert!(body_of(&site.get("/big", "")) == data);
        assert_eq!(body_of(&site.get("/big", "Range: bytes=60000-60005\r\n")), "10000\n");
        let ran = site.server.terminate();
        let told = ran.stderr.matches("path: Native").count();
        assert_eq!(told, if natively { 2 } else { 0 }, "{}", ran.stderr);
    }
}

#[test]
fn sf_15_what_a_client_did_not_take_is_not_counted_as_sent() {
    let mut site = Site::new(&["--json"]);
    File::create(site.path("sparse")).unwrap().set_len(1 << 30).unwrap();
    let mut client = site.server.connect();
    client.write_all(b"GET /sparse HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    client.read_exact(&mut [0; 100_000]).unwrap();
    drop(client);
    let record = site.server.record();
    assert_eq!(record["end"], "reset", "{record:#}");
    let sent = record["bytes_out"].as_u64().unwrap();
    assert!((100_000..1 << 29).contains(&sent), "{record:#}");
}

#[test]
fn verbose_tells_every_request() {
    let site = Site::new(&["-v"]);
    site.write("a.txt", &[b'x'; 1234]);
    site.get("/a.txt?\u{9b}1m", "");
    site.ask("nonsense\r\n\r\n");
    let ran = site.server.terminate();
    assert!(ran.stderr.contains(" GET /a.txt?%C2%9B1m 200 1.2 kB\n"), "{}", ran.stderr);
    assert!(ran.stderr.contains(" - 400 "), "{}", ran.stderr);
}

#[test]
fn faults_and_rates_hold_for_answers() {
    let site = Site::new(&["--fault", "reset-after=300B"]);
    site.write("a", &[b'x'; 1000]);
    let mut stream = site.server.connect();
    write!(stream, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut received = Vec::new();
    assert!(stream.read_to_end(&mut received).is_err());
    assert_eq!(received.len(), 300);
    let site = Site::new(&["--rate", "10kB/s"]);
    site.write("a", &[b'x'; 5000]);
    let (took, answer) = timed(|| site.get("/a", ""));
    assert!(took >= Duration::from_millis(450) && body_of(&answer).len() == 5000, "{took:?}");
}

#[test]
fn a_root_that_cannot_be_read_is_an_error_at_once() {
    for root in ["/no/such/place", "/etc/hosts"] {
        let ran = run(&["serve", "127.0.0.1:0", "--mode", "http", "--root", root]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(26), ""));
        let error = format!("error: cannot read `{root}`: ");
        assert!(ran.stderr.starts_with(&error), "{}", ran.stderr);
    }
}
