//! `loopctl`: says why a connection is slow or fails.

mod cli;
pub(crate) mod commands;
mod config;
pub(crate) mod diagnose;
mod exit;
#[cfg(test)]
mod golden;
pub(crate) mod output;
mod report;
pub(crate) mod util;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, ColorArg, Command};
use config::environment::Environment;
use config::{ConnectRequest, OutputRequest, ResolveRequest, ServeRequest};
use exit::Exit;
use output::style::Style;

fn main() -> ExitCode {
    exit::survive_file_limits();
    let env = Environment::of_process();
    match Cli::try_parse() {
        Ok(cli) => run(cli, &env).end(),
        Err(told) => told_by_clap(&told, &env).end(),
    }
}

fn run(cli: Cli, env: &Environment) -> Exit {
    util::log::install(cli.global.output.verbose);
    let style = OutputRequest::new(&cli.global.output, env).stderr;
    match cli.command {
        Command::Connect(args) => match ConnectRequest::new(*args, &cli.global, env) {
            Ok(request) => commands::connect::run(request),
            Err((message, exit)) => {
                message.print(style);
                exit
            }
        },
        Command::Sendfile(args) => match ConnectRequest::to_send(*args, &cli.global, env) {
            Ok(request) => commands::connect::run(request),
            Err((message, exit)) => {
                message.print(style);
                exit
            }
        },
        Command::Serve(args) => match ServeRequest::new(*args, &cli.global, env) {
            Ok(request) => commands::serve::run(request),
            Err(message) => {
                message.print(style);
                Exit::Usage
            }
        },
        Command::Resolve(args) => match ResolveRequest::new(*args, &cli.global, env) {
            Ok(request) => commands::resolve::run(request),
            Err((message, exit)) => {
                message.print(style);
                exit
            }
        },
        Command::Demo(args) => commands::demo::run(&args, &cli.global, env),
        Command::Completions { shell } => {
            output::printer::print(&cli::generate::completions(shell), style)
        }
        Command::Generate { dir } => {
            let made = cli::generate::all(&dir).and_then(|()| output::wire::schema::write(&dir));
            output::printer::written(made, "output", style)
        }
    }
}

/// Help and version are answers; everything else is a usage error.
fn told_by_clap(told: &clap::Error, env: &Environment) -> Exit {
    let printed = told.print();
    if told.use_stderr() {
        return Exit::Usage;
    }
    output::printer::written(printed, "output", Style::new(ColorArg::Auto, env.stderr, env))
}
