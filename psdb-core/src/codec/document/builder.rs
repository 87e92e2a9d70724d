//! Writes the binary form from first byte to last.
//!
//! Containers are opened, filled and closed like brackets; a stack remembers where the entries of
//! each open one begin. Nothing is moved afterwards, so writing costs one pass.
//!
//! Invariants:
//! 1. The caller closes what it opens, and names every value inside an object.
//! 2. [`Builder::close_object`] refuses a name given twice.
//!
//! Left out: limits of size and nesting, which the readers of foreign text keep.

use bytes::Bytes;

use super::layout::{
    ARRAY, FALSE, FLOAT, INT, LARGE_INT, NULL, OBJECT, SORTED_ABOVE, STRING, TRUE, VERSION,
    ValueRef, word,
};
use crate::types::Value;

/// An object with the same name twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DuplicateName(pub(crate) String);

/// A document under construction; its outermost object is open from the start.
pub(crate) struct Builder {
    bytes: Vec<u8>,
    open: Vec<Open>,
}

struct Open {
    /// Where the body begins.
    body: usize,
    /// Where each element or entry begins, from the body.
    offsets: Vec<u32>,
}

impl Builder {
    pub(crate) fn new() -> Builder {
        let root = Open { body: 1, offsets: Vec::new() };
        Builder { bytes: vec![VERSION], open: vec![root] }
    }

    /// Names the next value of the open object.
    pub(crate) fn name(&mut self, name: &str) {
        self.mark();
        self.sized(name.as_bytes());
    }

    /// Announces the next element of the open array.
    pub(crate) fn element(&mut self) {
        self.mark();
    }

    fn mark(&mut self) {
        let at = self.bytes.len();
        let open = self.open.last_mut().expect("a container is open");
        open.offsets.push((at - open.body) as u32);
    }

    fn sized(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn null(&mut self) {
        self.bytes.push(NULL);
    }

    pub(crate) fn bool(&mut self, value: bool) {
        self.bytes.push(if value { TRUE } else { FALSE });
    }

    /// Writes an integer, or says that it is out of range.
    pub(crate) fn int(&mut self, value: i128) -> bool {
        if let Ok(value) = i64::try_from(value) {
            self.bytes.push(INT);
            self.bytes.extend_from_slice(&value.to_le_bytes());
        } else if let Ok(value) = u64::try_from(value) {
            self.bytes.push(LARGE_INT);
            self.bytes.extend_from_slice(&value.to_le_bytes());
        } else {
            return false;
        }
        true
    }

    pub(crate) fn float(&mut self, value: f64) {
        self.bytes.push(FLOAT);
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn string(&mut self, text: &str) {
        self.bytes.push(STRING);
        self.sized(text.as_bytes());
    }

    pub(crate) fn open_array(&mut self) {
        self.open_container(ARRAY);
    }

    pub(crate) fn open_object(&mut self) {
        self.open_container(OBJECT);
    }

    fn open_container(&mut self, tag: u8) {
        self.bytes.push(tag);
        self.bytes.extend_from_slice(&[0; 4]);
        self.open.push(Open { body: self.bytes.len(), offsets: Vec::new() });
    }

    pub(crate) fn close_array(&mut self) {
        let open = self.open.pop().expect("an array is open");
        self.tables(&open.offsets, &[]);
        self.patch_size(open.body);
    }

    pub(crate) fn close_object(&mut self) -> Result<(), DuplicateName> {
        let open = self.open.pop().expect("an object is open");
        self.finish_object(&open)?;
        self.patch_size(open.body);
        Ok(())
    }

    fn finish_object(&mut self, open: &Open) -> Result<(), DuplicateName> {
        let order = self.order(open)?;
        let sorted = if open.offsets.len() > SORTED_ABOVE { &order[..] } else { &[] };
        self.tables(&open.offsets, sorted);
        Ok(())
    }

    /// The entries' numbers by name.
    fn order(&self, open: &Open) -> Result<Vec<u32>, DuplicateName> {
        let name = |index: &u32| {
            let at = open.body + open.offsets[*index as usize] as usize;
            &self.bytes[at + 4..at + 4 + word(&self.bytes, at)]
        };
        let mut order: Vec<u32> = (0..open.offsets.len() as u32).collect();
        order.sort_by(|a, b| name(a).cmp(name(b)));
        match order.windows(2).find(|pair| name(&pair[0]) == name(&pair[1])) {
            Some(pair) => Err(DuplicateName(String::from_utf8_lossy(name(&pair[0])).into_owned())),
            None => Ok(order),
        }
    }

    fn tables(&mut self, offsets: &[u32], order: &[u32]) {
        for number in offsets.iter().chain(order) {
            self.bytes.extend_from_slice(&number.to_le_bytes());
        }
        self.bytes.extend_from_slice(&(offsets.len() as u32).to_le_bytes());
    }

    fn patch_size(&mut self, body: usize) {
        let size = (self.bytes.len() - body) as u32;
        self.bytes[body - 4..body].copy_from_slice(&size.to_le_bytes());
    }

    /// Closes the outermost object and returns the document's bytes.
    pub(crate) fn finish(mut self) -> Result<Bytes, DuplicateName> {
        let root = self.open.pop().expect("the root is open");
        assert!(self.open.is_empty(), "{} containers were left open", self.open.len());
        self.finish_object(&root)?;
        Ok(Bytes::from(self.bytes))
    }

    /// Copies a value of another document.
    pub(crate) fn value_ref(&mut self, value: ValueRef<'_>) {
        match value {
            ValueRef::Null => self.null(),
            ValueRef::Bool(value) => self.bool(value),
            ValueRef::Int(value) => {
                let in_range = self.int(value);
                assert!(in_range, "an encoded integer is in range");
            }
            ValueRef::Float(value) => self.float(value),
            ValueRef::Str(text) => self.string(text),
            ValueRef::Array(array) => self.raw(ARRAY, array.body),
            ValueRef::Object(object) => self.raw(OBJECT, object.body),
        }
    }

    /// Bodies hold no absolute positions, so they are copied as they are.
    fn raw(&mut self, tag: u8, body: &[u8]) {
        self.bytes.push(tag);
        self.sized(body);
    }

    /// Writes a decoded value; says what of it cannot be stored.
    pub(crate) fn value(&mut self, value: &Value) -> Result<(), String> {
        match value {
            Value::Null => self.null(),
            Value::Bool(value) => self.bool(*value),
            Value::Int(value) => {
                if !self.int(*value) {
                    return Err(format!("integer {value} is not within -2^63 to 2^64-1"));
                }
            }
            Value::Float(value) if value.is_finite() => self.float(*value),
            Value::Float(value) => return Err(format!("{value} is not a JSON number")),
            Value::String(text) => self.string(text),
            Value::Array(values) => {
                self.open_array();
                for value in values {
                    self.element();
                    self.value(value)?;
                }
                self.close_array();
            }
            Value::Object(fields) => {
                self.open_object();
                self.fields(fields)?;
                self.close_object().map_err(|DuplicateName(name)| duplicate(&name))?;
            }
        }
        Ok(())
    }

    pub(crate) fn fields(&mut self, fields: &[(String, Value)]) -> Result<(), String> {
        for (name, value) in fields {
            self.name(name);
            self.value(value)?;
        }
        Ok(())
    }
}

/// How a name given twice is reported.
pub(crate) fn duplicate(name: &str) -> String {
    format!("field {name:?} is given twice in one object")
}
