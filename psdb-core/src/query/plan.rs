//! How a query finds its documents: by looking at all of them, or through indexes.
//!
//! Left out: choosing (`planner`), doing (`access`, `ordered`).

use std::fmt;
use std::sync::Arc;

use super::PlanTree;
use super::ranges::IndexRanges;
use crate::types::Value;

/// A way to find documents; the whole predicate is evaluated on whatever it yields, unless the keys
/// alone are certain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// All documents, in `_id` order.
    Scan,
    /// Those that indexes name, each once.
    Find(Access),
    /// Those that an index names, in its order, until there are enough.
    InOrder {
        ranges: IndexRanges,
        /// Of how many fields, from the first on, all entries have the same value.
        fixed: usize,
        descending: bool,
    },
}

/// Which documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// None: these conditions exclude each other.
    Nothing(String),
    /// Those with an entry in these ranges.
    Index(IndexRanges),
    /// Those that are in one of these.
    Either(Vec<Access>),
    /// Those that are in all of these.
    Both(Vec<Access>),
}

/// A plan and what it is expected to cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) plan: Plan,
    /// How many documents it is expected to look at.
    pub(super) documents: u64,
    /// Whether the plan's entries say all there is to know of the predicate.
    pub(super) whole: bool,
    /// Whether it is a scan although indexes have what is asked: they would not save enough.
    pub(super) by_choice: bool,
}

impl fmt::Display for IndexRanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "index {}", self.name)?;
        if self.conditions.is_empty() {
            return Ok(());
        }
        write!(f, " where {}", self.conditions.join(" and "))
    }
}

impl Access {
    /// The access as a step.
    pub(super) fn tree(&self) -> PlanTree {
        match self {
            Access::Nothing(why) => {
                PlanTree::new("nothing", format!("no documents: {why} exclude each other"))
            }
            Access::Index(ranges) => index_tree("index", ranges, ""),
            Access::Either(parts) => PlanTree::new("union", "documents of any of these")
                .over(parts.iter().map(Access::tree)),
            Access::Both(parts) => PlanTree::new("intersection", "documents of all of these")
                .over(parts.iter().map(Access::tree)),
        }
    }
}

impl Plan {
    /// The plan as a step.
    pub(super) fn tree(&self) -> PlanTree {
        match self {
            Plan::Scan => PlanTree::new("scan", "scan of all documents"),
            Plan::Find(access) => access.tree(),
            Plan::InOrder { ranges, descending, .. } => {
                let how = if *descending { ", from its end" } else { ", in its order" };
                index_tree("index_in_order", ranges, how)
            }
        }
    }
}

fn index_tree(step: &str, ranges: &IndexRanges, how: &str) -> PlanTree {
    let condition = |text: &Arc<str>| Value::String(text.to_string());
    let conditions = ranges.conditions.iter().map(condition).collect();
    let shown: Vec<Value> = ranges.ranges.iter().take(SHOWN).map(range_value).collect();
    PlanTree::new(step, format!("{ranges}{how}"))
        .fact("index", Value::String(ranges.name.as_str().to_owned()))
        .fact("conditions", Value::Array(conditions))
        .fact("ranges", Value::Int(ranges.ranges.len() as i128))
        .fact("keys", Value::Array(shown))
}

/// How many ranges are shown in full.
const SHOWN: usize = 8;

/// A range as two texts of hexadecimal digits.
fn range_value(range: &super::ranges::KeyRange) -> Value {
    Value::Array(vec![Value::String(hex(&range.low)), Value::String(hex(&range.high))])
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(u32::from(digit), 16));
        }
    }
    text
}
