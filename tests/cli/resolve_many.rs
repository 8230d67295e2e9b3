//! `resolve` with more names than there is room for at a time.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::name_server::{A, NameServer, send};
use crate::support::{Ran, loopctl};

const NAMES: usize = 10_000;

/// Every five-hundredth question gets lost once, and every thousandth name does not exist.
fn server() -> NameServer {
    NameServer::new(|asked| {
        let number: usize = asked.name[1..].split('.').next().unwrap().parse().unwrap();
        let [_, _, high, low] = u32::try_from(number).unwrap().to_be_bytes();
        match asked.time {
            1 if number % 500 == 50 => vec![],
            _ if number.is_multiple_of(1000) => send(asked.rcode(3)),
            _ if asked.kind == A => send(asked.answer().a(60, [10, 0, high, low])),
            _ => send(asked.answer()),
        }
    })
}

/// In an address space of 256 MB and with 64 descriptors, whatever the machine has.
fn bounded(arguments: &[&str]) -> Command {
    let limits = r#"ulimit -v 262144; ulimit -n 64; exec "$@""#;
    let program = loopctl();
    let mut command = Command::new("sh");
    command.args(["-c", limits, "sh"]).arg(program.get_program()).args(arguments);
    command
}

#[test]
fn o4_ten_thousand_names_from_standard_input() {
    let server = server();
    let at = format!("@{}", server.address);
    let arguments =
        ["resolve", "--via", "dns", &at, "--short", "-4", "--timeout=2s", "--names", "-"];
    let mut command = bounded(&arguments);
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let names: String = (1..=NAMES).map(|number| format!("n{number}.test\n")).collect();
    let mut input = child.stdin.take().unwrap();
    let writing = std::thread::spawn(move || input.write_all(names.as_bytes()).unwrap());
    let ran = Ran::from(child.wait_with_output().unwrap());
    writing.join().unwrap();
    let wanted = (1..=NAMES).filter(|number| number % 1000 != 0);
    let wanted = wanted.map(|number| format!("10.0.{}.{}", number >> 8, number & 255));
    let told: Vec<&str> = ran.stdout.lines().collect();
    assert!(wanted.eq(told.iter().copied()), "{} lines; {}", told.len(), ran.stderr);
    assert_eq!(ran.code, Some(1), "some names do not exist");
    assert_eq!(
        ran.stderr.matches("error: could not resolve").count(),
        NAMES / 1000,
        "{}",
        ran.stderr
    );
    let asked: std::collections::BTreeSet<String> =
        server.asked().into_iter().map(|asked| asked.name).collect();
    assert_eq!(asked.len(), NAMES);
}
