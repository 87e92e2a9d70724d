//! `Source`: one file with what the rules ask about it, and `Breach`: what they answer.
//!
//! Code is for tests when it stands in an item under `#[cfg(test)]`, in a file of a module that
//! was declared so, or in a folder `tests` beside `src`.
//!
//! Left out: what the code says (`paths`).

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use crate::mask::{is_word, mask};

/// One source file.
pub(crate) struct Source {
    /// Its path below the workspace, with `/` between the parts.
    pub(crate) path: String,
    /// The text without comments and without the contents of literals.
    pub(crate) code: String,
    pub(crate) comments: Vec<(usize, String)>,
    /// The whole text.
    pub(crate) text: String,
    /// Whether all of it is for tests.
    pub(crate) is_test: bool,
    /// Which parts are for tests.
    tests: Vec<Range<usize>>,
    line_starts: Vec<usize>,
}

/// A rule that was broken.
pub(crate) struct Breach {
    pub(crate) rule: &'static str,
    pub(crate) offset: usize,
    pub(crate) message: String,
}

impl Breach {
    pub(crate) fn describe(&self, source: &Source) -> String {
        let line = source.line(self.offset);
        format!("{}:{line}: {}: {}", source.path, self.rule, self.message)
    }
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let masked = mask(text);
        let tests = test_items(&masked.code);
        let newlines = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            path: path.to_owned(),
            is_test: path.split('/').any(|part| part == "tests" || part == "examples")
                && !path.split('/').any(|part| part == "src"),
            line_starts: std::iter::once(0).chain(newlines).collect(),
            code: masked.code,
            comments: masked.comments,
            text: text.to_owned(),
            tests,
        }
    }

    /// The line of an offset, from 1.
    pub(crate) fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset)
    }

    pub(crate) fn in_test(&self, offset: usize) -> bool {
        self.is_test || self.tests.iter().any(|range| range.contains(&offset))
    }

    /// How many lines within `range` hold code; with `tests` false, only of code not for tests.
    pub(crate) fn lines_of_code(&self, range: Range<usize>, tests: bool) -> usize {
        let mut lines = BTreeSet::new();
        for (at, byte) in self.code[range.clone()].bytes().enumerate() {
            let offset = range.start + at;
            if !byte.is_ascii_whitespace() && (tests || !self.in_test(offset)) {
                lines.insert(self.line(offset));
            }
        }
        lines.len()
    }

    /// The module of `psdb-core` this file belongs to: `storage` for all below `storage/`.
    pub(crate) fn core_module(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("psdb-core/src/")?;
        let top = inside.split('/').next()?;
        Some(top.strip_suffix(".rs").unwrap_or(top)).filter(|module| *module != "lib")
    }

    /// How many modules deep the file is: 0 for `lib.rs`, 2 for `storage/wal/mod.rs`.
    pub(crate) fn depth(&self) -> usize {
        let inside = self.path.split_once("src/").map_or(&*self.path, |(_, inside)| inside);
        let folders = inside.split('/').count() - 1;
        let stem = inside.rsplit('/').next().unwrap_or(inside);
        folders + usize::from(!matches!(stem, "mod.rs" | "lib.rs" | "main.rs"))
    }

    /// Whether a comment `tidy-allow(RULE): reason` excuses the breach.
    pub(crate) fn excuses(&self, breach: &Breach) -> bool {
        let line = self.line(breach.offset);
        let marker = format!("tidy-allow({}): ", breach.rule);
        self.comments.iter().any(|(offset, comment)| {
            let near =
                breach.rule == "file-length" || [line - 1, line].contains(&self.line(*offset));
            near && comment.split_once(&marker).is_some_and(|(_, reason)| !reason.trim().is_empty())
        })
    }

    /// The files of modules that are declared under `#[cfg(test)]`.
    fn test_modules(&self) -> Vec<PathBuf> {
        let file = Path::new(&self.path);
        let folder = file.parent().unwrap_or(Path::new(""));
        let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or("");
        let inner = match stem {
            "mod" | "lib" | "main" => folder.to_owned(),
            stem => folder.join(stem),
        };
        let declared = self.tests.iter().filter_map(|range| {
            let name = declared_module(&self.code[range.clone()])?;
            let path = self.text[range.clone()].split_once("#[path = \"").map(|(_, rest)| rest);
            match path.and_then(|rest| rest.split('"').next()) {
                Some(path) => Some(vec![folder.join(path)]),
                None => {
                    Some(vec![inner.join(format!("{name}.rs")), inner.join(name).join("mod.rs")])
                }
            }
        });
        declared.flatten().map(|path| normalized(&path)).collect()
    }
}

/// Reads all files in `folder` and below; none, if there is no such folder.
pub(crate) fn load_folder(root: &Path, folder: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    load_below(root, Path::new(folder), &mut sources);
    mark_test_files(&mut sources);
    sources
}

fn load_below(root: &Path, folder: &Path, sources: &mut Vec<Source>) {
    let Ok(entries) = fs::read_dir(root.join(folder)) else { return };
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("the folder can be listed").file_name()).collect();
    names.sort();
    for name in names {
        let path = folder.join(name);
        if root.join(&path).is_dir() {
            load_below(root, &path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(root.join(&path)).expect("sources are UTF-8");
            let path: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
            sources.push(Source::new(&path.join("/"), &text));
        }
    }
}

/// Marks the files of test modules, and all files below them.
pub(crate) fn mark_test_files(sources: &mut [Source]) {
    let roots: Vec<PathBuf> = sources.iter().flat_map(Source::test_modules).collect();
    for source in sources {
        let path = Path::new(&source.path);
        source.is_test |= roots.iter().any(|root| {
            let below = if root.ends_with("mod.rs") {
                root.parent().map(Path::to_owned)
            } else {
                Some(root.with_extension(""))
            };
            path == root || below.is_some_and(|below| path.starts_with(below))
        });
    }
}

/// Resolves `..`, which stands in the paths of some module declarations.
fn normalized(path: &Path) -> PathBuf {
    let mut result = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                result.pop();
            }
            part => result.push(part),
        }
    }
    result
}

/// `name`, if the item is `mod name;`.
fn declared_module(item: &str) -> Option<&str> {
    let declaration = item.strip_suffix(';')?;
    let mut words = declaration.rsplit(|c: char| !c.is_ascii() || !is_word(c as u8));
    let name = words.next()?;
    (words.next()? == "mod").then_some(name)
}

/// The items under `#[cfg(test)]`, attributes included.
fn test_items(code: &str) -> Vec<Range<usize>> {
    let mut items: Vec<Range<usize>> = Vec::new();
    for (begin, opening) in code.match_indices("#[cfg(").chain(code.match_indices("#![cfg(")) {
        let end = closing(code, begin + opening.find('[').unwrap_or(0));
        let condition = &code[begin + opening.len()..end];
        let words: Vec<_> = condition.split(|c: char| !is_word(c as u8)).collect();
        if !words.contains(&"test") || words.contains(&"not") {
            continue;
        }
        // An inner attribute covers everything that follows.
        let until = if opening.starts_with("#!") { code.len() } else { item_end(code, end + 1) };
        items.push(begin..until);
    }
    items
}

/// Where the item that begins at `from` ends, further attributes skipped.
fn item_end(code: &str, mut from: usize) -> usize {
    while let Some(attribute) = code[from..].trim_start().strip_prefix("#[") {
        from = closing(code, code.len() - attribute.len() - 1) + 1;
    }
    let item = code[from..].trim_start();
    let word = item.split(|c: char| !is_word(c as u8)).next().unwrap_or("");
    // A field, a variant or an argument ends at a comma; an item may hold commas.
    let is_item = matches!(
        word,
        "pub"
            | "fn"
            | "mod"
            | "use"
            | "struct"
            | "enum"
            | "impl"
            | "const"
            | "static"
            | "type"
            | "trait"
            | "async"
            | "unsafe"
            | "extern"
            | "macro_rules"
            | "let"
    );
    let mut at = code.len() - item.len();
    while at < code.len() {
        match code.as_bytes()[at] {
            b'(' | b'[' => at = closing(code, at),
            b'{' => return closing(code, at) + 1,
            b';' => return at + 1,
            b',' if !is_item => return at + 1,
            b'}' => return at,
            _ => {}
        }
        at += 1;
    }
    code.len()
}

/// Where the bracket that opens at `open` closes; the end of the code, if it does not.
pub(crate) fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at;
                }
            }
            _ => {}
        }
    }
    code.len()
}
