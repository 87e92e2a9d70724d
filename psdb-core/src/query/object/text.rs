//! Strings: slices of the document or of the program, or owned.
//!
//! Python counts and slices by character; most strings are ASCII, where characters are bytes.
//!
//! Left out: methods (`eval::methods`).

use std::ops::{Deref, Range};
use std::rc::Rc;

/// A string.
#[derive(Clone, Debug)]
pub(in crate::query) enum Text<'a> {
    Borrowed(&'a str),
    Owned(Rc<str>),
}

impl Deref for Text<'_> {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        match self {
            Text::Borrowed(text) => text,
            Text::Owned(text) => text,
        }
    }
}

impl<'a> Text<'a> {
    /// How many characters there are.
    pub(in crate::query) fn chars_count(&self) -> usize {
        self.chars().count()
    }

    /// The bytes in `range`, which begins and ends between characters; a slice borrows on.
    pub(in crate::query) fn slice(&self, range: Range<usize>) -> Text<'a> {
        match self {
            Text::Borrowed(text) => Text::Borrowed(&text[range]),
            Text::Owned(text) if range == (0..text.len()) => Text::Owned(Rc::clone(text)),
            Text::Owned(text) => Text::Owned(text[range].into()),
        }
    }

    /// The part of this string that `part`, a slice of it, is.
    pub(in crate::query) fn part(&self, part: &str) -> Text<'a> {
        let start = part.as_ptr() as usize - self.as_ptr() as usize;
        self.slice(start..start + part.len())
    }

    /// Where character number `index` begins, in bytes; the end if there are not so many.
    pub(in crate::query) fn byte_of(&self, index: usize) -> usize {
        if self.is_ascii() {
            return index.min(self.len());
        }
        self.char_indices().nth(index).map_or(self.len(), |(at, _)| at)
    }

    /// The character number `index`.
    pub(in crate::query) fn char_at(&self, index: usize) -> Option<Text<'a>> {
        let start = self.byte_of(index);
        let c = self[start..].chars().next()?;
        Some(self.slice(start..start + c.len_utf8()))
    }
}
