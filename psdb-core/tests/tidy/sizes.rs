//! How long files and functions may be, in lines that hold code.

use crate::mask::is_word;
use crate::source::{Breach, Source, closing};

/// The most lines of code of a file, tests excluded.
const FILE_LINES: usize = 600;
/// The most lines of code of a function, its signature included.
const FUNCTION_LINES: usize = 70;

pub(crate) fn files(source: &Source) -> Vec<Breach> {
    let lines = source.lines_of_code(0..source.code.len(), false);
    if lines <= FILE_LINES {
        return Vec::new();
    }
    let message = format!("{lines} lines of code, the limit is {FILE_LINES}; split it");
    vec![Breach { rule: "file-length", offset: 0, message }]
}

pub(crate) fn functions(source: &Source) -> Vec<Breach> {
    let breach = |(begin, name): (usize, &str)| {
        let end = body_end(&source.code, begin)?;
        let lines = source.lines_of_code(begin..end, true);
        let message = format!("fn {name} has {lines} lines of code, the limit is {FUNCTION_LINES}");
        (lines > FUNCTION_LINES).then_some(Breach { rule: "fn-length", offset: begin, message })
    };
    declared_functions(&source.code).into_iter().filter_map(breach).collect()
}

/// Where each function begins, and its name; types such as `fn(u8)` have none.
fn declared_functions(code: &str) -> Vec<(usize, &str)> {
    let declared = code.match_indices("fn ").filter_map(|(at, _)| {
        let begins = at == 0 || !is_word(code.as_bytes()[at - 1]);
        let rest = code[at + 3..].trim_start();
        let len = rest.bytes().take_while(|byte| is_word(*byte)).count();
        (begins && len > 0).then(|| (at, &rest[..len]))
    });
    declared.collect()
}

/// Where the body of the function at `begin` ends; `None` when it has no body.
fn body_end(code: &str, begin: usize) -> Option<usize> {
    let mut at = begin;
    while at < code.len() {
        match code.as_bytes()[at] {
            b'(' | b'[' => at = closing(code, at),
            b'{' => return Some((closing(code, at) + 1).min(code.len())),
            b';' => return None,
            _ => {}
        }
        at += 1;
    }
    None
}
