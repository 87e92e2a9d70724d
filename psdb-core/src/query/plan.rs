//! How a query finds its documents: by looking at all of them, or by a range of one index.
//!
//! Left out: choosing (`planner`), doing (`executor`).

use std::fmt;
use std::ops::Bound;

use super::PlanTree;
use crate::types::{IndexName, Value};

/// A way to find documents; the whole predicate is evaluated on whatever it yields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// All documents.
    Scan,
    /// Those whose keys in an index lie within bounds.
    Index {
        name: IndexName,
        low: Bound<Vec<u8>>,
        high: Bound<Vec<u8>>,
        /// The conditions that gave the bounds, as text.
        conditions: Vec<String>,
    },
    /// None: two conditions on one field exclude each other.
    Nothing,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Plan::Scan => write!(f, "scan of all documents"),
            Plan::Nothing => write!(f, "no documents: the conditions exclude each other"),
            Plan::Index { name, conditions, .. } => {
                write!(f, "index {name} where {}", conditions.join(" and "))
            }
        }
    }
}

impl Plan {
    /// The plan as a step.
    pub(super) fn tree(&self) -> PlanTree {
        let text = self.to_string();
        match self {
            Plan::Scan => PlanTree::new("scan", text),
            Plan::Nothing => PlanTree::new("nothing", text),
            Plan::Index { name, .. } => {
                PlanTree::new("index", text).fact("index", Value::String(name.as_str().to_owned()))
            }
        }
    }
}
