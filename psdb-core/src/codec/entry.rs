//! The entries that an index has for a document.
//!
//! ```text
//! entry    | key of the first field's value | ... of the last field's | _id |
//! element  | 06 | key of an element of the array in the first field | other fields' | _id |
//! many     | 06 ff | other fields' | _id |    in place of more than 1,000 elements
//! ```
//! Every document has exactly one plain entry, so plain entries put all documents in order, ties by
//! `_id`. If the value of the first field is an array, the document has an entry for each of its
//! different elements too; they stand behind all plain entries and serve questions for membership.
//! An array with more than [`ELEMENTS`] different elements has one entry for all of them, which is
//! part of every answer to such a question.
//!
//! A field whose path leads through what is no object counts as missing. The values of one entry
//! share [`CUT_BYTES`] equally (`key` says how a key is cut).
//!
//! Invariants:
//! 1. An entry ends with its document's id, so no two entries of an index are equal.
//! 2. Which entries a document has depends on the document and the fields alone.
//!
//! Left out: trees (`shard::index`), ranges (`query::planner`).

use bytes::Bytes;

use super::document::{ArrayRef, EncodedDocument, ObjectRef, Place, ValueRef, touch_fields};
use super::key::{self, CUT_BYTES, MISSING};
use crate::types::{DocumentId, FieldPath};

/// The first byte of the entries of elements.
pub const ELEMENT: u8 = 6;
/// Follows [`ELEMENT`] where an array has too many elements.
pub const MANY: u8 = 0xff;
/// How many different elements of one array have entries of their own.
pub const ELEMENTS: usize = 1_000;

/// The fields of one index, which give a document's entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexedFields {
    paths: Vec<FieldPath>,
    /// Where the outermost field of each path was found last.
    places: Box<[Place]>,
}

impl IndexedFields {
    /// The index on these fields, each a path such as `addr.city`.
    pub fn new<'a>(fields: impl IntoIterator<Item = &'a str>) -> IndexedFields {
        let paths: Vec<_> = fields.into_iter().map(FieldPath::new).collect();
        IndexedFields { places: paths.iter().map(|_| Place::default()).collect(), paths }
    }

    /// The fields, in the order in which entries hold their values.
    pub fn paths(&self) -> &[FieldPath] {
        &self.paths
    }

    /// After how many bytes the key of each value is cut.
    pub fn cut(&self) -> usize {
        CUT_BYTES / self.paths.len().max(1)
    }

    /// The entries of `document`, in ascending order.
    ///
    /// Costs time and memory in proportion to the document.
    pub fn entries(&self, id: &DocumentId, document: &EncodedDocument) -> Vec<Bytes> {
        let entries = self.entries_and_cuts(id.as_str(), document.root()).into_iter();
        entries.map(|(entry, _)| entry).collect()
    }

    /// The entries of a document, in ascending order, and whether a value of each was cut.
    pub(crate) fn entries_and_cuts(&self, id: &str, document: ObjectRef<'_>) -> Vec<(Bytes, bool)> {
        let mut entries = Vec::new();
        self.visit_entries(id, document, &mut Vec::with_capacity(64), |entry, is_cut| {
            entries.push((Bytes::copy_from_slice(entry), is_cut));
        });
        entries
    }

    /// Touches what the entries of some documents are made of, and their first fields.
    pub(crate) fn touch<'d, D: Iterator<Item = ObjectRef<'d>>>(&self, documents: impl Fn() -> D) {
        let first = Place::default();
        touch_fields(documents, || self.places.iter().chain([&first]));
    }

    /// Gives the entries of a document to `visit`, in ascending order, and whether a value of theirs
    /// was cut. They are put together in `entry`, which saves asking for memory each time.
    pub(crate) fn visit_entries(
        &self,
        id: &str,
        document: ObjectRef<'_>,
        entry: &mut Vec<u8>,
        mut visit: impl FnMut(&[u8], bool),
    ) {
        entry.clear();
        let (cut, mut rest_is_cut, mut is_cut) = (self.cut(), false, false);
        let (mut array, mut after_first) = (None, 0);
        for (at, (path, place)) in self.paths.iter().zip(&self.places).enumerate() {
            let value = value_near(document, path, place);
            let part_is_cut = match value {
                Some(value) => key::encode_value(value, cut, entry),
                None => {
                    entry.push(MISSING);
                    false
                }
            };
            is_cut |= part_is_cut;
            if at > 0 {
                rest_is_cut |= part_is_cut;
                continue;
            }
            after_first = entry.len();
            if let Some(ValueRef::Array(values)) = value {
                array = Some(values);
            }
        }
        entry.extend_from_slice(id.as_bytes());
        visit(entry, is_cut);
        let Some(array) = array else { return };
        for (mut key, is_cut) in element_keys(array, cut) {
            // Keys do not begin with one another, so what follows does not change their order.
            key.extend_from_slice(&entry[after_first..]);
            visit(&key, is_cut || rest_is_cut);
        }
    }

    /// Where the values of an entry end and the id begins, and whether one of them was cut; `None`
    /// for bytes that are no entry.
    pub fn values_end(&self, entry: &[u8]) -> Option<(usize, bool)> {
        self.part_end(entry, self.paths.len())
    }

    /// Where the first `parts` values of an entry end, and whether one of them was cut.
    pub fn part_end(&self, entry: &[u8], parts: usize) -> Option<(usize, bool)> {
        let (mut at, mut any_cut) = (0, false);
        for part in 0..parts {
            if part == 0 && entry.first() == Some(&ELEMENT) {
                at = 1;
                if entry.get(1) == Some(&MANY) {
                    (at, any_cut) = (2, true);
                    continue;
                }
            }
            let (end, cut) = key::part_end(entry.get(at..)?, self.cut())?;
            at += end;
            any_cut |= cut;
        }
        Some((at, any_cut))
    }
}

/// What the entries of the elements of an array begin with, in order, and whether it was cut.
fn element_keys(array: ArrayRef<'_>, cut: usize) -> Vec<(Vec<u8>, bool)> {
    let mut elements: Vec<(Vec<u8>, bool)> = Vec::new();
    for element in array.iter() {
        let mut key = vec![ELEMENT];
        let is_cut = key::encode_value(element, cut, &mut key);
        elements.push((key, is_cut));
    }
    elements.sort_unstable();
    elements.dedup();
    if elements.len() > ELEMENTS { vec![(vec![ELEMENT, MANY], true)] } else { elements }
}

/// The value that a path leads to, whose outermost field is looked for first where it was last time.
fn value_near<'a>(
    document: ObjectRef<'a>,
    path: &FieldPath,
    place: &Place,
) -> Option<ValueRef<'a>> {
    let mut names = path.names();
    let mut value = document.get_near(names.next()?, place)?;
    for name in names {
        let ValueRef::Object(object) = value else { return None };
        value = object.get(name)?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    //! Proves what entries documents have, and that they can be taken apart again.

    use std::fmt::Write as _;

    use super::{ELEMENTS, IndexedFields};
    use crate::codec::EncodedDocument;
    use crate::types::{DocumentId, Limits};

    fn entries(fields: &str, json: &str) -> Vec<String> {
        let document = EncodedDocument::from_json(json.as_bytes(), &Limits::DEFAULT).unwrap();
        let fields = IndexedFields::new(fields.split(','));
        let entries = fields.entries(&DocumentId::from("id"), &document);
        assert!(entries.is_sorted());
        let mut cuts = Vec::new();
        let visit = |entry: &[u8], is_cut| cuts.push((entry.to_vec(), is_cut));
        fields.visit_entries("id", document.root(), &mut vec![1, 2, 3], visit);
        let known = entries.iter().map(|entry| {
            let (_, is_cut) = fields.values_end(entry).expect("an entry");
            (entry.to_vec(), is_cut)
        });
        assert!(known.eq(cuts), "what is visited is what there is, cut or not");
        let shown = entries.iter().map(|entry| {
            let (end, cut) = fields.values_end(entry).expect("an entry");
            assert_eq!(&entry[end..], b"id");
            let mut text = String::new();
            entry[..end].iter().for_each(|byte| write!(text, "{byte:02x}").unwrap());
            if cut { format!("cut after {end}") } else { text }
        });
        shown.collect()
    }

    #[test]
    fn documents_have_one_entry_and_one_for_each_element() {
        assert_eq!(entries("a", "{}"), ["00"]);
        assert_eq!(entries("a", r#"{"a": null}"#), ["01"]);
        assert_eq!(entries("a", r#"{"a": true}"#), ["02bff00000000000000000"]);
        assert_eq!(entries("a.b", r#"{"a": {"b": "x"}}"#), ["03780000"]);
        assert_eq!(entries("a.b", r#"{"a": [{"b": "x"}]}"#), ["00"]);
        assert_eq!(entries("a.b", r#"{"a.b": "x"}"#), ["00"]);
        assert_eq!(
            entries("a", r#"{"a": ["y", "x", "y"]}"#),
            ["0403790000037800000379000000", "0603780000", "0603790000"]
        );
        assert_eq!(entries("a", r#"{"a": []}"#), ["0400"]);
        assert_eq!(entries("b,a", r#"{"a": ["x"], "b": null}"#), ["01040378000000"]);
        assert_eq!(
            entries("a,b", r#"{"a": ["x"]}"#),
            ["0403780000".to_owned() + "0000", "060378000000".into()]
        );
    }

    #[test]
    fn long_values_and_long_arrays_are_cut() {
        let long = format!(r#"{{"a": "{}", "b": 1}}"#, "x".repeat(600));
        assert_eq!(entries("a", &long), ["cut after 513"]);
        assert_eq!(entries("a,b", &long), ["cut after 268"]);
        let numbers: Vec<String> = (0..=ELEMENTS).map(|n| n.to_string()).collect();
        let many = format!(r#"{{"a": [{}]}}"#, numbers.join(","));
        assert_eq!(entries("a", &many), ["cut after 513", "cut after 2"]);
        let fewer = format!(r#"{{"a": [{}]}}"#, numbers[1..].join(","));
        assert_eq!(entries("a", &fewer).len(), 1 + ELEMENTS);
    }
}
