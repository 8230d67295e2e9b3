//! Reading of the command line: a target without a command, `help`, and flags of other programs.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser};

use super::peer_flags;
use super::{Cli, help};
use crate::util::message::Message;

/// Answer to a command line that is not a command.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Text of ours, such as help about one group of flags.
    Help(String),
    /// Help, version or error, as clap words them.
    Clap(Box<clap::Error>),
    /// Mistake, with what to type instead.
    Mistake(Message),
}

/// Parses the arguments, of which the first is the program's name. Targets without a command are those of `connect`.
///
/// # Errors
/// Requests for help, and arguments that are wrong.
pub(crate) fn parse(args: Vec<OsString>) -> Result<Cli, Answer> {
    let error = match Cli::try_parse_from(&args) {
        Ok(cli) => return Ok(cli),
        Err(error) => error,
    };
    let words: Vec<String> = args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    if !lacks_command(&error, &words) {
        return Err(answer(error, &words));
    }
    if let Some(message) = unknown_command(&error, &words) {
        return Err(Answer::Mistake(message));
    }
    let mut args = args;
    args.insert(1, "connect".into());
    Cli::try_parse_from(&args).map_err(|error| answer(error, &words))
}

/// Whether the words may be arguments of `connect`: none of them is a command.
fn lacks_command(error: &clap::Error, words: &[String]) -> bool {
    let root = Cli::command();
    let is_command = |word: &String| root.find_subcommand(word).is_some();
    let has_word = words.iter().skip(1).any(|word| !word.starts_with('-'));
    let is_unknown =
        matches!(error.kind(), ErrorKind::InvalidSubcommand | ErrorKind::UnknownArgument);
    is_unknown && has_word && !words.iter().skip(1).any(is_command)
}

/// The message for a word that is more likely a mistyped command than a target.
fn unknown_command(error: &clap::Error, words: &[String]) -> Option<Message> {
    let word = of_context(error, ContextKind::InvalidSubcommand)?;
    let at = words.iter().position(|candidate| *candidate == word)?;
    let is_port = |word: &String| word.bytes().all(|byte| byte.is_ascii_digit());
    let has_port = words.get(at + 1).is_some_and(is_port);
    let is_host = word == "localhost" || word.contains(['.', ':', '/', '[', '%']) || is_port(&word);
    if has_port || is_host {
        return None;
    }
    let hint = match of_context(error, ContextKind::SuggestedSubcommand) {
        Some(command) => format!("did you mean `loopctl {command}`?"),
        None => format!("write `{word}:443` to connect to it; `loopctl help` lists the commands"),
    };
    let error = Some(format!("`{word}` is neither a command nor a target"));
    Some(Message { error, hints: vec![hint], ..Message::default() })
}

fn answer(error: clap::Error, words: &[String]) -> Answer {
    match error.kind() {
        ErrorKind::DisplayHelp => {
            help::of_words(words).map_or_else(|| Answer::Clap(error.into()), Answer::Help)
        }
        _ if !error.use_stderr() => Answer::Clap(error.into()),
        kind => {
            let flag = of_context(&error, ContextKind::InvalidArg);
            let unknown = flag.filter(|_| kind == ErrorKind::UnknownArgument);
            let message = peer_flags::mistake(unknown.as_deref(), words)
                .or_else(|| Some(unknown_flag(&unknown?, &error)));
            message.map_or_else(|| Answer::Clap(error.into()), Answer::Mistake)
        }
    }
}

/// A flag that is neither ours nor known from other programs.
fn unknown_flag(flag: &str, error: &clap::Error) -> Message {
    let hint = match of_context(error, ContextKind::SuggestedArg) {
        Some(similar) => format!("did you mean `{similar}`?"),
        None => "`--help` lists the flags".to_owned(),
    };
    let error = Some(format!("there is no flag `{flag}`"));
    Message { error, hints: vec![hint], ..Message::default() }
}

fn of_context(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        // The most similar one is the last.
        ContextValue::Strings(texts) => texts.last().cloned(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Command;

    fn parsed(line: &str) -> Result<Cli, Answer> {
        parse(std::iter::once("loopctl").chain(line.split(' ')).map(OsString::from).collect())
    }

    #[test]
    fn targets_without_a_command_are_those_of_connect() {
        for (line, targets) in [
            ("h:443", vec!["h:443"]),
            ("--json -4 https://h/x", vec!["https://h/x"]),
            ("h.test 80", vec!["h.test", "80"]),
            ("localhost 80", vec!["localhost", "80"]),
            ("host 80 -c 3", vec!["host", "80"]),
            ("--tls --timeout 3s h:1 unix:/x", vec!["h:1", "unix:/x"]),
            ("[::1]:80", vec!["[::1]:80"]),
        ] {
            match parsed(line).map(|cli| cli.command) {
                Ok(Command::Connect(args)) => assert_eq!(args.targets.targets, targets, "{line}"),
                other => panic!("{line}: {other:?}"),
            }
        }
    }

    #[test]
    fn words_that_are_neither_get_a_hint() {
        for (line, hint) in [
            ("conect h:443", "did you mean `loopctl connect`?"),
            ("foo", "write `foo:443` to connect to it; `loopctl help` lists the commands"),
        ] {
            match parsed(line) {
                Err(Answer::Mistake(message)) => assert_eq!(message.hints, [hint], "{line}"),
                other => panic!("{line}: {other:?}"),
            }
        }
        assert!(matches!(parsed("--tls serve"), Err(Answer::Mistake(_))), "not those of connect");
    }
}
