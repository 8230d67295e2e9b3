//! `serve --exec` and `--shell`: programs for clients.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use crate::served::{Served, timed};
use crate::support::{Signal, loopctl};

#[test]
fn a_program_has_the_connection_as_its_input_and_output() {
    let server = Served::start(&["--exec", "tr a-z A-Z"]);
    assert_eq!(server.ask(b"hello\n"), b"HELLO\n");
    let server = Served::start(&["--shell", "read name; echo \"hello $name\""]);
    assert_eq!(server.ask(b"world\n"), b"hello world\n");
}

#[test]
fn words_are_those_of_a_shell_without_being_given_to_one() {
    let server = Served::start(&["--exec", "printf '%s|' 'a b' $HOME \"c;d\""]);
    assert_eq!(server.ask(b""), b"a b|$HOME|c;d|");
}

#[test]
fn megabytes_go_through_in_both_directions() {
    let data: Vec<u8> = (0..25 << 20).map(|n| (n % 251) as u8).collect();
    let server = Served::start(&["--exec", "cat"]);
    let mut stream = server.connect();
    let mut writer = stream.try_clone().unwrap();
    let copy = data.clone();
    let writing = std::thread::spawn(move || {
        writer.write_all(&copy).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap();
    writing.join().unwrap();
    assert!(received == data);
}

#[test]
fn the_program_is_told_who_the_client_is() {
    let server = Served::start(&["--shell", "env"]);
    let mut stream = server.connect();
    let ours = stream.local_addr().unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let expected = [
        "PROTO=TCP".to_owned(),
        "LOOPCTL_REMOTE_ADDR=127.0.0.1".to_owned(),
        format!("LOOPCTL_REMOTE_PORT={}", ours.port()),
        format!("LOOPCTL_LOCAL_PORT={}", server.address.port()),
        "TCPREMOTEIP=127.0.0.1".to_owned(),
        format!("TCPREMOTEPORT={}", ours.port()),
        "TCPLOCALIP=127.0.0.1".to_owned(),
        format!("TCPLOCALPORT={}", server.address.port()),
    ];
    for line in expected {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
}

#[test]
fn a_program_that_ends_ends_the_connection_whatever_the_client_does() {
    let mut server = Served::start(&["--json", "--shell", "echo done; exit 3"]);
    let mut stream = server.connect();
    let mut text = String::new();
    let (took, read) = timed(|| stream.read_to_string(&mut text));
    read.unwrap();
    assert_eq!(text, "done\n");
    assert!(took < Duration::from_secs(2), "{took:?}");
    stream.shutdown(Shutdown::Write).unwrap();
    let record = server.record();
    assert_eq!(record["end"], "eof");
    assert_eq!(record["error"]["message"], "exit status: 3");
}

#[test]
fn a_program_that_closes_its_input_is_fed_no_more() {
    let server = Served::start(&["--shell", "exec <&-; sleep 0.2; echo still here"]);
    let mut stream = server.connect();
    stream.write_all(&vec![0; 1 << 20]).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert_eq!(text, "still here\n");
}

#[test]
fn a_client_that_leaves_takes_its_program_along() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pid");
    let line = format!("echo $$ >{}; exec sleep 600", file.display());
    let server = Served::start(&["--shell", &line, "--fault", "close=300ms"]);
    let mut stream = server.connect();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    let pid = std::fs::read_to_string(&file).unwrap();
    let state = || std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).ok();
    for _ in 0..100 {
        if state().is_none() {
            return;
        }
        // Another process's end cannot be waited for, only looked for.
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{:?}", state());
}

#[test]
fn a_program_that_cannot_be_run_is_told_and_the_next_client_is_served() {
    let mut server = Served::start(&["--json", "--exec", "/no/such/program"]);
    for _ in 0..2 {
        assert_eq!(server.connect().read(&mut [0]).unwrap(), 0);
        let record = server.record();
        assert_eq!(record["end"], "error");
        assert_eq!(record["error"]["name"], "ENOENT");
    }
}

#[test]
fn at_the_end_a_program_may_finish_within_the_grace() {
    let server = Served::start(&["--shell", "cat; sleep 0.3; echo bye"]);
    let mut stream = server.connect();
    stream.write_all(b"hi\n").unwrap();
    stream.read_exact(&mut [0; 3]).unwrap();
    server.signal(Signal::TERM);
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert_eq!(text, "bye\n");
    assert_eq!(server.end().code, Some(0));

    let server = Served::start(&["--shell", "echo started; sleep 600", "--grace", "200ms"]);
    let mut stream = server.connect();
    stream.read_exact(&mut [0; 8]).unwrap();
    let (took, ran) = timed(|| server.terminate());
    assert_eq!(ran.code, Some(28), "{}", ran.stdout);
    assert!((Duration::from_millis(200)..Duration::from_secs(30)).contains(&took), "{took:?}");
}

#[test]
fn programs_serve_unix_sockets_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.sock");
    let mut command = loopctl();
    command.args(["serve", "--exec", "tr a-z A-Z", "--once"]);
    command.arg(format!("unix:{}", path.display()));
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut line = [0; 12];
    child.stdout.as_mut().unwrap().read_exact(&mut line).unwrap();
    let mut stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
    stream.write_all(b"unix").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert_eq!(text, "UNIX");
    assert!(child.wait().unwrap().success());
    assert!(!path.exists(), "the socket file is gone");
}

#[test]
fn a_program_has_the_descriptor_limit_that_we_were_given() {
    let mut command = std::process::Command::new("sh");
    let line = "ulimit -S -n 777; exec \"$0\" serve 127.0.0.1:0 --shell 'ulimit -S -n'";
    command.args(["-c", line, env!("CARGO_BIN_EXE_loopctl")]);
    let server = Served::spawn(&mut command);
    assert_eq!(server.ask(b""), b"777\n");
}

#[test]
fn variables_of_other_connections_do_not_reach_a_program() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let mut command = loopctl();
    command.args(["serve", "--shell", "env", "--once", &format!("unix:{}", path.display())]);
    for name in ["TCPREMOTEIP", "TCPLOCALHOST", "LOOPCTL_REMOTE_ADDR", "LISTEN_FDNAMES"] {
        command.env(name, "from outside");
    }
    let mut child = command.stdout(std::process::Stdio::null()).spawn().unwrap();
    let mut stream = loop {
        match std::os::unix::net::UnixStream::connect(&path) {
            Ok(stream) => break stream,
            Err(_) => std::thread::yield_now(),
        }
    };
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.contains("PROTO=UNIX\n"), "{text}");
    assert!(!text.contains("from outside"), "{text}");
    drop(stream);
    assert!(child.wait().unwrap().success());
}
