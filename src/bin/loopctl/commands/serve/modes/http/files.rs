//! Files and folders below `--root`. These functions block, and run in the executor.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata, OpenOptions, OpenOptionsExt};

use super::file_part::FilePart;
use super::listing;
use super::listing::Entry;
use super::path::UrlPath;
use super::preconditions::{Precondition, RequestedRange, Validators};
use super::request::Request;
use super::response::{Content, Response};
use super::status::Status;
use crate::config::environment::Environment;
use crate::util::descriptor::{NONBLOCK, is_link_loop};

/// The directory of `--root`. Neither `..` nor a symbolic link leads out of it.
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

    /// A file or the range that was asked for, unless a precondition fails.
    fn send(&self, request: &Request, path: &Path) -> io::Result<Response> {
        let (file, metadata) = self.open_file(path)?;
        let size = metadata.len();
        let validators = validators(&metadata);
        let range = validators.range(request, size);
        let response = match (validators.evaluate(request), range) {
            (Precondition::Failed, _) => return Ok(Response::plain(Status::PRECONDITION_FAILED)),
            (Precondition::NotModified, _) => Response::new(Status::NOT_MODIFIED, Content::None),
            (Precondition::Passed, RequestedRange::Unsatisfiable) => {
                let response = Response::plain(Status::RANGE_NOT_SATISFIABLE);
                return Ok(response.with("Content-Range", format!("bytes */{size}")));
            }
            (Precondition::Passed, RequestedRange::Part(part)) => {
                let range = format!("bytes {}-{}/{size}", part.start, part.end - 1);
                let content = Content::File(FilePart::new(file, part.start, part.end));
                let response = Response::new(Status::PARTIAL_CONTENT, content);
                response.with("Content-Type", type_of(path)).with("Content-Range", range)
            }
            (Precondition::Passed, RequestedRange::Whole) => {
                let content = Content::File(FilePart::new(file, 0, size));
                Response::new(Status::OK, content).with("Content-Type", type_of(path))
            }
        };
        let response = response.with("Accept-Ranges", "bytes").with("ETag", validators.etag);
        Ok(match validators.last_modified {
            Some(date) => response.with("Last-Modified", httpdate::fmt_http_date(date)),
            None => response,
        })
    }

    /// Opens regular files only: opening a FIFO waits for a writer, and opening a device may have side effects.
    fn open_file(&self, path: &Path) -> io::Result<(File, std::fs::Metadata)> {
        if !self.0.metadata(path)?.is_file() {
            return Err(ErrorKind::PermissionDenied.into());
        }
        // A FIFO may have taken its place meanwhile, and would wait for a writer.
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(NONBLOCK);
        let file = self.0.open_with(path, &options)?.into_std();
        let metadata = file.metadata()?;
        match metadata.is_file() {
            true => Ok((file, metadata)),
            false => Err(ErrorKind::PermissionDenied.into()),
        }
    }

    fn list(&self, path: &UrlPath, folder: &Path) -> io::Result<Response> {
        let mut entries = Vec::new();
        for entry in self.0.read_dir(folder)? {
            let name = entry?.file_name();
            // Metadata of the target of a symbolic link; `None` for a target outside of the root.
            let metadata = self.0.metadata(folder.join(&name)).ok();
            let file = metadata.as_ref().filter(|metadata| metadata.is_file());
            entries.push(Entry {
                is_folder: metadata.as_ref().is_some_and(Metadata::is_dir),
                size: file.map(Metadata::len),
                modified: metadata.and_then(|found| http_date(found.modified().ok()?.into_std())),
                name,
            });
        }
        let page = listing::page(path, entries).into_bytes();
        let response = Response::new(Status::OK, Content::Bytes(page));
        Ok(response.with("Content-Type", "text/html; charset=utf-8"))
    }
}

/// The response to a request for a file.
pub(super) fn answer(root: &Root, request: &Request) -> Response {
    const ALLOWED: [&str; 2] = ["GET", "HEAD"];
    if !ALLOWED.contains(&&*request.method) {
        let response = Response::plain(Status::METHOD_NOT_ALLOWED);
        return response.with("Allow", ALLOWED.join(", "));
    }
    let Some((path, query)) = UrlPath::parse(&request.target) else {
        return Response::plain(Status::NOT_FOUND);
    };
    root.find(request, &path, query).unwrap_or_else(|error| Response::plain(status(&error)))
}

fn status(error: &io::Error) -> Status {
    use ErrorKind::{InvalidFilename, InvalidInput, NotADirectory, NotFound, PermissionDenied};
    match error.kind() {
        NotFound | NotADirectory | InvalidFilename | InvalidInput => Status::NOT_FOUND,
        // A symbolic link to itself: nothing has failed here.
        _ if is_link_loop(error) => Status::NOT_FOUND,
        // Also a path that leads out of the root.
        PermissionDenied => Status::FORBIDDEN,
        _ => Status::INTERNAL_SERVER_ERROR,
    }
}

fn validators(metadata: &std::fs::Metadata) -> Validators {
    let (seconds, nanoseconds) = (metadata.mtime(), metadata.mtime_nsec());
    let etag = format!("\"{seconds:x}-{nanoseconds:x}-{:x}\"", metadata.len());
    let last_modified = metadata.modified().ok().and_then(http_date);
    Validators { etag, last_modified }
}

/// A date for Last-Modified, which may not be in the future (RFC 9110, section 8.8.2.1). `httpdate` has none before
/// 1970.
fn http_date(date: SystemTime) -> Option<SystemTime> {
    (UNIX_EPOCH..=Environment::wall_clock()).contains(&date).then_some(date)
}

/// The media type, from the file's extension. Text is taken for UTF-8.
fn type_of(path: &Path) -> String {
    let kind = mime_guess::from_path(path).first_or_octet_stream();
    let charset = if kind.type_() == mime_guess::mime::TEXT { "; charset=utf-8" } else { "" };
    format!("{kind}{charset}")
}
