//! Completion of values, in the shells themselves.

use std::process::Command;

use crate::support::{has_program, run};

/// Runs a script of a shell with the path of its completions in `$FILE`.
fn in_shell(shell: &str, script: &str) -> Option<String> {
    if !has_program(shell) {
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("_loopctl");
    let ssh = folder.path().join(".ssh");
    std::fs::create_dir(&ssh).unwrap();
    std::fs::write(ssh.join("known_hosts"), "known.test ssh-ed25519 AAAA\n").unwrap();
    std::fs::write(&file, run(&["completions", shell]).stdout).unwrap();
    let mut command = Command::new(shell);
    command.args(if shell == "fish" { &["--no-config", "-c"][..] } else { &["-c"] });
    command.arg(script).env("FILE", &file).env("HOME", folder.path()).env("TERM", "dumb");
    let output = command.output().unwrap();
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

const CASES: [(&str, &str); 3] = [
    ("connect --policy firefox-n", "firefox-nightly"),
    ("serve --fault tls-wr", "tls-wrong-name"),
    ("connect --interface l", "lo"),
];

#[test]
fn bash_completes_policies_faults_interfaces_and_hosts() {
    for (typed, value) in CASES.into_iter().chain([("connect localh", "localhost")]) {
        let words: Vec<_> = typed.split(' ').collect();
        let (last, previous) = (words[words.len() - 1], words[words.len() - 2]);
        let script = format!(
            "source \"$FILE\"; COMP_WORDS=(loopctl {typed}); COMP_CWORD={}; \
             _loopctl loopctl {last} {previous}; echo \"${{COMPREPLY[@]}}\"",
            words.len()
        );
        let Some(completed) = in_shell("bash", &script) else { return };
        assert!(completed.split_whitespace().any(|word| word == value), "{typed}: {completed}");
    }
}

#[test]
fn fish_completes_policies_faults_interfaces_and_hosts() {
    for (typed, value) in CASES.into_iter().chain([("connect know", "known.test")]) {
        let script = format!("source \"$FILE\"; complete -C 'loopctl {typed}'");
        let Some(completed) = in_shell("fish", &script) else { return };
        assert!(completed.split_whitespace().any(|word| word == value), "{typed}: {completed}");
    }
}

#[test]
fn zsh_completes_policies_faults_and_hosts() {
    // `lo` is in the echo of any command, so that interfaces would prove nothing.
    for (typed, value) in CASES.into_iter().take(2).chain([("connect localh", "localhost")]) {
        let script = format!(
            "zmodload zsh/zpty; zpty z zsh -f -i; \
             zpty -w z \"PS1=; autoload -U compinit; compinit -u -D; source $FILE; print READY''NOW\"; \
             zpty -r z out '*READYNOW*'; zpty -w -n z $'loopctl {typed}\\t'; \
             zpty -r z out '*{value}*'; print -r -- $out; zpty -d z"
        );
        let Some(completed) = in_shell("zsh", &script) else { return };
        assert!(completed.contains(value), "{typed}: {completed:?}");
    }
}
