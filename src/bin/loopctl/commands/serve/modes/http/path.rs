//! Path of a request target, decoded to file names below the root.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

/// Decoded segments. None is `..` or contains a slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UrlPath {
    names: Vec<Vec<u8>>,
    /// The path ends with a slash.
    pub(super) is_folder: bool,
}

/// Every character that is not unreserved (RFC 3986, section 2.3): a colon in a name would look like a scheme.
const RESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl UrlPath {
    /// Parses a target in origin or absolute form, `/a?b` or `http://host/a?b`; returns path and query. `None` for
    /// other forms, and for a path that leads out of the root.
    pub(super) fn parse(target: &str) -> Option<(Self, &str)> {
        let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
        let path = if path.starts_with('/') { path } else { after_authority(path)? };
        let mut names = Vec::new();
        let mut is_folder = true;
        for segment in path.split('/') {
            let name: Vec<u8> = percent_decode_str(segment).collect();
            is_folder = ["", ".", ".."].iter().any(|dots| name == dots.as_bytes());
            match &name[..] {
                b"" | b"." => {}
                b".." => drop(names.pop()?),
                name if name.contains(&b'/') || name.contains(&0) => return None,
                _ => names.push(name),
            }
        }
        Some((Self { names, is_folder }, query))
    }

    /// The path relative to the root.
    pub(super) fn file(&self) -> PathBuf {
        let names = self.names.iter().map(|name| OsStr::from_bytes(name));
        // The dot, because an empty path is not the root.
        [OsStr::new(".")].into_iter().chain(names).collect()
    }

    /// The URL of this path as a folder. One slash at its start, because two would begin with a host.
    pub(super) fn folder_url(&self) -> String {
        let names = self.names.iter().map(|name| format!("{}/", encode(name)));
        format!("/{}", names.collect::<String>())
    }

    /// The path as a folder, for the title of a page.
    pub(super) fn title(&self) -> String {
        let names = self.names.iter().map(|name| format!("{}/", String::from_utf8_lossy(name)));
        format!("/{}", names.collect::<String>())
    }

    pub(super) fn is_root(&self) -> bool {
        self.names.is_empty()
    }
}

/// Percent-encodes a file name.
pub(super) fn encode(name: &[u8]) -> String {
    percent_encode(name, &RESERVED).to_string()
}

/// The path of a target in absolute form (RFC 9112, section 3.2.2).
fn after_authority(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    let is_known = ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    is_known.then(|| rest.find('/').map_or("/", |at| &rest[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(target: &str) -> Option<String> {
        let (path, _) = UrlPath::parse(target)?;
        let slash = if path.is_folder { "/" } else { "" };
        Some(path.file().to_str().unwrap().to_owned() + slash)
    }

    #[test]
    fn paths_name_files_below_the_root() {
        for (target, expected) in [
            ("/", "./"),
            ("/a", "./a"),
            ("/a/", "./a/"),
            ("/a/b.txt?x=/../y", "./a/b.txt"),
            ("/?x", "./"),
            ("//etc//passwd", "./etc/passwd"),
            ("/a/./b", "./a/b"),
            ("/a/.", "./a/"),
            ("/a/../b", "./b"),
            ("/a/%2e%2e/b", "./b"),
            ("/a/b/..", "./a/"),
            ("/...", "./..."),
            ("/..a", "./..a"),
            ("/a%20b%3f%25", "./a b?%"),
            ("/%", "./%"),
            ("/%zz", "./%zz"),
            ("/a\\..\\b", "./a\\..\\b"),
            ("/%5c..%5c", "./\\..\\"),
            ("/%C3%BC", "./\u{fc}"),
            ("http://host/a", "./a"),
            ("HTTPS://host", "./"),
            ("http://host?x", "./"),
        ] {
            assert_eq!(file(target).as_deref(), Some(expected), "{target}");
        }
    }

    #[test]
    fn no_path_leads_out() {
        for target in [
            "/..",
            "/../etc/passwd",
            "/%2e%2e/etc/passwd",
            "/.%2E/etc/passwd",
            "/a/../../etc/passwd",
            "/..%2fetc/passwd",
            "/a%2fb",
            "/a%00b",
            "*",
            "a",
            "",
            "host:443",
            "ftp://host/a",
            "file:///etc/passwd",
        ] {
            assert_eq!(file(target), None, "{target}");
        }
    }

    #[test]
    fn urls_are_encoded_and_stay_on_this_host() {
        let (path, query) = UrlPath::parse("//a b/%ff:\u{fc}?q=/%20").unwrap();
        assert_eq!(path.folder_url(), "/a%20b/%FF%3A%C3%BC/");
        assert_eq!(path.title(), "/a b/\u{fffd}:\u{fc}/");
        assert_eq!(query, "?q=/%20");
        assert_eq!(UrlPath::parse("/").unwrap().0.folder_url(), "/");
    }
}
