//! Documents of files: one, an array, or one after another as `--ndjson` prints them.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::{Deserializer, Value};

use crate::output::wire::{connect, path, repeat, resolve, serve, transfer};

/// Series with the documents of its tries.
pub(crate) type Series = repeat::Document<Vec<connect::Document>>;

/// Document of one of the schemas.
pub(crate) enum Document {
    Connect(Box<connect::Document>),
    Repeat(Box<Series>),
    Resolve(Box<resolve::Document>),
    Path(Box<path::Document>),
    Transfer(Box<transfer::Document>),
    /// All records of a server.
    Serve(Vec<serve::Record>),
}

/// Documents of a file, and the file as one JSON value.
pub(crate) struct Documents {
    pub(crate) documents: Vec<Document>,
    pub(crate) json: Value,
}

/// Reason why a file is not read.
#[derive(Debug)]
pub(crate) enum ReadError {
    NotJson(serde_json::Error),
    /// JSON of another program.
    NoSchema,
    /// Schema of a later version, or of another program.
    UnknownSchema(String),
    /// Document that does not have the fields of its schema.
    Fields(String, serde_json::Error),
    /// Events, and no document of their result.
    EventsOnly,
    Empty,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJson(error) => write!(f, "it is not JSON: {error}"),
            Self::NoSchema => {
                write!(f, "it is no document of loopctl: the key `schema` is missing")
            }
            Self::UnknownSchema(name) => {
                write!(f, "its schema `{name}` is not one of {}", SCHEMAS.join(", "))
            }
            Self::Fields(schema, error) => write!(f, "its document is not a {schema}: {error}"),
            Self::EventsOnly => {
                write!(f, "it has events and no document: the end of the run is missing")
            }
            Self::Empty => write!(f, "it is empty"),
        }
    }
}

const SCHEMAS: [&str; 6] = [
    "loopctl.connect.v1",
    "loopctl.repeat.v1",
    "loopctl.resolve.v1",
    "loopctl.path.v1",
    "loopctl.sendfile.v1",
    "loopctl.serve.v1",
];
const EVENT: &str = "loopctl.event.v1";

/// Reads the bytes of a file.
///
/// # Errors
/// Text that is no document of this program.
pub(crate) fn read(bytes: &[u8]) -> Result<Documents, ReadError> {
    let values: Result<Vec<Value>, _> = Deserializer::from_slice(bytes).into_iter().collect();
    let values = values.map_err(ReadError::NotJson)?;
    let values = values.into_iter().flat_map(|value| match value {
        Value::Array(values) => values,
        value => vec![value],
    });
    of_values(values.collect())
}

/// Reads JSON values; events are passed over.
///
/// # Errors
/// Values that are no documents of this program.
pub(crate) fn of_values(values: Vec<Value>) -> Result<Documents, ReadError> {
    let had_any = !values.is_empty();
    let mut kept = Vec::new();
    for value in values {
        match schema(&value)? {
            EVENT => {}
            _ => kept.push(value),
        }
    }
    let mut documents = Vec::new();
    for value in &kept {
        add(&mut documents, value)?;
    }
    match (documents.is_empty(), had_any) {
        (true, true) => Err(ReadError::EventsOnly),
        (true, false) => Err(ReadError::Empty),
        _ => {
            let json = if kept.len() == 1 { kept.remove(0) } else { Value::Array(kept) };
            Ok(Documents { documents, json })
        }
    }
}

fn schema(value: &Value) -> Result<&str, ReadError> {
    value.get("schema").and_then(Value::as_str).ok_or(ReadError::NoSchema)
}

fn add(documents: &mut Vec<Document>, value: &Value) -> Result<(), ReadError> {
    match schema(value)? {
        "loopctl.connect.v1" => documents.push(Document::Connect(of(value)?)),
        "loopctl.resolve.v1" => documents.push(Document::Resolve(of(value)?)),
        "loopctl.path.v1" => documents.push(Document::Path(of(value)?)),
        "loopctl.sendfile.v1" => documents.push(Document::Transfer(of(value)?)),
        "loopctl.repeat.v1" => {
            let mut series: Box<Series> = of(value)?;
            if series.reports.is_none() {
                series.reports = Some(tries_of(documents, &series.target));
            }
            documents.push(Document::Repeat(series));
        }
        "loopctl.serve.v1" => match documents.last_mut() {
            Some(Document::Serve(records)) => records.push(of(value)?),
            _ => documents.push(Document::Serve(vec![of(value)?])),
        },
        other => return Err(ReadError::UnknownSchema(other.to_owned())),
    }
    Ok(())
}

/// Takes the documents of the tries of a target, which came before that of the series.
fn tries_of(documents: &mut Vec<Document>, target: &str) -> Vec<connect::Document> {
    let is_try =
        |it: &mut Document| matches!(it, Document::Connect(document) if document.target == target);
    let tries = documents.extract_if(.., is_try).filter_map(|document| match document {
        Document::Connect(document) => Some(*document),
        _ => None,
    });
    tries.collect()
}

fn of<T: DeserializeOwned>(value: &Value) -> Result<T, ReadError> {
    let name = schema(value)?.to_owned();
    T::deserialize(value).map_err(|error| ReadError::Fields(name, error))
}
