//! `loopctl`: says why a connection is slow or fails.

mod args;
mod backlog;
mod cause;
mod certificate;
mod checksum;
mod connect;
mod demo;
mod env;
mod exit;
mod feed;
mod first;
mod forecast;
mod generate;
#[cfg(test)]
mod golden;
mod hint;
mod log;
mod message;
mod name_servers;
mod output;
mod pace;
mod pages;
mod render;
mod report;
mod request;
mod resolve;
mod sendfile;
mod series;
mod serve;
mod slow;
mod stdio;
mod stop;
mod style;
mod targets;
mod together;
mod told;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, ColorArg, Command};
use env::Environment;
use exit::Exit;
use request::{ConnectRequest, OutputRequest, ResolveRequest, ServeRequest};
use style::Style;

fn main() -> ExitCode {
    exit::survive_file_limits();
    let env = Environment::of_process();
    match Cli::try_parse() {
        Ok(cli) => run(cli, &env).end(),
        Err(told) => told_by_clap(&told, &env).end(),
    }
}

fn run(cli: Cli, env: &Environment) -> Exit {
    log::install(cli.global.output.verbose);
    let style = OutputRequest::new(&cli.global.output, env).stderr;
    match cli.command {
        Command::Connect(args) => match ConnectRequest::new(*args, &cli.global, env) {
            Ok(request) => connect::run(request),
            Err((message, exit)) => {
                message.print(style);
                exit
            }
        },
        Command::Sendfile(args) => match ConnectRequest::to_send(*args, &cli.global, env) {
            Ok(request) => connect::run(request),
            Err((message, exit)) => {
                message.print(style);
                exit
            }
        },
        Command::Serve(args) => match ServeRequest::new(*args, &cli.global, env) {
            Ok(request) => serve::run(request),
            Err(message) => {
                message.print(style);
                Exit::Usage
            }
        },
        Command::Resolve(args) => match ResolveRequest::new(*args, &cli.global, env) {
            Ok(request) => resolve::run(request),
            Err((message, exit)) => {
                message.print(style);
                exit
            }
        },
        Command::Demo(args) => demo::run(&args, &cli.global, env),
        Command::Completions { shell } => output::print(&generate::completions(shell), style),
        Command::Generate { dir } => output::written(generate::all(&dir), "output", style),
    }
}

/// Help and version are answers; everything else is a usage error.
fn told_by_clap(told: &clap::Error, env: &Environment) -> Exit {
    let printed = told.print();
    if told.use_stderr() {
        return Exit::Usage;
    }
    output::written(printed, "output", Style::new(ColorArg::Auto, env.stderr, env))
}
