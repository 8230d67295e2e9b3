//! `serve --udp`: sources that are forged or belong to other services get no answer, and floods cost little.

use std::io::ErrorKind;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use crate::served::{Served, parse};
use crate::support::{loopctl, run, skipped};

fn client(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket
}

fn is_answered(socket: &UdpSocket, server: &Served) -> bool {
    socket.send_to(b"x", server.address).unwrap();
    // The next one is answered after it, so that nothing has to be waited for.
    let other = client("127.0.0.1:0");
    other.send_to(b"y", server.address).unwrap();
    other.recv(&mut [0; 600]).unwrap();
    socket.set_nonblocking(true).unwrap();
    match socket.recv(&mut [0; 600]) {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            false
        }
    }
}

#[test]
fn ports_of_services_are_not_answered_unless_their_network_is_named() {
    let Ok(socket) = UdpSocket::bind("127.0.0.1:19") else {
        return skipped("ports below 1024");
    };
    drop(socket);
    for mode in ["echo", "chargen", "daytime"] {
        let server = Served::start(&["--udp", "--json", "--mode", mode]);
        for port in ["7", "19", "53", "1023"] {
            let socket = client(&format!("127.0.0.1:{port}"));
            assert!(!is_answered(&socket, &server), "{mode} {port}");
        }
        assert!(is_answered(&client("127.0.0.1:1024"), &server), "{mode}");
        let ran = server.terminate();
        let refused = ran.stdout.lines().map(parse).find(|record| record["allowed"] == false);
        assert_eq!(refused.unwrap()["refusal"], "its source port is below 1024");
    }
    let server = Served::start(&["--udp", "--allow", "127.0.0.0/8"]);
    assert!(is_answered(&client("127.0.0.1:53"), &server));
}

#[test]
fn a_socket_of_the_same_port_is_a_server_too() {
    for allow in [&[][..], &["--allow", "127.0.0.0/8"]] {
        let server = Served::start(&[&["--udp"], allow].concat());
        let socket = client(&format!("127.0.0.2:{}", server.address.port()));
        assert!(!is_answered(&socket, &server), "{allow:?}");
    }
}

#[test]
fn a_flood_has_a_budget_of_answers_and_of_lines() {
    let server = Served::start(&["--udp", "--json"]);
    let (socket, begin) = (client("127.0.0.1:0"), Instant::now());
    let mut sent: u64 = 0;
    while begin.elapsed() < Duration::from_millis(1500) {
        sent += u64::from(socket.send_to(b"again", server.address).is_ok());
    }
    let seconds = begin.elapsed().as_secs() + 2;
    let ran = server.terminate();
    let records: Vec<_> = ran.stdout.lines().map(parse).collect();
    let datagrams: Vec<_> = records.iter().filter(|it| it["record"] == "datagram").collect();
    let count = |key: &str| datagrams.iter().map(|it| it[key].as_u64().unwrap()).sum::<u64>();
    assert!(sent > 10_000, "{sent}");
    assert!(count("bytes_out") <= seconds * 1000 * 5, "{} answers", count("bytes_out") / 5);
    assert!(count("bytes_out") >= 5000);
    assert!(datagrams.len() as u64 <= seconds * 1020, "{} lines", datagrams.len());
    assert_eq!(count("count"), records.last().unwrap()["accepted"].as_u64().unwrap());
}

#[test]
fn delayed_answers_have_a_bound_in_bytes() {
    let server = Served::start(&["--udp", "--json", "--fault", "delay=60s", "--grace", "0s"]);
    let before = server.peak_memory();
    let sockets: Vec<UdpSocket> = (0..8).map(|_| client("127.0.0.1:0")).collect();
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(1) {
        for socket in &sockets {
            let _ = socket.send_to(&[7; 60_000], server.address);
        }
    }
    let after = server.peak_memory();
    assert!(after - before < 60 << 20, "{} bytes", after - before);
    let ran = server.terminate();
    assert!(ran.stdout.contains("16 MiB of replies are waiting"), "what is dropped is told");
}

#[test]
fn names_of_peers_have_no_control_characters() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("d.sock");
    let name = folder.path().join("pe\u{1b}[31mer\nFORGED \u{7f}\u{9b}line");
    for args in [&[][..], &["--json"]] {
        let mut command = loopctl();
        command.args(["serve", "--udp", "-n", "2", "--timeout", "20s"]).args(args);
        command.arg(format!("unix:{}", path.display()));
        let child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
        let client = std::os::unix::net::UnixDatagram::bind(&name).unwrap();
        while client.send_to(b"x", &path).is_err() {
            std::thread::yield_now();
        }
        std::os::unix::net::UnixDatagram::unbound().unwrap().send_to(b"y", &path).unwrap();
        std::fs::remove_file(&name).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        if args.is_empty() {
            assert!(text.contains("pe\\u{1b}[31mer\\nFORGED \\u{7f}\\u{9b}line"), "{text}");
            assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
            assert!(!text.lines().any(|line| line.starts_with("FORGED")), "{text}");
        } else {
            let records: Vec<_> = text.lines().map(parse).collect();
            assert_eq!(records[1]["peer_path"], name.to_str().unwrap());
            assert_eq!(records[2].get("peer_path"), None);
        }
    }
}

#[test]
fn both_addresses_of_localhost_have_one_port() {
    if !crate::support::has_ipv6() {
        return;
    }
    for args in [&[][..], &["localhost:0"], &["--udp"], &["--tls"], &["--fault", "backlog"]] {
        let ran = run(&[&["serve", "--json", "--timeout", "100ms"], args].concat());
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let records = ran.stdout.lines().map(parse).filter(|it| it["record"] == "listening");
        let ports: Vec<_> = records.map(|record| record["port"].clone()).collect();
        assert_eq!(ports.len(), 2, "{}", ran.stdout);
        assert_eq!(ports[0], ports[1], "{args:?}");
    }
}

#[test]
fn faults_and_rates_are_told_before_the_first_client() {
    let told = |args: &[&str]| {
        run(&[&["serve", "127.0.0.1:0", "--timeout", "50ms"], args].concat()).stdout
    };
    let text = told(&["--fault", "delay=200", "--rate", "5MB/s", "--fault", "reset=1s@10%"]);
    let line = text.lines().nth(1).unwrap();
    assert_eq!(line, "in force: delay 200 s, reset after 1 s for 10 % of clients, rate 5.0 MB/s");
    let json = told(&["--fault", "delay=200", "--json"]);
    assert_eq!(parse(json.lines().next().unwrap())["in_force"][0], "delay 200 s");
}
