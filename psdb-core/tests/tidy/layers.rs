//! The rules of the architecture: who may name whom.
//!
//! They hold for `psdb-core/src`. Layers hold for its tests too; what comes through `env` does
//! not, since a test may well read a file.

use crate::paths::{NamedPath, named_paths};
use crate::source::{Breach, Source};

/// Every module with its layer. A module names only layers below its own, and itself.
const LAYERS: &[(&str, u8)] = &[
    ("types", 0),
    ("codec", 0),
    ("env", 1),
    ("storage", 2),
    ("query", 2),
    ("sharding", 2),
    ("transport", 3),
    ("raft", 4),
    ("metadata", 5),
    ("shard", 5),
    ("master", 6),
    ("worker", 6),
    ("client", 6),
    ("cluster", 7),
];

/// Pairs that are allowed within one layer.
const SIDEWAYS: &[(&str, &str)] = &[("codec", "types")];

/// Modules of which a lower layer shows another only a part: who, whom, and the parts.
const PARTS: &[(&str, &str, &[&str])] = &[
    // Storage keeps bytes; what they mean is its writer's business.
    ("storage", "codec", &["frame", "key"]),
    // State machines share the vocabulary of messages, which is plain data.
    ("metadata", "transport", &["message"]),
    ("shard", "transport", &["message"]),
];

/// Modules for tests only, which every test may use.
const TEST_MODULES: &[&str] = &["golden"];

/// Names that only `env` may use outside tests.
const ENVIRONMENT: &[&str] = &[
    "std::fs",
    "std::time::Instant",
    "std::time::SystemTime",
    "Instant::now",
    "SystemTime::now",
    "std::thread",
    "thread::spawn",
    "thread::sleep",
    "rand",
    "tokio::fs",
    "tokio::spawn",
    "tokio::task",
    "tokio::time",
    "tokio::runtime",
];

/// Names that replicas could answer differently, and so have no place in a state machine.
const IMPURE: &[&str] = &[
    "crate::env",
    "tokio",
    "HashMap",
    "HashSet",
    "std::collections::HashMap",
    "std::collections::HashSet",
    "std::time::Instant",
    "std::time::SystemTime",
    "rand",
];

pub(crate) fn imports(source: &Source) -> Vec<Breach> {
    let Some(module) = source.core_module() else { return Vec::new() };
    if TEST_MODULES.contains(&module) {
        return Vec::new();
    }
    let Some(layer) = layer_of(module) else {
        let message = format!("module {module} has no layer; give it one in tests/tidy/layers.rs");
        return vec![Breach { rule: "layers", offset: 0, message }];
    };
    let breach = |path: &NamedPath<'_>| {
        let message = import_breach(source, module, layer, path)?;
        Some(Breach { rule: "layers", offset: path.offset, message })
    };
    named_paths(&source.code).iter().filter_map(breach).collect()
}

fn import_breach(source: &Source, module: &str, layer: u8, path: &NamedPath<'_>) -> Option<String> {
    let supers = path.parts.iter().take_while(|part| **part == "super").count();
    if supers >= source.depth() && supers > 0 && !source.in_test(path.offset) {
        return Some(format!("{} leaves the module; begin with crate::", path.text()));
    }
    let ["crate", other, ..] = path.parts[..] else { return None };
    if other == module || (TEST_MODULES.contains(&other) && source.in_test(path.offset)) {
        return None;
    }
    let Some(other_layer) = layer_of(other) else {
        return Some(format!("{} is not a module; import it from where it is", path.text()));
    };
    if other_layer >= layer && !SIDEWAYS.contains(&(module, other)) {
        return Some(format!(
            "{module} (layer {layer}) must not name {} (layer {other_layer})",
            path.text()
        ));
    }
    let parts = PARTS.iter().find(|(who, whom, _)| (*who, *whom) == (module, other))?.2;
    let allowed = path.parts.get(2).is_some_and(|part| parts.contains(part));
    (!allowed).then(|| format!("{module} may use only {} of {other}", parts.join(" and ")))
}

fn layer_of(module: &str) -> Option<u8> {
    LAYERS.iter().find(|(name, _)| *name == module).map(|(_, layer)| *layer)
}

pub(crate) fn raft_library(source: &Source) -> Vec<Breach> {
    let outside = source.core_module() != Some("raft");
    forbidden(source, outside, "raft-library", &["openraft"], |name| {
        format!("{name} belongs inside raft/ only")
    })
}

pub(crate) fn state_machines(source: &Source) -> Vec<Breach> {
    let pure = matches!(source.core_module(), Some("metadata" | "shard")) && !source.is_test;
    forbidden(source, pure, "pure-state", IMPURE, |name| {
        format!("{name} in a state machine could make replicas differ")
    })
}

pub(crate) fn environment(source: &Source) -> Vec<Breach> {
    let outside = !matches!(source.core_module(), None | Some("env")) && !source.is_test;
    forbidden(source, outside, "environment", ENVIRONMENT, |name| {
        format!("{name} must come through env")
    })
}

/// Finds paths that begin with one of `names`, outside tests.
fn forbidden(
    source: &Source,
    applies: bool,
    rule: &'static str,
    names: &[&str],
    message: impl Fn(&str) -> String,
) -> Vec<Breach> {
    if !applies || !source.path.starts_with("psdb-core/src/") {
        return Vec::new();
    }
    let breach = |path: &NamedPath<'_>| {
        // A lone word is a variable or a type of that name, unless the name is a type's itself.
        let named = |name: &&&str| {
            path.starts_with(name) && (path.parts.len() > 1 || name.starts_with("Hash"))
        };
        let name = names.iter().find(named)?;
        Some(Breach { rule, offset: path.offset, message: message(name) })
    };
    let paths = named_paths(&source.code);
    paths.iter().filter(|path| !source.in_test(path.offset)).filter_map(breach).collect()
}
