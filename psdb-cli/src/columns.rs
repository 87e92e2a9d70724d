//! Documents as rows: which columns they have together, and what stands in each.
//!
//! Documents need not have the same fields, so the columns are those of all of them: `_id`, the
//! fields in the order they first appear, and the other metadata last.
//!
//! Left out: how rows are written (`output`, `csv`).

use std::collections::HashSet;

use serde_json::{Map, Value};

/// A document's fields in their order.
pub(crate) type Fields = Map<String, Value>;

/// Reads a stored document; any other value is a row of one column, `value`.
pub(crate) fn fields(document: &str) -> Fields {
    match serde_json::from_str(document).expect("the database writes JSON") {
        Value::Object(fields) => fields,
        value => Fields::from_iter([("value".to_owned(), value)]),
    }
}

/// The columns of some documents.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    names: Vec<String>,
    known: HashSet<String>,
}

impl Columns {
    /// Takes the fields of one more document into account.
    pub(crate) fn add(&mut self, fields: &Fields) {
        for name in fields.keys() {
            if !self.known.contains(name) {
                self.known.insert(name.clone());
                self.names.push(name.clone());
            }
        }
    }

    /// The columns in the order they are shown.
    pub(crate) fn in_order(mut self) -> Vec<String> {
        self.names.sort_by_key(|name| match name.as_str() {
            "_id" => 0,
            "_version" | "_created_at" | "_updated_at" => 2,
            _ => 1,
        });
        self.names
    }
}

#[cfg(test)]
mod tests {
    //! Proves the order of columns.

    use super::{Columns, fields};

    #[test]
    fn metadata_stands_around_the_fields() {
        let mut columns = Columns::default();
        columns.add(&fields(r#"{"_id": "a", "x": 1, "_version": 1}"#));
        columns.add(&fields(r#"{"_id": "b", "y": 1, "x": 2, "_version": 1}"#));
        assert_eq!(columns.in_order(), ["_id", "x", "y", "_version"]);
        assert_eq!(fields("[1]"), fields(r#"{"value": [1]}"#));
    }
}
