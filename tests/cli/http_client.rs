//! `connect --http`: the request, the phases, and what servers do wrong.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::json::assert_valid;
use crate::support::{Ran, good, has_program, run};

/// A server that reads one request of each client and sends this back; the requests come through the channel.
fn answering(answer: impl Into<Vec<u8>>) -> (SocketAddr, Receiver<String>) {
    let answer = answer.into();
    scripted(move |stream| {
        let request = request(stream);
        let _ = stream.write_all(&answer);
        request
    })
}

/// A server that does this with every client, and closes.
fn scripted(
    serve: impl Fn(&mut TcpStream) -> String + Send + 'static,
) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, requests) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = sender.send(serve(&mut stream));
        }
    });
    (address, requests)
}

/// The header of a request, and the body that its length announces.
fn request(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut byte = [0];
    while !text.ends_with("\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count > 0) {
        text.push(byte[0].into());
    }
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).unwrap();
    text + &String::from_utf8(body).unwrap()
}

fn ask(address: SocketAddr, args: &[&str]) -> Ran {
    let target = address.to_string();
    run(&[&["connect", "--http", "--timeout", "5s", &target], args].concat())
}

fn document(address: SocketAddr, args: &[&str]) -> Value {
    let ran = ask(address, &[&["--json"], args].concat());
    let document = ran.json();
    assert_valid(&document);
    assert_eq!(document["exit_code"], ran.code.unwrap(), "{}", ran.stderr);
    document
}

#[test]
fn the_request_is_what_was_asked_for() {
    let (address, requests) = answering("HTTP/1.1 204 No Content\r\n\r\n");
    ask(address, &[]);
    let plain = requests.recv().unwrap();
    assert!(plain.starts_with("GET / HTTP/1.1\r\n"), "{plain}");
    assert!(plain.contains(&format!("\r\nhost: {address}\r\n")), "{plain}");
    ask(address, &["-X", "PUT", "-H", "User-Agent: me", "-H", "Host: a.test", "-d", "x=1"]);
    let put = requests.recv().unwrap();
    assert!(put.starts_with("PUT / HTTP/1.1\r\n") && put.ends_with("\r\n\r\nx=1"), "{put}");
    assert!(
        put.contains("\r\nuser-agent: me\r\n") && put.contains("\r\nhost: a.test\r\n"),
        "{put}"
    );
    let url = format!("http://u:s3cret@{address}/a?token=s3cret");
    let ran = run(&["connect", &url]);
    let by_url = requests.recv().unwrap();
    assert!(by_url.starts_with("GET /a?token=s3cret HTTP/1.1\r\n"), "{by_url}");
    assert!(!by_url.contains("u:") && !ran.stdout.contains("s3cret"), "{by_url} {}", ran.stdout);
}

#[test]
fn the_response_is_reported() {
    let (address, _requests) = answering(
        "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 Fine\r\nserver: s\r\ncontent-length: 5\r\n\
         strict-transport-security: max-age=86400; preload\r\nalt-svc: h2=\":1\", h3=\":443\"; ma=1\r\n\r\nhello",
    );
    let document = document(address, &[]);
    let http = &document["http"];
    assert_eq!((&http["status"], &http["reason"]), (&200.into(), &"Fine".into()));
    assert_eq!((&http["server"], &http["content_length"]), (&"s".into(), &5.into()));
    assert_eq!((&http["body_bytes"], &http["hsts_seconds"]), (&5.into(), &86400.into()));
    assert_eq!((&http["offers_http3"], &http["interim_responses"]), (&true.into(), &1.into()));
    let times: Vec<f64> = ["start_ms", "sent_ms", "first_byte_ms", "head_ms", "end_ms"]
        .map(|key| http[key].as_f64().unwrap())
        .to_vec();
    assert!(times.is_sorted(), "{times:?}");
    let ran = ask(address, &[]);
    for text in ["200 Fine in ", "HSTS for ", "offers HTTP/3 (Alt-Svc)", " + server ", " + body "] {
        assert!(ran.stdout.contains(text), "{text}: {}", ran.stdout);
    }
}

#[test]
fn expectations_of_the_response_decide() {
    let (address, _requests) =
        answering("HTTP/1.1 404 Not Found\r\ncontent-length: 7\r\n\r\nno such");
    let code = |args: &[&str]| ask(address, args).code.unwrap();
    assert_eq!(code(&[]), 0, "a status is no failure by itself");
    assert_eq!(code(&["--fail"]), 22);
    assert_eq!(code(&["--expect-status", "2xx"]), 3);
    assert_eq!(code(&["--expect-status", "200,4xx", "--expect-body", "s.ch$"]), 0);
    assert_eq!(code(&["--expect-body", "^such"]), 3);
    let unmet = document(address, &["--fail"]);
    assert_eq!(unmet["unmet"][0]["expectation"], "fail");
    let ran = run(&["connect", "--fail", &address.to_string()]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("--fail needs --http"), "{}", ran.stderr);
}

#[test]
fn what_servers_do_wrong_is_said_in_words() {
    let long = [b"HTTP/1.1 200 OK\r\nx: ", "a".repeat(400_000).as_bytes()].concat();
    let cases: [(&[u8], i32, &str); 9] = [
        (b"", 52, "closed the connection without an answer"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", 8, "speaks SSH"),
        (b"hello\r\n", 8, "it begins with `hello`"),
        (&[21, 3, 1, 0, 2, 2, 80], 8, "the server speaks TLS"),
        (b"HTTP/1.1 200 OK\r\n\x01: x\r\n\r\n", 8, "is not valid HTTP"),
        (b"HTTP/1.1 200 OK\r\nserver", 56, "ended inside the header"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n1234", 18, "after 4 of 9 bytes"),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n",
            56,
            "a chunk of the body is not valid",
        ),
        (&long, 56, "the header of the response is too long"),
    ];
    for (answer, code, words) in cases {
        let (address, _requests) = answering(answer);
        let ran = ask(address, &[]);
        assert_eq!(ran.code, Some(code), "{words}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
        let document = document(address, &[]);
        assert_eq!(document["outcome"], "failure");
        assert!(document["error"]["message"].as_str().unwrap().contains(words), "{document:#}");
    }
}

#[test]
fn a_server_that_accepts_and_never_speaks_is_named() {
    let (_listener, address) = good("127.0.0.1");
    let target = address.to_string();
    let ran = run(&["connect", "--http", "--timeout", "200ms", &target]);
    assert_eq!(ran.code, Some(28));
    assert!(ran.stderr.contains("the server sent no byte within"), "{}", ran.stderr);
    assert!(ran.stderr.contains("the kernel of the server has the request"), "{}", ran.stderr);
}

#[test]
fn the_time_of_the_server_is_the_reason() {
    const PAUSE: Duration = Duration::from_millis(400);
    let (address, _requests) = scripted(|stream| {
        let request = request(stream);
        thread::sleep(PAUSE);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
        request
    });
    let document = document(address, &[]);
    let why = document["why"].as_array().unwrap();
    let why = why.iter().find(|why| why["kind"] == "http_server_time").expect("a reason");
    assert!(why["cost_ms"].as_f64().unwrap() >= 390.0, "{why:#}");
    assert!(document["http"]["server_ms"].as_f64().unwrap() >= 390.0, "{document:#}");
}

#[test]
fn redirects_are_followed_each_with_its_own_race() {
    let (last, _requests) = answering("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nend");
    let answer =
        format!("HTTP/1.1 302 Found\r\nlocation: http://{last}/b\r\ncontent-length: 0\r\n\r\n");
    let (first, requests) = answering(answer);
    let alone = document(first, &[]);
    assert_eq!(
        (&alone["http"]["status"], alone["redirects"].as_array().unwrap().len()),
        (&302.into(), 0)
    );
    requests.recv().unwrap();
    let followed = document(first, &["-L", "-d", "x", "--expect-body", "end"]);
    assert!(requests.recv().unwrap().starts_with("POST /"));
    let hop = &followed["redirects"][0];
    assert_eq!((&hop["http"]["status"], &hop["http"]["method"]), (&200.into(), &"GET".into()));
    assert_eq!(hop["attempts"][0]["port"], last.port());
    let ran = ask(first, &["-L"]);
    assert!(ran.stdout.contains(&format!("redirect to http://{last}/b")), "{}", ran.stdout);
    let (around, _requests) =
        answering("HTTP/1.1 301 M\r\nlocation: /again\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(ask(around, &["-L"]).code, Some(47));
    let (away, _requests) =
        answering("HTTP/1.1 301 M\r\nlocation: gopher://x/\r\ncontent-length: 0\r\n\r\n");
    let ran = ask(away, &["-L"]);
    assert_eq!(ran.code, Some(8));
    assert!(ran.stderr.contains("gopher is not HTTP"), "{}", ran.stderr);
}

#[test]
fn a_series_has_the_phases() {
    let (address, _requests) = answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let ran = ask(address, &["-c", "2", "-i", "1ms"]);
    assert!(ran.stdout.contains("\n  server  min "), "{}", ran.stdout);
    let series = ask(address, &["-c", "2", "-i", "1ms", "--json"]).json();
    assert!(series["http"]["total"]["p50_ms"].as_f64() > series["times"]["p50_ms"].as_f64());
}

#[test]
fn metrics_have_the_status_and_the_phases() {
    let (address, _requests) = answering("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n");
    let metrics = ask(address, &["--prom"]).stdout;
    let target = format!("{{target=\"{address}\"");
    for line in [
        format!("loopctl_http_status_code{target}}} 503"),
        format!("loopctl_probe_duration_seconds{target},phase=\"server\"}} "),
        format!("loopctl_probe_duration_seconds{target},phase=\"transfer\"}} "),
    ] {
        assert!(metrics.contains(&line), "{line} in {metrics}");
    }
}

/// curl and loopctl see the same status, size and number of redirects.
#[test]
fn curl_sees_the_same() {
    if !has_program("curl") {
        return;
    }
    let hello = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
    let (last, _requests) = answering(hello);
    let to_last =
        format!("HTTP/1.1 307 T\r\nlocation: http://{last}/\r\ncontent-length: 0\r\n\r\n");
    let answers = [
        hello.to_owned(),
        "HTTP/1.0 200 OK\r\n\r\nuntil the end".to_owned(),
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nt: x\r\n\r\n".to_owned(),
        "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
        "HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n".to_owned(),
        "HTTP/1.1 404\r\ncontent-length: 2\r\n\r\nno".to_owned(),
        "HTTP/1.1 500 \r\ncontent-length: 0\r\n\r\n".to_owned(),
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx".to_owned(),
        format!("HTTP/1.1 200 OK\r\nx: {}\r\ncontent-length: 1\r\n\r\nx", "a".repeat(90_000)),
        format!("HTTP/1.1 200 OK\r\n{}content-length: 1\r\n\r\nx", "x: y\r\n".repeat(300)),
        "HTTP/1.1 200 OK\r\nx: folded\r\n here\r\ncontent-length: 1\r\n\r\nx".to_owned(),
        "HTTP/1.1 418 I'm a teapot\r\ncontent-length: 0\r\n\r\n".to_owned(),
        to_last,
    ];
    for answer in answers {
        let (address, _requests) = answering(answer.as_str());
        let url = format!("http://{address}/");
        let format = "%{http_code} %{size_download} %{num_redirects}";
        let curl = std::process::Command::new("curl")
            .args(["-sL", "--noproxy", "*", "-o", "/dev/null", "-w", format, &url])
            .output()
            .unwrap();
        let document = run(&["connect", "--json", "-L", &url]).json();
        let hops = document["redirects"].as_array().unwrap();
        let last = &hops.last().unwrap_or(&document)["http"];
        let ours = format!("{} {} {}", last["status"], last["body_bytes"], hops.len());
        let head = &answer[..answer.len().min(60)];
        assert_eq!(ours, String::from_utf8(curl.stdout).unwrap(), "{head}");
    }
}
