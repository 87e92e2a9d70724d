//! How something is done, as a tree of steps that people read and programs can search.
//!
//! ```text
//! first 10
//! └─ merge by _id
//!    ├─ shards 0, 2
//!    │  └─ index role where role == 'Dev'
//!    └─ shard 1
//!       └─ scan of all documents
//! ```
//! A step has a kind for programs, a line for people, facts such as numbers, and the steps that it
//! takes its documents from. Whoever makes a tree chooses kinds and facts; whoever passes it on or
//! prints it need not know them.
//!
//! Left out: making plans (`planner`, `explain`).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::types::Value;

/// One step, and the steps it takes its documents from.
///
/// # Examples
///
/// ```
/// use psdb_core::Value;
/// use psdb_core::query::PlanTree;
///
/// let scan = PlanTree::new("scan", "scan of all documents").fact("rows", Value::Int(7));
/// let tree = PlanTree::new("limit", "first 3").over([scan]);
/// assert_eq!(tree.to_string(), "first 3\n└─ scan of all documents\n");
/// let json = r#"{"step": "limit", "text": "first 3", "inputs": [{"step": "scan", "text": "scan of all documents", "rows": 7}]}"#;
/// assert_eq!(tree.to_value().to_json(), json);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanTree {
    /// What kind of step it is, in one word, such as `scan`.
    pub step: String,
    /// The step in words, on one line.
    pub text: String,
    /// What programs may want to know of it, by name.
    pub facts: Vec<(String, Value)>,
    /// What it takes its documents from.
    pub inputs: Vec<PlanTree>,
}

impl PlanTree {
    /// A step without facts and inputs.
    pub fn new(step: &str, text: impl Into<String>) -> PlanTree {
        PlanTree { step: step.to_owned(), text: text.into(), facts: Vec::new(), inputs: Vec::new() }
    }

    /// The same step with one more fact.
    #[must_use]
    pub fn fact(mut self, name: &str, value: Value) -> PlanTree {
        self.facts.push((name.to_owned(), value));
        self
    }

    /// The same step, taking its documents from these as well.
    #[must_use]
    pub fn over(mut self, inputs: impl IntoIterator<Item = PlanTree>) -> PlanTree {
        self.inputs.extend(inputs);
        self
    }

    /// Adds the estimates of another tree of the same steps.
    pub fn add_estimates(&mut self, other: &PlanTree) {
        for (name, value) in &mut self.facts {
            let theirs = other.facts.iter().find(|(known, _)| known == name);
            if let (Value::Int(ours), Some((_, Value::Int(theirs)))) = (value, theirs)
                && name.starts_with("estimated_")
            {
                *ours += theirs;
            }
        }
        for (input, theirs) in self.inputs.iter_mut().zip(&other.inputs) {
            input.add_estimates(theirs);
        }
    }

    /// The first step of this kind, if there is one.
    pub fn find(&self, step: &str) -> Option<&PlanTree> {
        if self.step == step {
            return Some(self);
        }
        self.inputs.iter().find_map(|input| input.find(step))
    }

    /// The fact called `name`.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.facts.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The tree as a JSON object: `step`, `text`, the facts, and `inputs` if there are any.
    pub fn to_value(&self) -> Value {
        let mut fields = vec![
            ("step".to_owned(), Value::String(self.step.clone())),
            ("text".to_owned(), Value::String(self.text.clone())),
        ];
        fields.extend(self.facts.iter().cloned());
        if !self.inputs.is_empty() {
            let inputs = self.inputs.iter().map(PlanTree::to_value).collect();
            fields.push(("inputs".to_owned(), Value::Array(inputs)));
        }
        Value::Object(fields)
    }

    /// Writes the tree; `first` stands before its first line, `rest` before all others.
    fn write(&self, f: &mut fmt::Formatter<'_>, first: &str, rest: &str) -> fmt::Result {
        writeln!(f, "{first}{}", self.text)?;
        for (position, input) in self.inputs.iter().enumerate() {
            let last = position + 1 == self.inputs.len();
            let (branch, line) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            input.write(f, &format!("{rest}{branch}"), &format!("{rest}{line}"))?;
        }
        Ok(())
    }
}

impl fmt::Display for PlanTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, "", "")
    }
}

#[cfg(test)]
mod tests {
    //! Shows how branches are drawn.

    use super::PlanTree;

    #[test]
    fn branches_are_drawn_beside_each_other() {
        let part = |shard: u32| {
            let scan = PlanTree::new("scan", "scan");
            PlanTree::new("shards", format!("shard {shard}")).over([scan])
        };
        let tree = PlanTree::new("merge", "merge by _id").over([part(0), part(1)]);
        let expected = "\
merge by _id
├─ shard 0
│  └─ scan
└─ shard 1
   └─ scan
";
        assert_eq!(tree.to_string(), expected);
    }
}
