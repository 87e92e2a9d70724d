//! `FieldPath`: where in a document an index finds its values.
//!
//! `age` is a field of the document, `addr.city` the field `city` of the object in `addr`. Names with
//! a dot in them cannot be written as a path.
//!
//! Left out: positions in arrays; which paths a user may write (`limits`).

use std::fmt;

/// The names that lead from the document to a value, outermost first; at least one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldPath(Box<[Box<str>]>);

impl FieldPath {
    /// Takes names that are joined with dots.
    ///
    /// # Examples
    ///
    /// ```
    /// use psdb_core::FieldPath;
    ///
    /// let city = FieldPath::new("addr.city");
    /// assert_eq!(city.names().collect::<Vec<_>>(), ["addr", "city"]);
    /// assert_eq!(city.to_string(), "addr.city");
    /// ```
    pub fn new(text: &str) -> FieldPath {
        FieldPath(text.split('.').map(Box::from).collect())
    }

    /// The path of these names.
    pub(crate) fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> FieldPath {
        FieldPath(names.into_iter().map(Box::from).collect())
    }

    /// The names, outermost first.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(|name| &**name)
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}
