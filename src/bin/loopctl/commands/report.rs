//! `loopctl report`: documents that were written before, on this host or another.

use std::io::{self, Read as _};
use std::path::Path;

use crate::config::ReportRequest;
use crate::exit::{Exit, ExitResult, FatalError};
use crate::output::page::{self, document};
use crate::output::writer::Writer;
use crate::util::message::plain;

/// # Errors
/// A file that cannot be read or has no documents, and output that cannot be written.
pub(crate) fn run(request: &ReportRequest) -> ExitResult {
    let cannot_read = |why: String| {
        let name = request.file.display();
        FatalError::new(Exit::CannotRead, format!("cannot read `{name}`: {why}"))
    };
    let bytes = read(&request.file).map_err(|error| cannot_read(plain(error)))?;
    let documents = document::read(&bytes).map_err(|error| cannot_read(error.to_string()))?;
    let mut writer = Writer::create(&request.output.path)?;
    writer.write(&page::render(&documents, request.output.format, request.style));
    writer.finish()
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    if file != Path::new("-") {
        return std::fs::read(file);
    }
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes)?;
    Ok(bytes)
}
