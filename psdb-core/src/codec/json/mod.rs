//! JSON: a strict reader and a writer.
//!
//! Left out: other formats (the shell's business).

mod reader;
mod writer;

use crate::types::{Result, Value};

pub(crate) use reader::read_document;
pub(crate) use writer::write;

impl Value {
    /// Reads one JSON value, as strictly as documents are read.
    ///
    /// # Errors
    ///
    /// [`crate::Error::InvalidDocument`] with line and column.
    pub fn from_json(text: &str) -> Result<Value> {
        reader::read_value(text)
    }

    /// This value as JSON on one line. NaN and infinities, which JSON lacks, become `null`.
    pub fn to_json(&self) -> String {
        let mut text = String::new();
        writer::write_value(self, &mut text);
        text
    }
}
