//! Schemas of the documents, written to `schemas/`.

use std::path::Path;
use std::{fs, io};

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use super::{connect, event, path, repeat, resolve, serve, transfer};

/// Writes `DIR/schemas`.
pub(crate) fn write(dir: &Path) -> io::Result<()> {
    let dir = dir.join("schemas");
    fs::create_dir_all(&dir)?;
    all().into_iter().try_for_each(|(name, text)| fs::write(dir.join(name), text))
}

/// File name and text of every schema.
fn all() -> [(&'static str, String); 7] {
    [
        ("connect.v1.json", connect()),
        ("event.v1.json", event()),
        ("path.v1.json", schema::<path::Document>("loopctl.path.v1")),
        ("repeat.v1.json", schema::<repeat::Document<Vec<connect::Document>>>("loopctl.repeat.v1")),
        ("resolve.v1.json", resolve()),
        ("sendfile.v1.json", schema::<transfer::Document>("loopctl.sendfile.v1")),
        ("serve.v1.json", schema::<serve::Record>("loopctl.serve.v1")),
    ]
    .map(|(name, schema)| (name, super::pretty(&schema) + "\n"))
}

/// Schema of `connect`, which does not verify DNSSEC.
fn connect() -> Schema {
    let mut schema = schema::<connect::Document>("loopctl.connect.v1");
    forbid(&mut schema, "/$defs/Query/properties/result", &["indeterminate", "bogus"]);
    forbid(&mut schema, "/$defs/IfSilent/properties/outcome", &["unknown"]);
    schema
}

/// The name of an event decides which data it has, so that the record is closed as a whole.
fn event() -> Schema {
    let mut schema = schema::<event::Record>("loopctl.event.v1");
    schema.remove("additionalProperties");
    schema.insert("unevaluatedProperties".to_owned(), false.into());
    for named in schema.get_mut("oneOf").and_then(Value::as_array_mut).into_iter().flatten() {
        named.as_object_mut().and_then(|named| named.remove("additionalProperties"));
    }
    schema
}

/// No question is given up for a connection.
fn resolve() -> Schema {
    let mut schema = schema::<resolve::Document>("loopctl.resolve.v1");
    forbid(&mut schema, "/$defs/Query/properties/result", &["canceled"]);
    schema
}

/// Takes words away from an enumeration that other documents use in full.
fn forbid(schema: &mut Schema, pointer: &str, words: &[&str]) {
    let words_of = schema.pointer_mut(&format!("{pointer}/enum")).and_then(Value::as_array_mut);
    if let Some(all) = words_of {
        all.retain(|word| word.as_str().is_none_or(|word| !words.contains(&word)));
    }
}

fn schema<T: JsonSchema>(id: &str) -> Schema {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let settings = settings.with_transform(RecursiveTransform(close));
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.insert("$id".to_owned(), id.into());
    schema
}

/// Rejects keys that no type has. Drops the names of Rust's number types, and the line breaks of doc comments.
fn close(schema: &mut Schema) {
    if let Some(text) = schema.get("description").and_then(Value::as_str) {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        schema.insert("description".to_owned(), text.into());
    }
    let is_number = |format: &Value| format.as_str().is_some_and(|it| it != "date-time");
    if schema.get("format").is_some_and(is_number) {
        schema.remove("format");
    }
    if schema.get("properties").is_some() && schema.get("type").is_some() {
        schema.insert("additionalProperties".to_owned(), false.into());
    }
}
