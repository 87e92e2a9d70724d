//! The bytes of a document and how they are read.
//!
//! ```text
//! document   | version u8 = 1 | object body |
//! value      | tag u8 | payload |
//!   0 null, 1 false, 2 true        no payload
//!   3 int                          i64
//!   4 large int                    u64, above i64::MAX
//!   5 float                        IEEE double, finite
//!   6 string                       | length u32 | UTF-8 |
//!   7 array                        | size u32 | array body |
//!   8 object                       | size u32 | object body |
//! array body   | values ... | offset u32 of each value | count u32 |
//! object body  | entries ... | offset u32 of each entry | order u32 of each entry * | count u32 |
//! entry        | length u32 | name | value |
//! ```
//! Numbers are little-endian; offsets count from the body's first byte. Tables stand at the end, so
//! that a writer needs to know nothing in advance. Fields keep the order they were written in;
//! objects of more than [`SORTED_ABOVE`] fields (*) also list their entries by name, so that one is
//! found by binary search. Every document has exactly one encoding.
//!
//! Invariant: these readers see only validated bytes (see `validate`); an index out of bounds here
//! would be a bug of the validation, and panics rather than returning a wrong answer.
//!
//! Left out: checking (`validate`), writing (`builder`).

use std::cmp::Ordering::{Equal, Greater, Less};
use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::types::Value;

pub(crate) const VERSION: u8 = 1;
pub(crate) const SORTED_ABOVE: usize = 8;

pub(crate) const NULL: u8 = 0;
pub(crate) const FALSE: u8 = 1;
pub(crate) const TRUE: u8 = 2;
pub(crate) const INT: u8 = 3;
pub(crate) const LARGE_INT: u8 = 4;
pub(crate) const FLOAT: u8 = 5;
pub(crate) const STRING: u8 = 6;
pub(crate) const ARRAY: u8 = 7;
pub(crate) const OBJECT: u8 = 8;

/// A value inside an encoded document.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ValueRef<'a> {
    /// JSON `null`.
    Null,
    /// A truth value.
    Bool(bool),
    /// An integer from -2^63 to 2^64-1.
    Int(i128),
    /// Any other number; finite.
    Float(f64),
    /// A string.
    Str(&'a str),
    /// An array.
    Array(ArrayRef<'a>),
    /// An object.
    Object(ObjectRef<'a>),
}

/// An array inside an encoded document. Equality is equality of the encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArrayRef<'a> {
    pub(crate) body: &'a [u8],
}

/// An object inside an encoded document. Equality includes the order of fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectRef<'a> {
    pub(crate) body: &'a [u8],
}

/// The bytes after which most fields of a name and a small value have ended.
const SHORT_FIELD: usize = 28;

/// Where a field was found last time: which one in the order of writing. Any number is right; a
/// good one saves a search. Threads may share it.
///
/// It says nothing about what is computed, so all are equal, and a clone begins anew.
#[derive(Debug, Default)]
pub(crate) struct Place(AtomicU32);

impl Clone for Place {
    fn clone(&self) -> Place {
        Place::default()
    }
}

impl PartialEq for Place {
    fn eq(&self, _: &Place) -> bool {
        true
    }
}

impl Eq for Place {}

#[inline]
pub(crate) fn word(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]) as usize
}

#[inline]
fn eight(bytes: &[u8]) -> [u8; 8] {
    [0, 1, 2, 3, 4, 5, 6, 7].map(|at| bytes[at])
}

/// Reads the value whose tag is the first of `bytes`; what follows it does not matter.
#[inline]
fn read_value(bytes: &[u8]) -> ValueRef<'_> {
    let payload = &bytes[1..];
    let sized = |payload: &'_ [u8]| 4..4 + word(payload, 0);
    match bytes[0] {
        NULL => ValueRef::Null,
        FALSE => ValueRef::Bool(false),
        TRUE => ValueRef::Bool(true),
        INT => ValueRef::Int(i128::from(i64::from_le_bytes(eight(payload)))),
        LARGE_INT => ValueRef::Int(i128::from(u64::from_le_bytes(eight(payload)))),
        FLOAT => ValueRef::Float(f64::from_le_bytes(eight(payload))),
        STRING => ValueRef::Str(text(&payload[sized(payload)])),
        ARRAY => ValueRef::Array(ArrayRef { body: &payload[sized(payload)] }),
        OBJECT => ValueRef::Object(ObjectRef { body: &payload[sized(payload)] }),
        tag => unreachable!("tag {tag} passed validation"),
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("strings were validated")
}

#[inline]
fn count(body: &[u8]) -> usize {
    word(body, body.len() - 4)
}

impl<'a> ArrayRef<'a> {
    /// How many elements there are.
    #[inline]
    pub fn len(&self) -> usize {
        count(self.body)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element at `index`, from 0.
    pub fn get(&self, index: usize) -> Option<ValueRef<'a>> {
        (index < self.len()).then(|| {
            let table = self.body.len() - 4 - 4 * self.len();
            read_value(&self.body[word(self.body, table + 4 * index)..])
        })
    }

    /// The elements in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = ValueRef<'a>> + use<'a> {
        let (body, len) = (self.body, self.len());
        let table = body.len() - 4 - 4 * len;
        (0..len).map(move |index| read_value(&body[word(body, table + 4 * index)..]))
    }
}

impl<'a> ObjectRef<'a> {
    /// How many fields there are.
    #[inline]
    pub fn len(&self) -> usize {
        count(self.body)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The field called `name`, found without decoding any other.
    pub fn get(&self, name: &str) -> Option<ValueRef<'a>> {
        self.find(name).map(|(_, value)| value)
    }

    /// As [`ObjectRef::get`], looking first where the field was found last time.
    ///
    /// Documents of a database mostly have their fields in one order, so a query that keeps a
    /// place per field finds it with one comparison instead of a search, whose steps are what a
    /// scan mostly waits for.
    #[inline]
    pub(crate) fn get_near(&self, name: &str, place: &Place) -> Option<ValueRef<'a>> {
        let len = self.len();
        let near = place.0.load(Ordering::Relaxed) as usize;
        if near < len
            && let Some(value) =
                self.value_if_named(word(self.body, self.table(len) + 4 * near), name)
        {
            return Some(value);
        }
        let (found, value) = self.find(name)?;
        place.0.store(found as u32, Ordering::Relaxed);
        Some(value)
    }

    /// Touches the memory that says where the fields stand; the answer means nothing.
    #[inline]
    fn touch(&self) -> u8 {
        self.body[self.body.len() - 1]
    }

    /// Touches the field that was last found at `place`, and where its value ends if that is short;
    /// the answer means nothing.
    #[inline]
    fn touch_near(&self, place: &Place) -> u8 {
        let entry = self.entry_near(place);
        self.body[entry] ^ self.body[(entry + SHORT_FIELD).min(self.body.len() - 1)]
    }

    /// Where the field begins that was last found at `place`; anywhere, if there is none.
    #[inline]
    fn entry_near(&self, place: &Place) -> usize {
        let (len, near) = (self.len(), place.0.load(Ordering::Relaxed) as usize);
        if near < len { word(self.body, self.table(len) + 4 * near) } else { 0 }
    }

    /// Where the offsets of the entries stand.
    #[inline]
    fn table(&self, len: usize) -> usize {
        self.body.len() - 4 - if len > SORTED_ABOVE { 8 } else { 4 } * len
    }

    /// The field called `name`, and which one in the order of writing it is.
    fn find(&self, name: &str) -> Option<(usize, ValueRef<'a>)> {
        let len = self.len();
        if len > SORTED_ABOVE {
            return self.search(name.as_bytes(), len);
        }
        let table = self.table(len);
        (0..len).find_map(|index| {
            Some((index, self.value_if_named(word(self.body, table + 4 * index), name)?))
        })
    }

    fn search(&self, name: &[u8], len: usize) -> Option<(usize, ValueRef<'a>)> {
        let order = self.body.len() - 4 - 4 * len;
        let table = self.table(len);
        let index = |rank: usize| word(self.body, order + 4 * rank);
        let entry = |rank: usize| word(self.body, table + 4 * index(rank));
        let (mut low, mut high) = (0, len);
        while low < high {
            let middle = low.midpoint(high);
            let at = entry(middle);
            match self.name_at(at).cmp(name) {
                Less => low = middle + 1,
                Greater => high = middle,
                Equal => {
                    return Some((index(middle), read_value(&self.body[at + 4 + name.len()..])));
                }
            }
        }
        None
    }

    #[inline]
    fn name_at(&self, entry: usize) -> &'a [u8] {
        &self.body[entry + 4..entry + 4 + word(self.body, entry)]
    }

    #[inline]
    fn value_if_named(&self, entry: usize, name: &str) -> Option<ValueRef<'a>> {
        (self.name_at(entry) == name.as_bytes())
            .then(|| read_value(&self.body[entry + 4 + name.len()..]))
    }

    /// The fields in the order they were written in.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'a str, ValueRef<'a>)> + use<'a> {
        let (object, len) = (*self, self.len());
        let table = object.table(len);
        (0..len).map(move |index| {
            let entry = word(object.body, table + 4 * index);
            let name = object.name_at(entry);
            (text(name), read_value(&object.body[entry + 4 + name.len()..]))
        })
    }

    /// The value of the field that was written first, if that is its name. It stands where the
    /// object begins, so no table is read.
    pub(crate) fn first(&self, name: &str) -> Option<ValueRef<'a>> {
        if self.is_empty() { None } else { self.value_if_named(0, name) }
    }
}

/// Touches the fields that were last found at these places, in some documents, which `documents`
/// gives again and again.
///
/// A scan waits for memory more than for anything else: for the end of a document's table, then for
/// the table, then for the fields. Here each of these is touched in all documents before the next;
/// no touch depends on another of its kind, so the processor waits for all of them at once.
pub(crate) fn touch_fields<'d, 'p, D, P>(documents: impl Fn() -> D, places: impl Fn() -> P)
where
    D: Iterator<Item = ObjectRef<'d>>,
    P: Iterator<Item = &'p Place>,
{
    black_box(documents().fold(0, |sum, document| sum ^ document.touch()));
    black_box(documents().fold(0, |sum, document| {
        places().fold(sum, |sum, place| sum ^ document.entry_near(place))
    }));
    black_box(documents().fold(0, |sum, document| {
        places().fold(sum, |sum, place| sum ^ document.touch_near(place))
    }));
}

impl ValueRef<'_> {
    /// A decoded copy.
    pub fn to_value(self) -> Value {
        match self {
            ValueRef::Null => Value::Null,
            ValueRef::Bool(value) => Value::Bool(value),
            ValueRef::Int(value) => Value::Int(value),
            ValueRef::Float(value) => Value::Float(value),
            ValueRef::Str(text) => Value::String(text.to_owned()),
            ValueRef::Array(array) => Value::Array(array.iter().map(ValueRef::to_value).collect()),
            ValueRef::Object(object) => Value::Object(
                object.iter().map(|(name, value)| (name.to_owned(), value.to_value())).collect(),
            ),
        }
    }
}
