//! Help about one command or one group of its flags.

use clap::{Command, CommandFactory};

use super::Cli;

/// `connect -h`: what is needed while something is broken. A test compares its flags with those of the command.
pub(crate) const CONNECT: &str = "\
Connect to each TARGET, racing its addresses; report every attempt

Usage: loopctl connect [OPTIONS] TARGET...
       TARGET is host:port, host port, a URL or unix:/path

  loopctl connect https://example.com            why slow, which address failed?
  loopctl connect --all db.internal:5432         does every address answer?
  loopctl connect --tls -k -v mail.example:465   what certificate does it show?

      --all           probe every address, and do not stop at the first success
      --compare       what would curl, Chrome, Go and others get from here?
      --path          find the hop after which packets get no answer
      --tls           use TLS; report version and certificate; -k accepts any
      --starttls P    the same inside smtp, imap, pop3, ftp, postgres, ldap, ...
      --via dns       ask name servers directly, and list every query
  -4, -6              use one address family only
  -c, --count N       connect N times; --histogram shows the distribution
      --timeout DUR   time limit per target [default: 10s]
      --json          print one JSON document; -v prints attempts as they happen

All: loopctl connect --help; one group: loopctl help connect GROUP, of race,
  names, socket, tls, path, http, relay, expectations, repeat, output, common
";

/// Our help for the words of a command line that asks for help; `None` if clap's is meant.
pub(super) fn of_words(words: &[String]) -> Option<String> {
    let is_flag = |word: &&String| matches!(word.as_str(), "--help" | "-h");
    let at = words.iter().position(|word| is_flag(&word))?;
    let mut root = Cli::command();
    root.build();
    let mut names = words.iter().skip(1).filter(|word| !word.starts_with('-'));
    let command = names.find_map(|word| root.find_subcommand(word))?;
    let group = words.get(at + 1).and_then(|word| group(command, word));
    let is_short = words[at] == "-h" && command.get_name() == "connect";
    group.or_else(|| is_short.then(|| CONNECT.to_owned()))
}

/// Help of the whole program, of a command, or of a group; `Err` with what is known otherwise.
pub(crate) fn of_topic(topic: &[String]) -> Result<String, String> {
    let mut root = Cli::command();
    root.build();
    let Some(name) = topic.first() else { return Ok(root.render_long_help().to_string()) };
    let Some(command) = root.find_subcommand_mut(name) else {
        let commands = root.get_subcommands().filter(|command| !command.is_hide_set());
        let names: Vec<_> = commands.map(Command::get_name).collect();
        return Err(format!("`{name}` is no command: it is one of {}", names.join(", ")));
    };
    match topic.get(1) {
        None => Ok(command.render_long_help().to_string()),
        Some(word) => group(command, word).ok_or_else(|| {
            let groups = groups(command).join(", ");
            format!("`{word}` is no group of flags of `{name}`: it is one of {groups}")
        }),
    }
}

/// The flags under the heading that begins with this word.
fn group(command: &Command, word: &str) -> Option<String> {
    groups(command).iter().find(|group| group.eq_ignore_ascii_case(word))?;
    let belongs = |arg: &clap::Arg| {
        arg.get_help_heading().is_some_and(|heading| name_of(heading).eq_ignore_ascii_case(word))
    };
    let mut shown = command.clone().mut_args(|arg| match belongs(&arg) {
        true => arg,
        false => arg.hide(true),
    });
    shown = shown.help_template("{all-args}\n").before_long_help(None::<&str>);
    Some(shown.render_long_help().to_string())
}

/// First words of the headings, in small letters.
fn groups(command: &Command) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for heading in command.get_arguments().filter_map(clap::Arg::get_help_heading) {
        let name = name_of(heading).to_lowercase();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn name_of(heading: &str) -> &str {
    heading.split_whitespace().next().unwrap_or_default()
}

/// Long flags of a command, with their dashes.
#[cfg(test)]
pub(super) fn long_flags(command: &Command) -> Vec<String> {
    let longs = command.get_arguments().filter_map(clap::Arg::get_long);
    longs.map(|long| format!("--{long}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_help_fits_a_terminal_and_names_flags_that_exist() {
        assert!(CONNECT.lines().count() <= 24);
        assert!(CONNECT.lines().all(|line| line.len() <= 80));
        let mut root = Cli::command();
        root.build();
        let connect = root.find_subcommand("connect").unwrap();
        let known = long_flags(connect);
        let words = CONNECT.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        for word in words.filter(|word| word.starts_with("--")) {
            assert!(known.iter().any(|flag| flag == word), "{word}");
        }
        let (_, listed) = CONNECT.rsplit_once("GROUP, of ").unwrap();
        let listed: Vec<_> = listed.split(',').map(str::trim).collect();
        for group in groups(connect) {
            assert!(listed.contains(&group.as_str()), "{group} is not listed");
        }
        assert!(listed.iter().all(|word| group(connect, word).is_some()));
    }

    #[test]
    fn a_group_shows_its_flags_only() {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let tls = of_words(&words("loopctl connect --help tls")).unwrap();
        assert!(tls.contains("--starttls") && !tls.contains("--happy-eyeballs"), "{tls}");
        assert_eq!(of_topic(&words("connect tls")), Ok(tls));
        assert!(of_topic(&words("connect nosuch")).unwrap_err().contains("race, "));
        assert!(of_topic(&words("nosuch")).unwrap_err().contains("connect, "));
    }
}
