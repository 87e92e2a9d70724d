//! Proves that the sources keep the rules of the architecture and of the style that a program can
//! check. A breach is reported as `file:line: rule: what is wrong`.
//!
//! - `mask` tells code from comments and literals; `source` knows which code is for tests only.
//! - `paths` finds what code names, imports expanded.
//! - `layers`, `sizes`, `words` are the rules; `snippets` proves that each of them can fail.
//!
//! A rule broken on purpose is excused by a comment on the line or right above it, in the form
//! `tidy-allow(RULE): reason`; for `file-length` it may stand anywhere in the file.
//!
//! Left out: what clippy and rustfmt check already, and whatever needs types to be known.

#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/mask.rs"]
mod mask;
#[path = "tidy/paths.rs"]
mod paths;
#[path = "tidy/sizes.rs"]
mod sizes;
#[path = "tidy/snippets.rs"]
mod snippets;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/words.rs"]
mod words;

use std::path::Path;
use std::sync::LazyLock;

use source::{Breach, Source, load_folder};

/// Every source file of the workspace, generated ones and `target` excluded.
static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace is above");
    let packages = ["psdb-core/", "psdb-cli/", "psdb-server/", ""];
    let folders = ["src", "tests", "examples"];
    packages
        .iter()
        .flat_map(|package| folders.map(|folder| format!("{package}{folder}")))
        .flat_map(|folder| load_folder(root, &folder))
        .collect()
});

/// Fails with all breaches that `rule` finds and no comment excuses.
fn enforce(rule: impl Fn(&Source) -> Vec<Breach>) {
    assert!(SOURCES.len() > 30, "found only {} sources", SOURCES.len());
    let breaches: Vec<String> = SOURCES
        .iter()
        .flat_map(|source| {
            let breaches = rule(source).into_iter();
            breaches.filter(|breach| !source.excuses(breach)).map(|b| b.describe(source))
        })
        .collect();
    assert!(breaches.is_empty(), "{} breaches:\n{}", breaches.len(), breaches.join("\n"));
}

#[test]
fn modules_import_only_lower_layers() {
    enforce(layers::imports);
}

#[test]
fn the_raft_library_stays_inside_raft() {
    enforce(layers::raft_library);
}

#[test]
fn state_machines_are_pure() {
    enforce(layers::state_machines);
}

#[test]
fn clock_randomness_files_and_tasks_come_through_env() {
    enforce(layers::environment);
}

#[test]
fn files_are_short() {
    enforce(sizes::files);
}

#[test]
fn functions_are_short() {
    enforce(sizes::functions);
}

#[test]
fn files_open_with_a_header_and_are_named_with_a_noun() {
    enforce(words::headers);
    enforce(words::file_names);
}

#[test]
fn library_code_neither_unwraps_nor_prints() {
    enforce(words::unwraps);
    enforce(words::prints);
}

#[test]
fn selects_are_biased() {
    enforce(words::selects);
}

#[test]
fn open_tasks_name_their_issue() {
    enforce(words::open_tasks);
}

#[test]
fn tests_do_not_sleep() {
    enforce(words::sleeps);
}
