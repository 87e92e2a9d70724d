//! The query language: Python lambdas, parsed, compiled, planned and run on encoded documents.
//!
//! ```text
//! text -> lexer -> parser -> ast -> compiler -> predicate -> eval    a value, or an exception
//!                             |                     |
//!                          printer               planner -> plan -> executor over a source
//!                          expr (built by hand)
//! ```
//! A lambda gives exactly what CPython 3.11 gives, or it is refused with a column and a hint; it
//! never silently matches. What differs on purpose is listed in `docs/query-language.md`.
//!
//! Invariants:
//! 1. No text and no document makes anything here panic, run for ever or eat all memory (`limits`).
//! 2. A plan yields every document for which the predicate is true.
//! 3. Nothing here reads a clock, draws randomness or knows storage.
//!
//! Left out: merging shards (`client`).

mod access;
mod aggregate;
mod ahead;
mod ast;
mod best;
mod compiler;
#[cfg(test)]
mod compiler_tests;
mod condition;
mod datetime;
mod eval;
mod executor;
mod explain;
pub mod expr;
mod field;
mod full_scan;
mod keys_only;
#[cfg(test)]
mod language_tests;
mod lexer;
mod limits;
mod meter;
mod object;
mod ordered;
mod parser;
mod plan;
#[cfg(test)]
mod plan_tests;
mod plan_tree;
mod planner;
mod predicate;
mod printer;
mod program;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod python_tests;
mod raised;
mod ranges;
#[cfg(test)]
mod script_tests;
mod selection;
mod shortcut;
mod source;
mod spans;
mod token;

pub use crate::types::PyError;
pub(crate) use aggregate::size as value_size;
pub use aggregate::{Aggregate, Grouping, Groups, Sum, group};
pub(crate) use executor::id_of;
pub use executor::{Counted, Execution, Found, Results, Skipped, count, count_within};
pub use explain::{Asked, analyze, explain};
pub use meter::Meter;
pub use plan_tree::PlanTree;
pub use program::Program;
pub use raised::EvalError;
pub use selection::{Among, Selection, select};
pub use source::{Direction, Documents, Entries, Ids, Source, SourceIndex};
