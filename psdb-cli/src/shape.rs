//! How exported documents stand in a file: a document a line, a JSON array, or CSV.
//!
//! CSV needs to know all columns first; a field that is new later makes the export fail.
//!
//! Left out: reading the same forms (`records`).

use std::io::{self, Write};

use crate::columns::fields;
use crate::csv;

/// How documents stand in a file.
pub(crate) enum Shape {
    Lines,
    Array,
    /// Under these names.
    Csv(Vec<String>),
}

impl Shape {
    /// Writes what stands before the first document.
    pub(crate) fn begin(&self, target: &mut (dyn Write + Send)) -> io::Result<()> {
        match self {
            Shape::Lines => Ok(()),
            Shape::Array => target.write_all(b"["),
            Shape::Csv(names) => csv::write_names(target, names),
        }
    }

    /// Writes a document, before which so many others have been `written`.
    pub(crate) fn put(
        &self,
        target: &mut (dyn Write + Send),
        written: u64,
        document: &str,
    ) -> io::Result<()> {
        match self {
            Shape::Lines => writeln!(target, "{document}"),
            Shape::Array => {
                write!(target, "{}{document}", if written > 0 { ",\n" } else { "\n" })
            }
            Shape::Csv(names) => {
                let fields = fields(document);
                if let Some(new) = fields.keys().find(|name| !names.contains(name)) {
                    return Err(io::Error::other(format!(
                        "a document got the new field '{new}' while it was exported; try again"
                    )));
                }
                csv::write_record(target, names.iter().map(|name| fields.get(name)))
            }
        }
    }

    /// Writes what stands after the last document.
    pub(crate) fn end(&self, target: &mut (dyn Write + Send)) -> io::Result<()> {
        match self {
            Shape::Lines | Shape::Csv(_) => Ok(()),
            Shape::Array => target.write_all(b"\n]\n"),
        }
    }
}
