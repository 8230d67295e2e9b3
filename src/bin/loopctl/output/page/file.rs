//! Page that is written at the end of a run, from the documents that `--json` prints.

use serde::Serialize;
use serde_json::Value;

use super::{document, render};
use crate::config::{PageFormat, PageOutput};
use crate::exit::{Exit, ExitResult, FatalError};
use crate::output::writer::Writer;
use crate::util::style::Style;

pub(crate) struct PageFile {
    writer: Writer,
    format: PageFormat,
    documents: Vec<Value>,
}

impl PageFile {
    /// # Errors
    /// A file that cannot be created.
    pub(crate) fn create(output: &PageOutput) -> Result<Self, FatalError> {
        let writer = Writer::create(&output.path)?;
        Ok(Self { writer, format: output.format, documents: Vec::new() })
    }

    pub(crate) fn add(&mut self, document: &impl Serialize) {
        // Because the types of `wire` have no map with keys other than strings, which alone would fail.
        self.documents.extend(serde_json::to_value(document));
    }

    /// Writes the page.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub(crate) fn finish(&mut self) -> ExitResult {
        const STYLE: Style = Style { color: false, unicode: true, width: None };
        let documents = document::of_values(std::mem::take(&mut self.documents));
        let documents =
            documents.map_err(|error| FatalError::new(Exit::Mixed, error.to_string()))?;
        self.writer.write(&render(&documents, self.format, STYLE));
        self.writer.finish()
    }
}
