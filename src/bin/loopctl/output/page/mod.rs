//! Pages: JSON documents as HTML, SVG and text. Each kind of document becomes one model, and each format draws the
//! model.

mod chart;
mod compare;
mod connect;
pub(crate) mod document;
pub(crate) mod file;
mod html;
mod http;
mod model;
mod names;
mod path;
mod resolve;
mod series;
mod serve;
mod svg;
mod text;
mod tls;
mod transfer;
mod words;

use document::{Document, Documents};
use model::Page;

use crate::config::PageFormat;
use crate::util::style::Style;

/// Documents that were read, as pages in one file.
pub(crate) fn render(documents: &Documents, format: PageFormat, style: Style) -> String {
    let pages: Vec<Page> = documents.documents.iter().map(page).collect();
    match format {
        PageFormat::Text => text::file(&pages, style),
        PageFormat::Html => html::file(&pages, &documents.json),
        PageFormat::Svg => svg::file(&pages, &documents.json),
    }
}

fn page(document: &Document) -> Page {
    match document {
        Document::Connect(document) => connect::page(document),
        Document::Repeat(document) => series::page(document),
        Document::Resolve(document) => resolve::page(document),
        Document::Path(document) => path::page(document),
        Document::Transfer(document) => transfer::page(document),
        Document::Serve(records) => serve::page(records),
    }
}
