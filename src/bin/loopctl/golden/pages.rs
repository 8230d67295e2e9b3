//! Pages of the documents in `tests/golden`: each document becomes a page, and text of peers stays text.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Deserializer, Value};

use super::{Golden, plain};
use crate::config::PageFormat;
use crate::output::page::document::{self, Documents};
use crate::output::page::render;
use crate::util::units::printable;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// JSON sections of a golden: one document, or records one after another.
fn sections(file: &Path) -> Vec<Vec<Value>> {
    let text = fs::read_to_string(file).unwrap();
    let sections = text.split("==== ").filter_map(|section| section.split_once('\n'));
    let has_json = |title: &str| title.ends_with("json") || title.starts_with("ndjson");
    let sections = sections.filter(|(title, _)| has_json(title) || title.contains("json,"));
    let values = sections.filter_map(|(_, text)| {
        let values: Result<Vec<Value>, _> = Deserializer::from_str(text).into_iter().collect();
        values.ok().filter(|values| values.iter().all(|value| value.get("schema").is_some()))
    });
    values.filter(|values| !values.is_empty()).collect()
}

fn goldens() -> Vec<PathBuf> {
    let folders = ["connect", "resolve", "sendfile", "serve"].map(|name| folder().join(name));
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

fn read(values: &[Value]) -> Documents {
    document::of_values(values.to_vec()).unwrap_or_else(|error| panic!("{error}: {values:#?}"))
}

fn html(values: &[Value]) -> String {
    render(&read(values), PageFormat::Html, plain(None))
}

fn svg(values: &[Value]) -> String {
    render(&read(values), PageFormat::Svg, plain(None))
}

#[test]
fn every_document_becomes_a_page() {
    let mut schemas = std::collections::BTreeSet::new();
    for values in goldens().iter().flat_map(|file| sections(file)) {
        let documents = read(&values);
        for format in [PageFormat::Text, PageFormat::Html, PageFormat::Svg] {
            let page = render(&documents, format, plain(Some(80)));
            assert!(page.len() > 40, "{format:?}: {page}");
        }
        let last = values.last().unwrap();
        schemas.insert(last["schema"].as_str().unwrap().to_owned());
    }
    let expected = ["connect", "repeat", "resolve", "sendfile", "serve"];
    assert_eq!(Vec::from_iter(schemas), expected.map(|name| format!("loopctl.{name}.v1")));
}

/// Body of a page: what is between the style sheet and the JSON.
fn body(page: &str) -> &str {
    let from = page.find("</style>").unwrap();
    let to = page.find("<script").unwrap_or(page.len());
    &page[from..to]
}

#[test]
fn pages_of_stories() {
    let stories = [
        ("connect/won-fallback.txt", "race"),
        ("connect/tls-expired.txt", "tls"),
        ("connect/repeat.txt", "series"),
        ("connect/compare-live.txt", "compare"),
        ("resolve/found.txt", "resolve"),
        ("sendfile/whole.txt", "sendfile"),
        ("serve/connections.txt", "serve"),
    ];
    for (from, name) in stories {
        let values = sections(&folder().join(from)).remove(0);
        let mut golden = Golden::default();
        let text = |width| render(&read(&values), PageFormat::Text, plain(width));
        golden.section("text 80", &text(Some(80)));
        golden.section("text in a pipe", &text(None));
        golden.section("html", body(&html(&values)));
        golden.section("svg", body(&svg(&values)));
        golden.assert(&format!("page/{name}.txt"));
    }
}

#[test]
fn a_page_needs_nothing_from_elsewhere() {
    for values in goldens().iter().flat_map(|file| sections(file)) {
        let page = html(&values);
        assert_eq!(page.matches("<script").count(), 1);
        assert!(page.contains("<script type=\"application/json\" id=\"document\">"));
        for word in ["src=", "href=", "url(", "@import", "<link", "<iframe"] {
            let body = body(&page);
            let found = body.match_indices(word);
            assert_eq!(found.count(), 0, "{word}");
        }
        let json = page.rsplit_once("id=\"document\">").unwrap().1;
        let json: Value = serde_json::from_str(json.split_once("</script>").unwrap().0).unwrap();
        let kept = if json.is_array() { json.as_array().unwrap().clone() } else { vec![json] };
        let sent = values.iter().filter(|it| it["schema"] != "loopctl.event.v1");
        assert_eq!(kept, sent.cloned().collect::<Vec<_>>(), "the document is inside as it was");
    }
}

const HOSTILE: &str = "</script></style></svg><img src=x onerror=alert(1)>\"'><!--&lt;\u{202e}\u{1b}[31m\u{0}\u{2028}";

/// Places of all strings in a value.
fn places(value: &Value, place: &str, found: &mut Vec<String>) {
    match value {
        Value::String(_) => found.push(place.to_owned()),
        Value::Array(values) => {
            let values = values.iter().enumerate();
            values.for_each(|(at, it)| places(it, &format!("{place}/{at}"), found));
        }
        Value::Object(keys) => {
            keys.iter().for_each(|(key, it)| places(it, &format!("{place}/{key}"), found));
        }
        _ => {}
    }
}

/// The page with another text at a place; `None` where the place has a fixed list of words.
fn with(values: &[Value], at: usize, place: &str, text: &str) -> Option<(String, String)> {
    let mut values = values.to_vec();
    *values[at].pointer_mut(place)? = text.into();
    let documents = document::of_values(values).ok()?;
    let render = |format| render(&documents, format, plain(None));
    Some((render(PageFormat::Html), render(PageFormat::Svg)))
}

#[test]
fn text_of_a_peer_is_text_at_every_place() {
    let files = [
        "connect/tls-expired.txt",
        "connect/starttls.txt",
        "connect/compare-live.txt",
        "connect/repeat.txt",
        "resolve/records.txt",
        "resolve/trace.txt",
        "serve/connections.txt",
    ];
    let mut count = 0;
    // As long and with as many words, so that lines break at the same places.
    let benign: String = printable(HOSTILE)
        .chars()
        .map(|c| if c == ' ' || c.is_alphanumeric() { c } else { 'x' })
        .collect();
    for file in files {
        let values = sections(&folder().join(file)).remove(0);
        for (at, value) in
            values.iter().enumerate().filter(|(_, it)| it["schema"] != "loopctl.event.v1")
        {
            let mut found = Vec::new();
            places(value, "", &mut found);
            for place in found {
                let Some(benign) = with(&values, at, &place, &benign) else { continue };
                let hostile = with(&values, at, &place, HOSTILE).unwrap();
                for (benign, hostile) in [(&benign.0, &hostile.0), (&benign.1, &hostile.1)] {
                    for character in ['<', '>', '"', '\u{202e}', '\u{1b}', '\u{0}', '\u{2028}'] {
                        let tags = |page: &str| body(page).matches(character).count();
                        assert_eq!(tags(benign), tags(hostile), "{file}: {place}: {character:?}");
                    }
                    assert_eq!(benign.matches("</").count(), hostile.matches("</").count());
                    assert!(!hostile.contains('\u{202e}'), "{file}: {place}");
                }
                count += 1;
            }
        }
    }
    assert!(count > 150, "{count} places");
}

#[test]
fn long_text_of_a_peer_is_cut_on_the_page_and_whole_in_the_document() {
    let values = sections(&folder().join("connect/tls-expired.txt")).remove(0);
    let long = "x".repeat(10_000);
    for place in ["/target", "/tls/chain/0/subject", "/tls/alpn", "/resolve/queries/0/name"] {
        let Some((html, svg)) = with(&values, 0, place, &long) else { continue };
        assert!(
            !body(&html).contains(&long[..1000]) && !body(&svg).contains(&long[..1000]),
            "{place}"
        );
        assert!(html.contains(&long), "{place}");
    }
}

#[test]
fn documents_of_others_are_refused_with_the_reason() {
    let cases = [
        ("", "it is empty"),
        ("[]", "it is empty"),
        ("{", "it is not JSON: EOF while parsing"),
        ("\u{1e}{}", "it is not JSON: expected value"),
        ("{\"a\":1}", "it is no document of loopctl: the key `schema` is missing"),
        ("7", "it is no document of loopctl"),
        (
            "{\"schema\":\"loopctl.connect.v2\"}",
            "its schema `loopctl.connect.v2` is not one of loopctl.connect.v1",
        ),
        ("{\"schema\":\"loopctl.event.v1\"}", "it has events and no document"),
        (
            "{\"schema\":\"loopctl.connect.v1\"}",
            "its document is not a loopctl.connect.v1: missing field `version`",
        ),
    ];
    for (text, expected) in cases {
        let error = document::read(text.as_bytes()).map(|_| ()).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text:?}: {error}");
    }
    let nested = "[".repeat(100_000);
    assert!(document::read(nested.as_bytes()).is_err());
    assert!(document::read(b"\xff\xfe{}").is_err());
}

#[test]
fn keys_of_later_versions_are_passed_over() {
    let mut values = sections(&folder().join("connect/won-fallback.txt")).remove(0);
    let before = render(&read(&values), PageFormat::Text, plain(None));
    values[0]["of_a_later_version"] = serde_json::json!({ "a": [1, 2] });
    values[0]["attempts"][0]["another"] = true.into();
    assert_eq!(render(&read(&values), PageFormat::Text, plain(None)), before);
}
