//! Prose rules that can be counted: first words, banned words, length of sentences and paragraphs.
//!
//! `CONTRIBUTING.md` has the rules in full.

use std::fs;
use std::path::Path;

use super::{root, sources};

/// First words of a sentence whose subject comes late or not at all.
const ELLIPTIC: [&str; 17] = [
    "What", "How", "Who", "Whose", "Whom", "Of", "That", "Those", "Nothing", "Nobody", "So", "As",
    "It", "Its", "Where", "Whoever", "Whatever",
];

const BANNED: [&str; 10] = [
    "told",
    "tells",
    "nobody",
    "somebody",
    "whoever",
    "so many",
    "so long",
    "meanwhile",
    "as it were",
    "of its own",
];

const MAX_WORDS_OF_A_SENTENCE: usize = 25;
const MAX_WORDS_OF_A_PARAGRAPH: usize = 80;

/// Text without markup, and the place where it begins.
struct Paragraph {
    place: String,
    text: String,
}

impl Paragraph {
    fn words(&self) -> usize {
        self.text.split_whitespace().count()
    }

    fn sentences(&self) -> Vec<Self> {
        let is_last =
            |word: &&str| word.trim_end_matches([')', '"', '`', '*']).ends_with(['.', '?', '!']);
        let words: Vec<&str> = self.text.split_whitespace().collect();
        let sentences = words.split_inclusive(is_last).map(|words| words.join(" "));
        sentences.map(|text| Self { place: self.place.clone(), text }).collect()
    }

    /// Banned words outside code and quotations.
    fn banned(&self) -> Vec<String> {
        let text = without(&without(&self.text, '`'), '"').to_lowercase();
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        let text = format!(" {} ", words.collect::<Vec<_>>().join(" "));
        let found = BANNED.iter().filter(|word| text.contains(&format!(" {word} ")));
        found.map(|word| format!("{}: {word}", self.place)).collect()
    }
}

/// Text outside pairs of a quotation mark.
fn without(text: &str, quote: char) -> String {
    text.split(quote).step_by(2).collect::<Vec<_>>().join(" ")
}

/// Doc comment, and the source that follows it.
struct DocComment {
    place: String,
    lines: Vec<String>,
    below: Vec<String>,
}

impl DocComment {
    fn is_elliptic(&self) -> bool {
        let words = self.lines.join(" ");
        let first = words.split(|c: char| !c.is_alphanumeric()).find(|word| !word.is_empty());
        first.is_some_and(|word| {
            ELLIPTIC.contains(&word) || word == "Whether" && !self.is_about_a_bool()
        })
    }

    /// The item is a field of type bool (or an option of it), or a function that returns one.
    fn is_about_a_bool(&self) -> bool {
        let mut item = self.below.iter().skip_while(|line| line.starts_with("#["));
        let Some(first) = item.next() else { return false };
        if !first.contains("fn ") {
            return first.split_once(": ").is_some_and(|(_, kind)| kind.contains("bool"));
        }
        let mut signature = std::iter::once(first).chain(item);
        let last = signature.find(|line| line.ends_with(['{', ';'])).map_or("", String::as_str);
        last.rsplit_once("->").is_some_and(|(_, returned)| returned.contains("bool"))
    }

    /// Text without its examples.
    fn prose(&self) -> Paragraph {
        let parts = self.lines.split(|line| line.trim_start().starts_with("```")).step_by(2);
        let text: Vec<&str> = parts.flatten().map(String::as_str).collect();
        Paragraph { place: self.place.clone(), text: text.join(" ") }
    }
}

fn doc_comments() -> Vec<DocComment> {
    let mut found = Vec::new();
    for source in sources("src") {
        let lines: Vec<&str> = source.text.lines().map(str::trim_start).collect();
        let mut at = 0;
        while at < lines.len() {
            let marker = if lines[at].starts_with("//!") { "//!" } else { "///" };
            let comment = lines[at..].iter().map_while(|line| line.strip_prefix(marker));
            let comment: Vec<String> = comment.map(str::to_owned).collect();
            let place = format!("{}:{}", source.name(), at + 1);
            at += comment.len().max(1);
            if !comment.is_empty() {
                let below = lines[at..].iter().take(20).map(ToString::to_string).collect();
                found.push(DocComment { place, lines: comment, below });
            }
        }
    }
    assert!(found.len() > 3000, "comments are found at all");
    found
}

#[test]
fn doc_comments_begin_with_their_subject() {
    const MAX_PERCENT: usize = 5;
    let all = doc_comments();
    let elliptic: Vec<String> = all
        .iter()
        .filter(|comment| comment.is_elliptic())
        .map(|comment| format!("{}:{}", comment.place, comment.lines[0]))
        .collect();
    assert!(
        elliptic.len() * 100 <= all.len() * MAX_PERCENT,
        "{} of {} doc comments begin with a word that is not their subject:\n{}",
        elliptic.len(),
        all.len(),
        elliptic.join("\n")
    );
}

#[test]
fn doc_comments_have_plain_words() {
    let prose: Vec<Paragraph> = doc_comments().iter().map(DocComment::prose).collect();
    let banned: Vec<String> = prose.iter().flat_map(Paragraph::banned).collect();
    assert_eq!(banned, [""; 0]);
}

#[test]
fn manuals_have_plain_words() {
    let banned: Vec<String> = manuals().iter().flat_map(Paragraph::banned).collect();
    assert_eq!(banned, [""; 0]);
}

#[test]
fn manuals_have_short_sentences() {
    let sentences: Vec<Paragraph> = manuals().iter().flat_map(Paragraph::sentences).collect();
    assert_eq!(longer_than(MAX_WORDS_OF_A_SENTENCE, sentences), [""; 0]);
}

#[test]
fn man_pages_have_short_paragraphs() {
    assert_eq!(longer_than(MAX_WORDS_OF_A_PARAGRAPH, man_pages()), [""; 0]);
}

/// Man pages, which contain the long help of every flag, and the texts for readers of the source.
fn manuals() -> Vec<Paragraph> {
    let texts = files(&["", "tests/netns"], "md").into_iter();
    let texts = texts.filter(|(name, _)| !name.starts_with("CHANGELOG"));
    let texts: Vec<Paragraph> = texts.flat_map(|(name, text)| markdown(&name, &text)).collect();
    assert!(texts.len() > 50, "paragraphs are found at all");
    [man_pages(), texts].into_iter().flatten().collect()
}

fn man_pages() -> Vec<Paragraph> {
    let pages = files(&["man"], "1").into_iter().flat_map(|(name, page)| man_page(&name, &page));
    let pages: Vec<Paragraph> = pages.collect();
    assert!(pages.len() > 500, "paragraphs are found at all");
    pages
}

fn longer_than(limit: usize, all: impl IntoIterator<Item = Paragraph>) -> Vec<String> {
    let long = all.into_iter().filter(|it| it.words() > limit);
    long.map(|it| format!("{}: {} words: {}", it.place, it.words(), it.text)).collect()
}

/// Name and text of each file with this extension.
fn files(folders: &[&str], extension: &str) -> Vec<(String, String)> {
    let entries = folders.iter().flat_map(|folder| fs::read_dir(root().join(folder)).unwrap());
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|it| it == extension)).collect();
    paths.sort();
    let name = |path: &Path| path.file_name().unwrap().display().to_string();
    paths.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

/// Paragraphs of a man page: no synopsis, no examples, no names of flags.
fn man_page(name: &str, page: &str) -> Vec<Paragraph> {
    let mut paragraphs = Paragraphs::new(name);
    let (mut is_literal, mut is_tag) = (false, false);
    for (number, line) in page.lines().enumerate() {
        let is_request = line.starts_with(['.', '\'']);
        if is_request || line.is_empty() || is_tag || is_literal {
            paragraphs.end();
        } else {
            paragraphs.add(number, &without_roff(line));
        }
        is_literal |= line == ".nf" || line == ".SH SYNOPSIS";
        is_literal &= line != ".fi" && line != ".SH DESCRIPTION";
        is_tag = line == ".TP";
    }
    paragraphs.finish()
}

fn without_roff(line: &str) -> String {
    let pairs =
        [("\\-", "-"), ("\\fB", ""), ("\\fI", ""), ("\\fR", ""), ("\\&", ""), ("\\e", "\\")];
    let pairs = pairs.into_iter().chain([("\\*(Aq", "'"), ("\\(aq", "'"), ("\\(bu", "")]);
    pairs.fold(line.to_owned(), |line, (from, to)| line.replace(from, to))
}

/// Paragraphs and table cells of a Markdown file, without code.
fn markdown(name: &str, text: &str) -> Vec<Paragraph> {
    let mut paragraphs = Paragraphs::new(name);
    let mut is_code = false;
    for (number, line) in text.lines().enumerate() {
        let starts_item = line.starts_with(['#', '|', '-', '*']) || line.contains("```");
        if line.is_empty() || starts_item || is_code {
            paragraphs.end();
        }
        is_code ^= line.starts_with("```");
        if is_code || line.starts_with("```") {
            continue;
        }
        for cell in line.trim_matches('|').split(" | ") {
            paragraphs.add(number, cell.trim_start_matches(['#', '-', ' ']));
            if line.starts_with('|') {
                paragraphs.end();
            }
        }
    }
    paragraphs.finish()
}

/// Paragraphs of a file, put together line by line.
struct Paragraphs<'a> {
    file: &'a str,
    found: Vec<Paragraph>,
    is_open: bool,
}

impl<'a> Paragraphs<'a> {
    fn new(file: &'a str) -> Self {
        Self { file, found: Vec::new(), is_open: false }
    }

    fn add(&mut self, number: usize, line: &str) {
        match self.found.last_mut().filter(|_| self.is_open) {
            Some(open) => open.text += &format!(" {line}"),
            None => self.found.push(Paragraph {
                place: format!("{}:{}", self.file, number + 1),
                text: line.to_owned(),
            }),
        }
        self.is_open = true;
    }

    fn end(&mut self) {
        self.is_open = false;
    }

    fn finish(self) -> Vec<Paragraph> {
        self.found
    }
}
