//! Finds every path that code names, such as `std::fs::File`, with imports expanded.
//!
//! `use tokio::{sync::mpsc, time}` names `tokio::sync::mpsc` and `tokio::time`.
//!
//! Left out: what a path means. After `use std::fs as disk`, a later `disk::read` is not
//! recognized, but the import is.

use crate::mask::is_word;

/// A path and where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NamedPath<'a> {
    pub(crate) offset: usize,
    pub(crate) parts: Vec<&'a str>,
}

impl NamedPath<'_> {
    pub(crate) fn starts_with(&self, prefix: &str) -> bool {
        let prefix: Vec<_> = prefix.split("::").collect();
        self.parts.starts_with(&prefix)
    }

    pub(crate) fn text(&self) -> String {
        self.parts.join("::")
    }
}

pub(crate) fn named_paths(code: &str) -> Vec<NamedPath<'_>> {
    let mut reader = Reader { code, at: 0, found: Vec::new() };
    while reader.at < code.len() {
        match reader.word() {
            Some((_, "use")) if !reader.sees("<") => reader.tree(&[]),
            Some((offset, word)) => {
                let mut parts = vec![word];
                while let Some(part) = reader.next_part() {
                    parts.push(part);
                }
                reader.found.push(NamedPath { offset, parts });
            }
            None => reader.skip_other(),
        }
    }
    reader.found
}

struct Reader<'a> {
    code: &'a str,
    at: usize,
    found: Vec<NamedPath<'a>>,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.code[self.at..]
    }

    fn skip_blanks(&mut self) {
        self.at = self.code.len() - self.rest().trim_start().len();
    }

    fn sees(&mut self, what: &str) -> bool {
        self.skip_blanks();
        self.rest().starts_with(what)
    }

    fn takes(&mut self, what: &str) -> bool {
        let seen = self.sees(what);
        self.at += if seen { what.len() } else { 0 };
        seen
    }

    fn word(&mut self) -> Option<(usize, &'a str)> {
        self.skip_blanks();
        let rest = self.rest();
        let len = rest.bytes().take_while(|byte| is_word(*byte)).count();
        let begin = self.at;
        self.at += len;
        (len > 0 && !rest.as_bytes()[0].is_ascii_digit()).then(|| (begin, &rest[..len]))
    }

    fn next_part(&mut self) -> Option<&'a str> {
        let back = self.at;
        let part = if self.takes("::") { self.word().map(|(_, word)| word) } else { None };
        if part.is_none() {
            self.at = back;
        }
        part
    }

    /// Moves over one character that begins no word, and over the name of a lifetime.
    fn skip_other(&mut self) {
        if self.takes("'") {
            self.word();
        } else {
            self.at += self.rest().chars().next().map_or(0, char::len_utf8);
        }
    }

    /// Reads a tree of imports whose common beginning is `prefix`.
    fn tree(&mut self, prefix: &[&'a str]) {
        let mut parts = prefix.to_vec();
        self.skip_blanks();
        let offset = self.at;
        self.takes("::");
        loop {
            if self.takes("{") {
                while !self.takes("}") && self.at < self.code.len() {
                    self.tree(&parts);
                    self.takes(",");
                }
                return;
            }
            if self.takes("*") {
                parts.push("*");
            } else if let Some((_, word)) = self.word() {
                parts.push(word);
            } else {
                // Not a tree after all: leave the rest to the caller, but always move on.
                self.at = (self.at + 1).min(self.code.len());
                return;
            }
            if !self.takes("::") {
                break;
            }
        }
        if self.sees("as ") {
            self.word();
            self.word();
        }
        self.found.push(NamedPath { offset, parts });
    }
}
