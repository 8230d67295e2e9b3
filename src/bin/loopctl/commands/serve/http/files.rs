//! The files below the root. All of it blocks, and runs in the executor.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata};

use super::conditions::{Verdict, Version, Wanted};
use super::excerpt::Excerpt;
use super::listing;
use super::listing::Entry;
use super::path::UrlPath;
use super::request::Request;
use super::response::{Content, Response};
use super::status::Status;
use crate::config::environment::Environment;

/// A directory that nothing leads out of: neither a name nor a symbolic link.
#[derive(Debug, Clone)]
pub(in crate::commands::serve) struct Root(Arc<Dir>);

impl Root {
    pub(in crate::commands::serve) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(Arc::new(Dir::open_ambient_dir(path, ambient_authority())?)))
    }

    fn find(&self, request: &Request, path: &UrlPath, query: &str) -> io::Result<Response> {
        let file = path.file();
        let metadata = self.0.metadata(&file)?;
        match (metadata.is_dir(), path.is_folder) {
            (false, false) => self.send(request, &file),
            (false, true) => Err(ErrorKind::NotFound.into()),
            (true, false) => {
                let response = Response::plain(Status::MOVED_PERMANENTLY);
                Ok(response.with("Location", path.folder_url() + query))
            }
            (true, true) => {
                let index = file.join("index.html");
                match self.0.metadata(&index).is_ok_and(|metadata| metadata.is_file()) {
                    true => self.send(request, &index),
                    false => self.list(path, &file),
                }
            }
        }
    }

    /// A file, or what a client lacks of it.
    fn send(&self, request: &Request, path: &Path) -> io::Result<Response> {
        let (file, metadata) = self.open_file(path)?;
        let (size, version) = (metadata.len(), version(&metadata));
        let response = match (version.judge(request), version.part(request, size)) {
            (Verdict::Failed, _) => return Ok(Response::plain(Status::PRECONDITION_FAILED)),
            (Verdict::NotModified, _) => Response::new(Status::NOT_MODIFIED, Content::Nothing),
            (Verdict::Send, Wanted::Beyond) => {
                let response = Response::plain(Status::RANGE_NOT_SATISFIABLE);
                return Ok(response.with("Content-Range", format!("bytes */{size}")));
            }
            (Verdict::Send, Wanted::Part(part)) => {
                let range = format!("bytes {}-{}/{size}", part.start, part.end - 1);
                let content = Content::File(Excerpt::new(file, part.start, part.end));
                let response = Response::new(Status::PARTIAL_CONTENT, content);
                response.with("Content-Type", type_of(path)).with("Content-Range", range)
            }
            (Verdict::Send, Wanted::All) => {
                let content = Content::File(Excerpt::new(file, 0, size));
                Response::new(Status::OK, content).with("Content-Type", type_of(path))
            }
        };
        let response = response.with("Accept-Ranges", "bytes").with("ETag", version.tag);
        Ok(match version.modified {
            Some(date) => response.with("Last-Modified", httpdate::fmt_http_date(date)),
            None => response,
        })
    }

    /// Nothing but a file is opened: opening a pipe waits for a writer, and what a device does, nobody knows.
    fn open_file(&self, path: &Path) -> io::Result<(File, std::fs::Metadata)> {
        if !self.0.metadata(path)?.is_file() {
            return Err(ErrorKind::PermissionDenied.into());
        }
        let file = self.0.open(path)?.into_std();
        let metadata = file.metadata()?;
        Ok((file, metadata))
    }

    fn list(&self, path: &UrlPath, folder: &Path) -> io::Result<Response> {
        let mut entries = Vec::new();
        for entry in self.0.read_dir(folder)? {
            let name = entry?.file_name();
            // What a link leads to counts; where it leads out, there is nothing to tell.
            let metadata = self.0.metadata(folder.join(&name)).ok();
            let file = metadata.as_ref().filter(|metadata| metadata.is_file());
            entries.push(Entry {
                is_folder: metadata.as_ref().is_some_and(Metadata::is_dir),
                size: file.map(Metadata::len),
                modified: metadata.and_then(|found| tellable(found.modified().ok()?.into_std())),
                name,
            });
        }
        let page = listing::page(path, entries).into_bytes();
        let response = Response::new(Status::OK, Content::Bytes(page));
        Ok(response.with("Content-Type", "text/html; charset=utf-8"))
    }
}

/// The answer to a request for a file.
pub(super) fn answer(root: &Root, request: &Request) -> Response {
    const ALLOWED: [&str; 2] = ["GET", "HEAD"];
    if !ALLOWED.contains(&&*request.method) {
        let response = Response::plain(Status::METHOD_NOT_ALLOWED);
        return response.with("Allow", ALLOWED.join(", "));
    }
    let Some((path, query)) = UrlPath::parse(&request.target) else {
        return Response::plain(Status::NOT_FOUND);
    };
    root.find(request, &path, query).unwrap_or_else(|error| Response::plain(failed(&error)))
}

fn failed(error: &io::Error) -> Status {
    use ErrorKind::{InvalidFilename, InvalidInput, NotADirectory, NotFound, PermissionDenied};
    match error.kind() {
        NotFound | NotADirectory | InvalidFilename | InvalidInput => Status::NOT_FOUND,
        // A way out of the root as well.
        PermissionDenied => Status::FORBIDDEN,
        _ => Status::INTERNAL_SERVER_ERROR,
    }
}

fn version(metadata: &std::fs::Metadata) -> Version {
    let (seconds, nanoseconds) = (metadata.mtime(), metadata.mtime_nsec());
    let tag = format!("\"{seconds:x}-{nanoseconds:x}-{:x}\"", metadata.len());
    Version { tag, modified: metadata.modified().ok().and_then(tellable) }
}

/// Dates before 1970 cannot be written, and of those to come HTTP does not want to hear.
fn tellable(date: SystemTime) -> Option<SystemTime> {
    (UNIX_EPOCH..=Environment::wall_clock()).contains(&date).then_some(date)
}

/// By its name. Text is nearly always UTF-8 nowadays.
fn type_of(path: &Path) -> String {
    let kind = mime_guess::from_path(path).first_or_octet_stream();
    let charset = if kind.type_() == mime_guess::mime::TEXT { "; charset=utf-8" } else { "" };
    format!("{kind}{charset}")
}
