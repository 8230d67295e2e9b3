//! The last test program of `cargo test`: says how many tests were skipped, and for want of what.
//!
//! With `LOOPCTL_SKIPS_ALLOWED`, a list of wants with commas, any other skip is a failure.
#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used)]

#[path = "support/skip.rs"]
#[expect(dead_code, reason = "nothing is skipped here")]
mod skip;

use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == "--list") {
        return ExitCode::SUCCESS;
    }
    let skips = skip::take();
    println!("\n{}\n", skip::summary(&skips));
    let Ok(allowed) = std::env::var("LOOPCTL_SKIPS_ALLOWED") else { return ExitCode::SUCCESS };
    let allowed: Vec<&str> = allowed.split(',').collect();
    let is_allowed = |line: &str| allowed.contains(&line.split('\t').next().unwrap_or_default());
    let avoidable: Vec<&str> = skips.lines().filter(|line| !is_allowed(line)).collect();
    for line in &avoidable {
        println!("not to be skipped here: {}", line.replace('\t', ": "));
    }
    ExitCode::from(u8::from(!avoidable.is_empty()))
}
