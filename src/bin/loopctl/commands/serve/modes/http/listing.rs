//! Listing of a folder as an HTML page.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::time::SystemTime;

use html_escape::encode_text;

use super::path::{UrlPath, encode};
use crate::util::units;

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: OsString,
    pub(super) is_folder: bool,
    /// `None` except for regular files.
    pub(super) size: Option<u64>,
    pub(super) modified: Option<SystemTime>,
}

/// The page: folders first, hidden files included, as `python -m http.server` does.
pub(super) fn page(path: &UrlPath, mut entries: Vec<Entry>) -> String {
    entries.sort_by(|a, b| b.is_folder.cmp(&a.is_folder).then_with(|| a.name.cmp(&b.name)));
    let title = path.title();
    let title = encode_text(&title);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
         <body>\n<h1>{title}</h1>\n<table>\n"
    );
    if !path.is_root() {
        page += "<tr><td><a href=\"../\">../</a></td><td></td><td></td></tr>\n";
    }
    for entry in entries {
        let slash = if entry.is_folder { "/" } else { "" };
        let (url, name) = (encode(entry.name.as_bytes()), entry.name.to_string_lossy());
        let name = encode_text(&name);
        let size = entry.size.map(units::bytes).unwrap_or_default();
        let date = entry.modified.map(|date| humantime::format_rfc3339_seconds(date).to_string());
        let date = date.unwrap_or_default();
        let _ = writeln!(
            page,
            "<tr><td><a href=\"{url}{slash}\">{name}{slash}</a></td><td>{size}</td><td>{date}</td></tr>"
        );
    }
    page + "</table>\n</body>\n</html>\n"
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn folders_come_first_and_names_are_no_markup() {
        let file = |name: &[u8], size| Entry {
            name: OsString::from_vec(name.to_vec()),
            is_folder: false,
            size,
            modified: size.map(|_| UNIX_EPOCH + Duration::from_secs(86_400)),
        };
        let folder = Entry { is_folder: true, ..file(b"z&z", None) };
        let entries = vec![
            file(b"b\xff", Some(1500)),
            file(b".hidden", None),
            folder,
            file(b"<script>\"'", None),
            file(b"javascript:x", None),
        ];
        let page = page(&UrlPath::parse("/a%3Cb/").unwrap().0, entries);
        let rows: Vec<&str> = page.lines().filter(|line| line.contains("<tr>")).collect();
        assert!(page.contains("<h1>/a&lt;b/</h1>"), "{page}");
        let row = |url: &str, name: &str, size: &str, date: &str| {
            format!("<tr><td><a href=\"{url}\">{name}</a></td><td>{size}</td><td>{date}</td></tr>")
        };
        assert_eq!(
            rows,
            [
                row("../", "../", "", ""),
                row("z%26z/", "z&amp;z/", "", ""),
                row(".hidden", ".hidden", "", ""),
                row("%3Cscript%3E%22%27", "&lt;script&gt;\"'", "", ""),
                row("b%FF", "b\u{fffd}", "1.5 kB", "1970-01-02T00:00:00Z"),
                row("javascript%3Ax", "javascript:x", "", ""),
            ]
        );
    }
}
