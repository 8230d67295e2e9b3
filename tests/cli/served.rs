//! A running `loopctl serve`, and clients of it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use jsonschema::Validator;
use serde_json::Value;

use crate::support::{Ran, Signal, loopctl, signal};

/// Ends with the test.
pub(crate) struct Served {
    child: Option<Child>,
    stdout: BufReader<ChildStdout>,
    /// The first line.
    pub(crate) listening: String,
    pub(crate) address: SocketAddr,
}

impl Served {
    /// On a free port of 127.0.0.1.
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut command = loopctl();
        command.args(["serve", "127.0.0.1:0"]).args(args);
        Self::spawn(&mut command)
    }

    /// Waits for the first line, which says where it listens.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let address = address_in(&line).unwrap_or_else(|| {
            let mut stderr = String::new();
            let _ = child.stderr.take().unwrap().read_to_string(&mut stderr);
            panic!("no address in {line:?}; {stderr}")
        });
        Self { child: Some(child), stdout, listening: line, address }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// Sends something and our end-of-file, and receives until the server's.
    pub(crate) fn ask(&self, question: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        stream.write_all(question).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer
    }

    /// The next line on its standard output.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line
    }

    /// The next line, a record that is what the schema says.
    pub(crate) fn record(&mut self) -> Value {
        parse(&self.line())
    }

    /// Nobody reads on.
    pub(crate) fn close_stdout(&mut self) {
        let (nothing, _) = std::io::pipe().unwrap();
        self.stdout = BufReader::new(ChildStdout::from(std::os::fd::OwnedFd::from(nothing)));
    }

    /// Reads on, and keeps nothing.
    pub(crate) fn discard_stdout(&mut self) {
        let (nothing, _) = std::io::pipe().unwrap();
        let nothing = BufReader::new(ChildStdout::from(std::os::fd::OwnedFd::from(nothing)));
        let mut stdout = std::mem::replace(&mut self.stdout, nothing);
        std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
    }

    pub(crate) fn signal(&self, which: Signal) {
        signal(self.child.as_ref().unwrap(), which);
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// The most memory it has had so far, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = format!("/proc/{}/status", self.child.as_ref().unwrap().id());
        let status = std::fs::read_to_string(status).unwrap();
        let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        1024 * kib.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
    }

    /// Waits for its end, and tells the rest of what it said.
    pub(crate) fn end(mut self) -> Ran {
        let child = self.child.take().unwrap();
        let mut stdout = Vec::new();
        self.stdout.read_to_end(&mut stdout).unwrap();
        let mut output = child.wait_with_output().unwrap();
        output.stdout = stdout;
        output.into()
    }

    /// As scripts end it.
    pub(crate) fn terminate(self) -> Ran {
        self.signal(Signal::TERM);
        self.end()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

static SCHEMA: LazyLock<Validator> = LazyLock::new(|| {
    let schema = include_str!("../../schemas/serve.v1.json");
    jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap()
});

pub(crate) fn parse(line: &str) -> Value {
    let record = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
    let errors: Vec<String> = SCHEMA.iter_errors(&record).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}\n{record:#}");
    record
}

fn address_in(line: &str) -> Option<SocketAddr> {
    if let Some(address) = line.trim().strip_prefix("listening on ") {
        return address.parse().ok();
    }
    let record = line.starts_with('{').then(|| parse(line))?;
    format!("{}:{}", record["ip"].as_str()?, record["port"]).parse().ok()
}

/// How long something took.
pub(crate) fn timed<T>(what: impl FnOnce() -> T) -> (Duration, T) {
    let begin = Instant::now();
    let result = what();
    (begin.elapsed(), result)
}
