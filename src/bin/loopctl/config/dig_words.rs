//! Words of dig among the names: types in capitals, and `+` options.

use loopctl::RecordType;

use crate::cli::ResolveArgs;
use crate::exit::FatalError;
use crate::util::message::Message;

/// Takes the words of dig out of the names: a type in capitals beside a name is a type to ask for, and `+short`,
/// `+dnssec` and `+trace` are those flags.
///
/// # Errors
/// Another `+` option; the hint names the flag in its place.
pub(super) fn take(args: &mut ResolveArgs) -> Result<(), FatalError> {
    let words = std::mem::take(&mut args.names.words);
    let is_name = |word: &&String| !word.starts_with(['+', '@']) && type_of(word).is_none();
    let has_name = words.iter().any(|word| is_name(&word)) || args.names.from.is_some();
    for word in words {
        match (word.strip_prefix('+'), type_of(&word).filter(|_| has_name)) {
            (Some("short"), _) => args.look.short = true,
            (Some("dnssec"), _) => args.question.dnssec = true,
            (Some("trace"), _) => args.question.trace = true,
            (Some(option), _) => return Err(unknown(option)),
            (None, Some(record_type)) => args.question.types.push(record_type),
            (None, None) => args.names.words.push(word),
        }
    }
    Ok(())
}

/// Type of a word in capitals.
fn type_of(word: &str) -> Option<RecordType> {
    let is_capital = word.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    word.parse().ok().filter(|_| is_capital)
}

fn unknown(option: &str) -> FatalError {
    let flag = match option.split('=').next().unwrap_or_default() {
        "tcp" | "vc" => "`--server tcp://HOST` asks over TCP",
        "tls" => "`--server tls://HOST` asks over TLS",
        "https" | "https-get" | "https-post" => "`--server https://HOST/PATH` asks over HTTPS",
        "json" | "yaml" => "`--json` prints one document",
        "time" | "timeout" => "`--timeout TIME` limits the time of each name",
        "search" => "the search list is used unless `--no-search` is given",
        "nosearch" => "`--no-search` asks for names as they are given",
        "noall" | "answer" => "`--short` prints the data of records alone",
        _ => "`loopctl resolve --help` lists the flags",
    };
    let mut message = Message::error(format!("`+{option}` is an option of dig, not of loopctl"));
    message.hints = vec![flag.to_owned()];
    FatalError::from(message)
}
