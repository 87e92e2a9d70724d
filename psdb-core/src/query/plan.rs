//! How a query finds its documents: by looking at all of them, or by a range of one index.
//!
//! Left out: choosing (`planner`), doing (`executor`).

use std::fmt;
use std::ops::Bound;

use crate::types::IndexName;

/// A way to find documents; the whole predicate is evaluated on whatever it yields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// All documents.
    Scan,
    /// Those whose keys in an index lie within bounds.
    Index { name: IndexName, low: Bound<Vec<u8>>, high: Bound<Vec<u8>> },
    /// None: two conditions on one field exclude each other.
    Nothing,
}

fn shown(bound: &Bound<Vec<u8>>) -> String {
    let hex = |key: &[u8]| {
        key.iter()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .filter_map(|digit| char::from_digit(digit.into(), 16))
            .collect::<String>()
    };
    match bound {
        Bound::Included(key) => format!("including {}", hex(key)),
        Bound::Excluded(key) => format!("excluding {}", hex(key)),
        Bound::Unbounded => "the end".into(),
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Plan::Scan => write!(f, "scan"),
            Plan::Nothing => write!(f, "nothing"),
            Plan::Index { name, low, high } => {
                write!(f, "index {name} from {} to {}", shown(low), shown(high))
            }
        }
    }
}
