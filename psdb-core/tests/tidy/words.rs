//! Words that must stand somewhere, and words that must not.

use std::path::Path;

use crate::paths::named_paths;
use crate::source::{Breach, Source, closing};

pub(crate) fn headers(source: &Source) -> Vec<Breach> {
    if source.text.starts_with("//! ") {
        return Vec::new();
    }
    let message = "a file opens with a header: //! and what it is".to_owned();
    vec![Breach { rule: "header", offset: 0, message }]
}

pub(crate) fn file_names(source: &Source) -> Vec<Breach> {
    let vague = ["util", "utils", "helper", "helpers", "common", "misc"];
    let found = Path::new(&source.path).iter().find_map(|part| {
        let stem = Path::new(part).file_stem()?.to_str()?;
        vague.into_iter().find(|word| *word == stem)
    });
    let message = |word| format!("{word} says nothing; name the noun that the file defines");
    found
        .map(|word| Breach { rule: "file-name", offset: 0, message: message(word) })
        .into_iter()
        .collect()
}

pub(crate) fn unwraps(source: &Source) -> Vec<Breach> {
    let found = source.code.match_indices(".unwrap()").filter(|(at, _)| !source.in_test(*at));
    let message = "return an error, or expect(\"why it cannot fail\")";
    found
        .map(|(offset, _)| Breach { rule: "unwrap", offset, message: message.to_owned() })
        .collect()
}

/// Printing belongs to the programs; a library answers its caller.
pub(crate) fn prints(source: &Source) -> Vec<Breach> {
    let library = source.path.starts_with("psdb-core/src/") || source.path.starts_with("src/");
    let macros = ["println", "print", "eprintln", "eprint", "dbg"];
    let breach = |offset: usize, name: &str| {
        let is_macro = source.code[offset..].starts_with(&format!("{name}!"));
        let message = format!("{name}! in a library; use tracing, or return it");
        is_macro.then_some(Breach { rule: "print", offset, message })
    };
    let paths = named_paths(&source.code);
    paths
        .iter()
        .filter(|path| library && !source.in_test(path.offset))
        .filter(|path| path.parts.len() == 1 && macros.contains(&path.parts[0]))
        .filter_map(|path| breach(path.offset, path.parts[0]))
        .collect()
}

/// An unbiased `select!` draws from a generator that no seed reaches.
pub(crate) fn selects(source: &Source) -> Vec<Breach> {
    if !source.path.starts_with("psdb-core/src/") {
        return Vec::new();
    }
    let breach = |(offset, found): (usize, &str)| {
        let open = offset + found.len() + source.code[offset + found.len()..].find(['{', '('])?;
        let body = &source.code[open + 1..closing(&source.code, open)];
        let message = "select! without `biased;` is not deterministic".to_owned();
        let biased = body.trim_start().starts_with("biased;");
        (!biased).then_some(Breach { rule: "select", offset, message })
    };
    source.code.match_indices("select!").filter_map(breach).collect()
}

pub(crate) fn open_tasks(source: &Source) -> Vec<Breach> {
    let words = ["TODO", "FIXME", "XXX"];
    let mut breaches = Vec::new();
    for (offset, comment) in &source.comments {
        for (at, line) in comment.lines().scan(0, |at, line| {
            let begin = *at;
            *at += line.len() + 1;
            Some((begin, line))
        }) {
            let Some(word) = words.into_iter().find(|word| line.contains(word)) else { continue };
            let numbered = line
                .split_once(word)
                .and_then(|(_, rest)| rest.trim_start_matches(['(', ' ']).strip_prefix('#'))
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
            if !numbered {
                let message = format!("{word} without an issue: write {word}(#123)");
                breaches.push(Breach { rule: "open-task", offset: offset + at, message });
            }
        }
    }
    breaches
}

/// A test waits for a condition with a deadline; how long to sleep is a guess.
pub(crate) fn sleeps(source: &Source) -> Vec<Breach> {
    let names = ["std::thread::sleep", "thread::sleep", "tokio::time::sleep", "time::sleep"];
    let paths = named_paths(&source.code);
    paths
        .iter()
        .filter(|path| source.in_test(path.offset))
        .filter(|path| names.iter().any(|name| path.starts_with(name)))
        .map(|path| {
            let message = format!("{} in a test; wait for a condition", path.text());
            Breach { rule: "sleep", offset: path.offset, message }
        })
        .collect()
}
