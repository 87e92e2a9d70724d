//! Tells code from comments and from the contents of literals.
//!
//! The result has the length and the lines of the text, so that offsets mean the same in both:
//! comments become spaces, what stands inside quotes becomes `~`, and so do characters beyond
//! ASCII. Nested comments, raw strings and lifetimes are understood.
//!
//! Left out: macros that give quotes a meaning of their own.

/// A text with only its code left.
pub(crate) struct Masked {
    pub(crate) code: String,
    /// Every comment with the offset it begins at, one per line for `//`.
    pub(crate) comments: Vec<(usize, String)>,
}

pub(crate) fn mask(text: &str) -> Masked {
    let mut masker = Masker { text: text.as_bytes(), at: 0, code: Vec::new() };
    let mut comments = Vec::new();
    while masker.at < masker.text.len() {
        let begin = masker.at;
        if masker.sees(b"//") || masker.sees(b"/*") {
            masker.comment();
            comments.push((begin, text[begin..masker.at].to_owned()));
        } else if let Some(hashes) = masker.raw_string() {
            masker.raw_literal(hashes);
        } else if masker.sees(b"\"") {
            masker.literal(b'"');
        } else if masker.sees_char() {
            masker.literal(b'\'');
        } else {
            masker.keep(1);
        }
    }
    let code = String::from_utf8(masker.code).expect("only ASCII is kept");
    assert_eq!(code.len(), text.len(), "masking keeps offsets");
    Masked { code, comments }
}

struct Masker<'a> {
    text: &'a [u8],
    at: usize,
    code: Vec<u8>,
}

impl Masker<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn before(&self, back: usize) -> u8 {
        self.at.checked_sub(back).map_or(0, |at| self.text[at])
    }

    fn sees(&self, what: &[u8]) -> bool {
        self.text[self.at..].starts_with(what)
    }

    /// Moves over `count` bytes of code.
    fn keep(&mut self, count: usize) {
        for _ in 0..count.min(self.text.len() - self.at) {
            let byte = self.text[self.at];
            self.code.push(if byte.is_ascii() { byte } else { b'~' });
            self.at += 1;
        }
    }

    /// Moves over `count` bytes that are no code.
    fn hide(&mut self, count: usize, cover: u8) {
        for _ in 0..count.min(self.text.len() - self.at) {
            let byte = self.text[self.at];
            self.code.push(if byte == b'\n' { b'\n' } else { cover });
            self.at += 1;
        }
    }

    fn comment(&mut self) {
        if self.sees(b"//") {
            while self.at < self.text.len() && !self.sees(b"\n") {
                self.hide(1, b' ');
            }
            return;
        }
        let mut depth = 0;
        while self.at < self.text.len() {
            if self.sees(b"/*") {
                depth += 1;
                self.hide(2, b' ');
            } else if self.sees(b"*/") {
                depth -= 1;
                self.hide(2, b' ');
                if depth == 0 {
                    return;
                }
            } else {
                self.hide(1, b' ');
            }
        }
    }

    /// With how many `#` a raw string begins here, if one does.
    fn raw_string(&self) -> Option<usize> {
        let prefixed = matches!(self.before(1), b'b' | b'c') && !is_word(self.before(2));
        if self.peek(0) != b'r' || (is_word(self.before(1)) && !prefixed) {
            return None;
        }
        let hashes = self.text[self.at + 1..].iter().take_while(|byte| **byte == b'#').count();
        (self.peek(1 + hashes) == b'"').then_some(hashes)
    }

    fn raw_literal(&mut self, hashes: usize) {
        self.keep(hashes + 2);
        let end = [vec![b'"'], vec![b'#'; hashes]].concat();
        while self.at < self.text.len() && !self.sees(&end) {
            self.hide(1, b'~');
        }
        self.keep(end.len());
    }

    /// Whether a character literal begins here, and not a lifetime.
    fn sees_char(&self) -> bool {
        let width = match self.peek(1) {
            0x00..=0x7f => 1,
            0x80..=0xdf => 2,
            0xe0..=0xef => 3,
            _ => 4,
        };
        self.sees(b"'") && (self.peek(1) == b'\\' || self.peek(1 + width) == b'\'')
    }

    fn literal(&mut self, quote: u8) {
        self.keep(1);
        while self.at < self.text.len() && self.peek(0) != quote {
            self.hide(if self.sees(b"\\") { 2 } else { 1 }, b'~');
        }
        self.keep(1);
    }
}

pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
