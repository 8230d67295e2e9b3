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

use cli::command_line::{self, Answer};
use cli::{Cli, Command, generate, help};
use commands::{connect, control, demo, resolve, serve};
use config::environment::Environment;
use config::{
    ColorChoice, ConnectRequest, ControlRequest, ReportRequest, ResolveRequest, ServeRequest,
};
use util::message::Message;

fn main() -> std::process::ExitCode {
    exit::survive_file_limits();
    let env = Environment::of_process();
    let (color, result) = match command_line::parse(std::env::args_os().collect()) {
        Ok(cli) => (cli.global.output.color, run(cli, &env)),
        Err(answer) => (ColorChoice::Auto, print_answer(answer, &env)),
    };
    result.unwrap_or_else(|error| error.print(env.style(color, env.stderr))).end()
}

fn print_answer(answer: Answer, env: &Environment) -> exit::ExitResult {
    match answer {
        Answer::Help(text) => output::writer::print(text.as_bytes()),
        Answer::Clap(error) => {
            output::writer::print_answer(&error, env.style(ColorChoice::Auto, env.stderr))
        }
        Answer::Mistake(message) => Err(message.into()),
    }
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
        Command::Help { topic } => {
            output::writer::print(help::of_topic(&topic).map_err(Message::error)?.as_bytes())
        }
        Command::Completions { shell } => output::writer::print(&generate::completions(shell)),
        Command::Generate { dir } => output::writer::generate(&dir, generate::all),
    }
}
