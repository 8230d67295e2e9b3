//! The house rules that can be counted: layers, sizes, banned words, generated files.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "tidy/prose.rs"]
mod prose;
#[path = "support/skip.rs"]
#[expect(dead_code, reason = "nothing is skipped here")]
mod skip;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    fn name(&self) -> String {
        self.path.strip_prefix(root()).unwrap().display().to_string()
    }

    fn is_in(&self, room: &str) -> bool {
        self.name().starts_with(&format!("src/{room}/"))
    }

    /// Code lines with their numbers: no comments, no tests.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let is_code = |line: &(usize, &str)| !line.1.trim_start().starts_with("//");
        let lines = self.text.lines().enumerate();
        lines
            .take_while(|(_, line)| *line != "#[cfg(test)]")
            .map(|(n, line)| (n + 1, line))
            .filter(is_code)
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(dir: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut waiting = vec![root().join(dir)];
    while let Some(dir) = waiting.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push(Source { path, text });
            }
        }
    }
    assert!(found.len() > 5, "{dir} has sources");
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Every line of a room that has one of these words.
fn offences(room: &str, banned: &[&str]) -> Vec<String> {
    let mut offences = Vec::new();
    let all = sources("src");
    for source in all.iter().filter(|source| source.is_in(room)) {
        for (number, line) in source.code() {
            for word in banned.iter().filter(|word| line.contains(**word)) {
                offences.push(format!("{}:{number}: {word}", source.name()));
            }
        }
    }
    offences
}

#[test]
fn rooms_import_only_what_is_below_them() {
    let rules: [(&str, &[&str]); 5] = [
        ("sys", &["crate::"]),
        (
            "plan",
            &[
                "crate::",
                "mio",
                "socket2",
                "rustix",
                "libc",
                "async ",
                "Instant::now",
                "TcpStream",
                "log::",
            ],
        ),
        ("event_loop", &["crate::task", "crate::net", "socket2", "println!", "eprintln!"]),
        (
            "task",
            &["crate::net", "crate::sys", "mio", "socket2", "rustix", "println!", "eprintln!"],
        ),
        ("net", &["mio::", "clap", "println!", "eprintln!"]),
    ];
    for (room, banned) in rules {
        assert_eq!(offences(room, banned), [""; 0], "in room {room}");
    }
    let program = ["mio::", "socket2::", "rustix::", "libc::", "async_task::"];
    let mut offences = offences("bin", &program);
    // Locks, flags and properties of files, which are no matter of a library for connections.
    offences.retain(|offence| !offence.starts_with("src/bin/loopctl/util/"));
    assert_eq!(offences, [""; 0], "the program uses the public API");
}

/// The modules of the program that a line of code names by `crate::`.
fn named_modules(line: &str) -> impl Iterator<Item = &str> {
    let paths = line.split("crate::").skip(1);
    paths.filter_map(|path| path.split(|c: char| !c.is_alphanumeric() && c != '_').next())
}

#[test]
fn the_program_has_one_direction() {
    let rules: [(&str, &[&str]); 6] = [
        ("util", &["util"]),
        ("config", &["config", "cli", "exit", "util"]),
        ("report", &["report", "config", "util"]),
        ("diagnose", &["diagnose", "report", "config", "exit", "util"]),
        ("output", &["output", "diagnose", "report", "config", "exit", "util"]),
        ("commands", &["commands", "output", "diagnose", "report", "config", "exit", "util"]),
    ];
    let all = sources("src/bin/loopctl");
    let mut offences = Vec::new();
    for (room, allowed) in rules {
        let folder = format!("src/bin/loopctl/{room}/");
        let in_room = all.iter().filter(|source| source.name().starts_with(&folder));
        for source in in_room.filter(|source| !source.name().contains("tests")) {
            for (number, line) in source.code() {
                let strangers = named_modules(line).filter(|name| !allowed.contains(name));
                offences.extend(
                    strangers
                        .map(|name| format!("{}:{number}: {room} imports {name}", source.name())),
                );
            }
        }
    }
    assert_eq!(offences, [""; 0]);
}

#[test]
fn exit_codes_come_from_one_file() {
    let all = sources("src/bin/loopctl");
    let converts = |source: &&Source| source.code().any(|(_, line)| line.contains("ExitCode"));
    let names: Vec<String> = all.iter().filter(converts).map(Source::name).collect();
    assert_eq!(names, ["src/bin/loopctl/exit.rs"]);
}

/// Because a message quotes what the user typed, and changes with the library that wrote it.
#[test]
fn no_message_decides_anything() {
    for source in sources("src/bin/loopctl") {
        let name = source.name();
        let is_pure = ["diagnose/", "report/"]
            .iter()
            .any(|room| name.starts_with(&format!("src/bin/loopctl/{room}")));
        if !is_pure || name.contains("tests") {
            continue;
        }
        for (number, line) in source.code() {
            let is_search = [".contains(\"", ".starts_with(\"", ".ends_with(\""]
                .iter()
                .any(|search| line.contains(search));
            assert!(!is_search, "{name}:{number}: {line}");
        }
    }
}

#[test]
fn only_one_file_says_mio_and_one_reads_the_clock() {
    for (word, allowed) in [
        ("mio::", &["src/event_loop/reactor.rs"][..]),
        ("Instant::now", &["src/event_loop/clock.rs"]),
        ("SystemTime::now", &["src/bin/loopctl/config/environment.rs"]),
        (
            "hickory_proto::",
            &[
                "src/net/dns/client.rs",
                "src/net/dns/message.rs",
                "src/net/dns/name_text.rs",
                "src/net/dns/record_type.rs",
                "src/net/dns/section.rs",
            ],
        ),
        (
            "hickory_net::",
            &[
                "src/net/dns/anchors.rs",
                "src/net/dns/handle.rs",
                "src/net/dns/keys.rs",
                "src/net/dns/opt_out.rs",
                "src/net/dns/reason.rs",
                "src/net/dns/rrset.rs",
                "src/net/dns/verify.rs",
            ],
        ),
    ] {
        let all = sources("src");
        let says = |source: &&Source| source.code().any(|(_, line)| line.contains(word));
        let names: Vec<String> = all.iter().filter(says).map(Source::name).collect();
        assert_eq!(names, allowed, "{word}");
    }
}

#[test]
fn unsafe_is_only_in_sys() {
    let all = sources("src").into_iter().chain(sources("tests"));
    for source in all.filter(|source| !source.is_in("sys") && source.name() != "tests/tidy.rs") {
        let has = source.code().any(|(_, line)| line.contains("unsafe "));
        assert!(!has, "{}", source.name());
    }
    for source in sources("src").iter().filter(|source| source.is_in("sys")) {
        let lines: Vec<&str> = source.text.lines().collect();
        for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.contains("unsafe {")) {
            let above = lines[at.saturating_sub(4)..=at].iter();
            let proved = above.clone().any(|line| line.contains("// SAFETY: "));
            assert!(proved, "{}:{}: {line}", source.name(), at + 1);
        }
    }
}

#[test]
fn files_and_functions_stay_small() {
    const LONGEST_FILE: usize = 600;
    const MEDIAN_FILE: usize = 150;
    const LONGEST_FUNCTION: usize = 70;
    const FUNCTION_P90: usize = 25;
    let mut files = Vec::new();
    let mut functions = Vec::new();
    for source in sources("src") {
        let lines = source.text.lines().count();
        assert!(lines <= LONGEST_FILE, "{} has {lines} lines", source.name());
        files.push(source.code().count());
        for (name, length) in functions_of(&source) {
            assert!(length <= LONGEST_FUNCTION, "{}: {name} has {length} lines", source.name());
            functions.push(length);
        }
    }
    files.sort_unstable();
    functions.sort_unstable();
    assert!(functions.len() > 200, "functions are found at all");
    let median = files[files.len() / 2];
    assert!(median <= MEDIAN_FILE, "the median file has {median} lines of code");
    let p90 = functions[functions.len() * 9 / 10];
    assert!(p90 <= FUNCTION_P90, "nine of ten functions have at most {p90} lines");
}

/// Name and length of each function, by indentation: rustfmt closes it where it began.
fn functions_of(source: &Source) -> Vec<(String, usize)> {
    let lines: Vec<&str> = source.text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let is_function = code.split("fn ").next().is_some_and(|before| {
            before
                .split_whitespace()
                .all(|w| w.starts_with("pub") || ["async", "const", "unsafe"].contains(&w))
        });
        if !is_function || !code.contains("fn ") {
            continue;
        }
        let indent = " ".repeat(line.len() - code.len());
        let end =
            lines[start..].iter().position(|l| *l == format!("{indent}}}") || l.ends_with(';'));
        if let Some(length) = end {
            found.push((code.to_owned(), length + 1));
        }
    }
    found
}

#[test]
fn structs_have_few_fields() {
    /// Because code that acts is easier to follow in small structs. The limit leaves room for a field that is
    /// named, so that none is hidden in a bag with unrelated ones.
    const MAX_FIELDS: usize = 10;
    /// Because plain data names each optional part: a bag of unrelated parts says less than their names. The
    /// fifteenth is the state of this host; the last two are the HTTP exchange and its redirects.
    const MAX_FIELDS_OF_A_REPORT: usize = 17;
    // Records of a file format: what they hold is not ours to choose.
    let is_format = |source: &Source| source.is_in("bin/loopctl/output/wire");
    for source in sources("src").iter().filter(|source| !is_format(source)) {
        let mut lines = source.text.lines();
        while let Some(line) = lines.next() {
            let is_struct = line.contains("struct ") && line.ends_with('{');
            if !is_struct || line.trim_start().starts_with("//") {
                continue;
            }
            let body = lines.by_ref().take_while(|line| line.trim() != "}");
            let fields =
                body.filter(|line| line.contains(": ") && !line.trim_start().starts_with("//"));
            let fields = fields.filter(|line| !line.trim_start().starts_with("#[")).count();
            let is_report = source.name().starts_with("src/bin/loopctl/report/");
            let max = if is_report { MAX_FIELDS_OF_A_REPORT } else { MAX_FIELDS };
            assert!(fields <= max, "{}: {line} has {fields} fields", source.name());
        }
    }
}

#[test]
fn nothing_is_left_undone() {
    let marks = ["todo!(", "unimplemented!(", "FIXME", "XXX", "#[ignore", "dbg!("];
    for source in sources("src").into_iter().chain(sources("tests")) {
        if source.name() == "tests/tidy.rs" {
            continue;
        }
        for mark in marks {
            assert!(!source.text.contains(mark), "{}: {mark}", source.name());
        }
    }
}

#[test]
fn codes_in_test_names_are_those_of_the_catalogue() {
    let catalogue = fs::read_to_string(root().join("tests/CATALOGUE.md")).unwrap();
    let rows = catalogue.lines().filter_map(|line| line.strip_prefix("| ")?.split(' ').next());
    let rows: BTreeSet<&str> =
        rows.filter(|code| code.ends_with(|c: char| c.is_ascii_digit())).collect();
    let families: BTreeSet<&str> = rows.iter().filter_map(|row| row.split('_').next()).collect();
    let all: Vec<Source> = sources("tests").into_iter().chain(sources("src")).collect();
    let names = all.iter().flat_map(tests_of);
    let used: BTreeSet<String> = names.flat_map(|name| codes_of(name, &families)).collect();
    assert!(used.len() > 400, "names are found at all");
    let without_row: Vec<_> = used.iter().filter(|code| !rows.contains(code.as_str())).collect();
    assert_eq!(without_row, [""; 0], "codes without a row in tests/CATALOGUE.md");
    let without_test: Vec<_> = rows.iter().filter(|row| !used.contains(**row)).collect();
    assert_eq!(without_test, [&""; 0], "rows of tests/CATALOGUE.md without a test");
}

/// The functions that a line `#[test]` stands above.
fn tests_of(source: &Source) -> impl Iterator<Item = &str> {
    let mut is_test = false;
    source.text.lines().filter_map(move |line| {
        is_test |= line.trim() == "#[test]";
        let name = line.trim_start().strip_prefix("fn ").filter(|_| is_test)?;
        is_test = false;
        name.split('(').next()
    })
}

/// `srv_24_25` is two codes of a family; `t05`, `r5` and `o4` stand alone.
fn codes_of(name: &str, families: &BTreeSet<&str>) -> Vec<String> {
    let is_number = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let mut codes = Vec::new();
    let mut family = None;
    for word in name.split('_') {
        match family {
            Some(family) if is_number(word) => codes.push(format!("{family}_{word}")),
            _ => family = Some(word).filter(|word| families.contains(word)),
        }
        if word.len() > 1 && word.starts_with(['t', 'r', 'o']) && is_number(&word[1..]) {
            codes.push(word.to_owned());
        }
    }
    codes
}

#[test]
fn the_sum_of_the_skips_comes_last_and_is_right() {
    let names = fs::read_dir(root().join("tests")).unwrap().map(|entry| entry.unwrap().path());
    let is_program = |path: &PathBuf| {
        path.extension().is_some_and(|it| it == "rs") || path.join("main.rs").exists()
    };
    let programs = names.filter(is_program);
    assert_eq!(
        programs.max().unwrap().file_name().unwrap(),
        "zz_skips.rs",
        "cargo runs them by name"
    );
    assert_eq!(skip::summary(""), "0 tests skipped");
    assert_eq!(skip::summary("root\tone\nroot\tone\n"), "1 test skipped: 1 for want of root");
    let skips = "nsd\tone\nroot\tone\nroot\ttwo\n";
    let wanted = "2 tests skipped: 2 for want of root, 1 for want of nsd";
    assert_eq!(skip::summary(skips), wanted);
}

#[test]
#[cfg(feature = "cli")]
fn completions_man_pages_and_schemas_are_fresh() {
    let made = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_loopctl");
    let status =
        std::process::Command::new(program).arg("__generate").arg(made.path()).status().unwrap();
    assert!(status.success());
    for folder in ["completions", "man", "schemas"] {
        let listing = |dir: &Path| {
            let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
            let mut names: Vec<_> = names.collect();
            names.sort();
            names
        };
        let (fresh, kept) = (made.path().join(folder), root().join(folder));
        assert_eq!(listing(&fresh), listing(&kept), "{folder}: run `loopctl __generate .`");
        for name in listing(&fresh) {
            let same = fs::read(fresh.join(&name)).unwrap() == fs::read(kept.join(&name)).unwrap();
            assert!(same, "{folder}/{}: run `loopctl __generate .`", name.display());
        }
    }
}
