//! Networks of several hosts in namespaces, made by iproute2: for what the test bed has no routers for.

use std::process::{Command, Output};

use serde_json::Value;

use crate::skip::{has_program, skipped};

/// Two routers between this host and a server, which listens on port 80: 10.0.3.9 and fd00:3::9 are three hops away.
const ROUTERS: &str = include_str!("hosts.sh");

/// What `loopctl` printed in a network.
pub(crate) struct Ran {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.stdout, self.stderr))
    }
}

/// Runs the program behind two routers, after a script that changes the network. `None` where this machine cannot.
pub(crate) fn behind_routers(change: &str, args: &[&str]) -> Option<Ran> {
    in_network(&format!("{ROUTERS}\n{change}"), args)
}

/// Runs the program in a network of its own that a script makes. `None` where this machine cannot.
pub(crate) fn in_network(script: &str, args: &[&str]) -> Option<Ran> {
    if !is_possible() {
        return None;
    }
    let script = format!("set -e\nip link set lo up\n{script}\nexec \"$@\"");
    let program = [env!("CARGO_BIN_EXE_loopctl"), "connect"];
    let mut command = unshare();
    command.args(["sh", "-c", &script, "sh"]).args(program).args(args);
    command.env("LANG", "C.UTF-8").env_remove("LOOPCTL_DEBUG");
    for name in ["http_proxy", "https_proxy", "all_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Some(Ran { status: status.code(), stdout: text(stdout), stderr: text(stderr) })
}

fn unshare() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount", "--pid", "--fork", "--kill-child"]);
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    command
}

fn is_possible() -> bool {
    if !has_program("unshare") || !has_program("ip") {
        return false;
    }
    let possible = unshare().args(["ip", "link", "set", "lo", "up"]).output();
    let possible = possible.is_ok_and(|output| output.status.success());
    if !possible {
        skipped("network namespaces");
    }
    possible
}

/// Whether nftables works in a namespace of this machine.
pub(crate) fn has_nftables() -> bool {
    let works = has_program("nft") && {
        let tried = unshare().args(["nft", "add", "table", "inet", "t"]).output();
        tried.is_ok_and(|output| output.status.success())
    };
    if !works {
        skipped("nftables in a namespace");
    }
    works
}
