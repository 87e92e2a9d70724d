//! JSON: a strict reader and a writer.
//!
//! Left out: other formats (the shell's business).

mod reader;
mod writer;

pub(crate) use reader::read_document;
pub(crate) use reader::read_value;
pub(crate) use writer::{write, write_value};
