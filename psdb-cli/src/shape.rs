//! How exported documents stand in a file: a document a line, a JSON array, or CSV; and writing them.
//!
//! CSV needs to know all columns first; a field that is new later makes the export fail.
//!
//! Left out: reading the same forms (`records`).

use std::io::{self, Write};

use crate::columns::fields;
use crate::csv;
use crate::failure::Failure;

/// How documents stand in a file.
pub(crate) enum Shape {
    Lines,
    Array,
    /// Under these names.
    Csv(Vec<String>),
}

/// Where exported documents go, one after the other.
pub(crate) struct Sink<'a> {
    target: &'a mut (dyn Write + Send),
    shape: &'a Shape,
    written: u64,
    /// What a refusal of the target is called.
    failed: &'a (dyn Fn(io::Error) -> Failure + Sync),
}

impl<'a> Sink<'a> {
    pub(crate) fn new(
        target: &'a mut (dyn Write + Send),
        shape: &'a Shape,
        failed: &'a (dyn Fn(io::Error) -> Failure + Sync),
    ) -> Sink<'a> {
        Sink { target, shape, written: 0, failed }
    }

    /// Begins to write.
    pub(crate) fn begin(&mut self) -> Result<(), Failure> {
        self.shape.begin(self.target).map_err(self.failed)
    }

    /// Writes one document.
    pub(crate) fn put(&mut self, document: &str) -> Result<(), Failure> {
        self.shape.put(self.target, self.written, document).map_err(self.failed)?;
        self.written += 1;
        Ok(())
    }

    /// Ends it; says how many documents there were.
    pub(crate) fn end(&mut self) -> Result<u64, Failure> {
        self.shape.end(self.target).map_err(self.failed)?;
        Ok(self.written)
    }
}

impl Shape {
    /// Writes what stands before the first document.
    fn begin(&self, target: &mut (dyn Write + Send)) -> io::Result<()> {
        match self {
            Shape::Lines => Ok(()),
            Shape::Array => target.write_all(b"["),
            Shape::Csv(names) => csv::write_names(target, names),
        }
    }

    /// Writes a document, before which so many others have been `written`.
    fn put(&self, target: &mut (dyn Write + Send), written: u64, document: &str) -> io::Result<()> {
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
    fn end(&self, target: &mut (dyn Write + Send)) -> io::Result<()> {
        match self {
            Shape::Lines | Shape::Csv(_) => Ok(()),
            Shape::Array => target.write_all(b"\n]\n"),
        }
    }
}
