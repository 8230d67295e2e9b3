//! The program in a network and a file system of its own, with scripted name servers. Where the machine does not allow
//! that, a test says so and passes.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::support::{Ran, has_program, loopctl, skipped};

/// The port on 127.0.0.1 that accepts connections.
pub(crate) const PORT: u16 = 7777;

/// One plan for `lab.py`.
#[derive(Clone)]
pub(crate) struct Lab(Value);

impl Lab {
    /// Name servers on 127.0.0.53 and the addresses after it, in the order of resolv.conf. `None` where this machine
    /// allows no lab.
    pub(crate) fn new(servers: &[Value]) -> Option<Self> {
        if !["python3", "unshare", "mount", "ip"].into_iter().all(has_program) || !may_unshare() {
            return None;
        }
        let mut conf = String::new();
        let servers = (53..).zip(servers).map(|(last, server)| {
            conf += &format!("nameserver 127.0.0.{last}\n");
            let mut server = server.clone();
            server["address"] = format!("127.0.0.{last}").into();
            server
        });
        let servers: Vec<Value> = servers.collect();
        let lab = Self(json!({ "servers": servers, "listen": [PORT], "files": {} }));
        let lab = lab.file("/etc/hosts", "127.0.0.1 localhost\n");
        Some(lab.file("/etc/resolv.conf", &conf).file("/etc/nsswitch.conf", "hosts: files dns\n"))
    }

    /// Another text in the place of a file; each character is one byte.
    pub(crate) fn file(mut self, path: &str, text: &str) -> Self {
        self.0["files"][path] = text.into();
        self
    }

    /// More lines of resolv.conf.
    pub(crate) fn conf(self, lines: &str) -> Self {
        let known = self.0["files"]["/etc/resolv.conf"].as_str().unwrap();
        let text = format!("{known}{lines}");
        self.file("/etc/resolv.conf", &text)
    }

    /// A FIFO that nobody writes to, in the place of a file.
    pub(crate) fn fifo(mut self, path: &str) -> Self {
        self.0["files"].as_object_mut().unwrap().remove(path);
        self.0["fifos"] = json!([path]);
        self
    }

    /// Runs the program.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.run_with(&[], args)
    }

    /// Runs the program with variables of the environment.
    pub(crate) fn run_with(&self, variables: &[(&str, &str)], args: &[&str]) -> Ran {
        let program = loopctl();
        let mut plan = self.0.clone();
        let words = [&[program.get_program().to_str().unwrap()], args].concat();
        plan["command"] = words.into();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/lab/lab.py");
        let mut command = Command::new("unshare");
        command.args(["-rnm", "python3"]).arg(script);
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.envs(variables.iter().copied());
        let mut child = command
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(plan.to_string().as_bytes()).unwrap();
        let ran = Ran::from(child.wait_with_output().unwrap());
        assert!(!ran.stderr.contains("Traceback"), "the lab broke: {}", ran.stderr);
        ran
    }

    /// The document of a run with `--json`.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let ran = self.run(&[&args[..1], &["--json"], &args[1..]].concat());
        let document = ran.json();
        assert_eq!(document["exit_code"], ran.code.unwrap(), "{}", ran.stderr);
        document
    }
}

/// A name server that has these addresses and answers at once.
pub(crate) fn good(zone: Value) -> Value {
    json!({ "zone": zone })
}

/// A name server that treats both types in one way, such as `{"silent": true}`.
pub(crate) fn odd(zone: Value, how: Value) -> Value {
    json!({ "zone": zone, "dns": { "A": how, "AAAA": how } })
}

fn may_unshare() -> bool {
    static MAY: OnceLock<bool> = OnceLock::new();
    let may = *MAY.get_or_init(|| {
        let tried = Command::new("unshare").args(["-rnm", "true"]).output();
        tried.is_ok_and(|tried| tried.status.success())
    });
    if !may {
        skipped("a network namespace");
    }
    may
}
