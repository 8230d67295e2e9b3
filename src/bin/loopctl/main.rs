//! `loopctl`: says why a connection is slow or fails.

mod cli;
mod commands;
mod config;
mod diagnose;
mod exit;
#[cfg(test)]
mod golden;
mod output;
mod report;
mod util;

use clap::Parser;
use cli::{Cli, Command, generate};
use commands::{connect, control, demo, resolve, serve};
use config::environment::Environment;
use config::{
    ColorChoice, ConnectRequest, ControlRequest, ReportRequest, ResolveRequest, ServeRequest,
};

fn main() -> std::process::ExitCode {
    exit::survive_file_limits();
    let env = Environment::of_process();
    let (color, result) = match Cli::try_parse() {
        Ok(cli) => (cli.global.output.color, run(cli, &env)),
        Err(answer) => (ColorChoice::Auto, output::writer::print_answer(&answer)),
    };
    result.unwrap_or_else(|error| error.print(env.style(color, env.stderr))).end()
}

fn run(Cli { command, global }: Cli, env: &Environment) -> exit::ExitResult {
    util::log::install(global.output.verbose);
    match command {
        Command::Connect(args) => connect::run(ConnectRequest::new(*args, &global, env)?),
        Command::Sendfile(args) => connect::run(ConnectRequest::sendfile(*args, &global, env)?),
        Command::Serve(args) => serve::run(ServeRequest::new(*args, &global, env)?),
        Command::Control(args) => control::run(&ControlRequest::new(args)?),
        Command::Resolve(args) => resolve::run(ResolveRequest::new(*args, &global, env)?),
        Command::Report(args) => commands::report::run(&ReportRequest::new(args, &global, env)?),
        Command::Demo(args) => demo::run(ConnectRequest::demo(&args, &global, env)),
        Command::Completions { shell } => output::writer::print(&generate::completions(shell)),
        Command::Generate { dir } => output::writer::generate(&dir, generate::all),
    }
}
