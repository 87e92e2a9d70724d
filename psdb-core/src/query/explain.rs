//! How a query would be run, as a tree of steps.
//!
//! ```text
//! first 10
//! └─ sort by lambda d: d['name'], largest first
//!    └─ filter lambda d: d['age'] > 30 and d['role'] == 'Dev'
//!       └─ index role where role == 'Dev'
//! ```
//!
//! Left out: what running it would cost.

use super::plan::Plan;
use super::planner::plan;
use super::source::SourceIndex;
use super::{PlanTree, Program};
use crate::types::Value;

/// What a query asks for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'q> {
    /// Which documents.
    pub filter: Option<&'q Program>,
    /// In which order, and whether the largest comes first.
    pub order: Option<(&'q Program, bool)>,
    /// How many results are left out at the front.
    pub skip: u64,
    /// How many results at most.
    pub limit: Option<u64>,
    /// What is made of each document, if not the document itself.
    pub select: Option<&'q Program>,
}

/// The steps of a query on a database with these indexes, the last step first.
///
/// # Examples
///
/// ```
/// use psdb_core::query::{Asked, Program, SourceIndex, explain};
///
/// let filter = Program::compile("lambda d: d['age'] > 30")?;
/// let asked = Asked { filter: Some(&filter), limit: Some(10), ..Asked::default() };
/// let age = SourceIndex { name: "age".into(), fields: vec!["age".into()], complete: true };
/// assert_eq!(
///     explain(&asked, &[age]).to_string(),
///     "first 10\n└─ filter lambda d: d['age'] > 30\n   └─ index age where age > 30\n"
/// );
/// # Ok::<(), psdb_core::Error>(())
/// ```
pub fn explain(asked: &Asked<'_>, indexes: &[SourceIndex]) -> PlanTree {
    let found = asked.filter.map_or(Plan::Scan, |filter| plan(filter, indexes));
    let mut tree = found.tree();
    let mut then = |step: &str, text: String, fact: (&str, Value)| {
        let inner = std::mem::replace(&mut tree, PlanTree::new(step, text).fact(fact.0, fact.1));
        tree.inputs.push(inner);
    };
    let number = |number: u64| Value::Int(i128::from(number));
    let lambda = |program: &Program| ("lambda", Value::String(program.text().to_owned()));
    if let Some(filter) = asked.filter {
        then("filter", format!("filter {}", filter.text()), lambda(filter));
    }
    if let Some(select) = asked.select {
        then("select", format!("select {}", select.text()), lambda(select));
    }
    if let Some((key, descending)) = asked.order {
        let largest = if descending { ", largest first" } else { "" };
        then("sort", format!("sort by {}{largest}", key.text()), lambda(key));
    }
    if asked.skip > 0 {
        then("skip", format!("skip {}", asked.skip), ("results", number(asked.skip)));
    }
    if let Some(limit) = asked.limit {
        then("limit", format!("first {limit}"), ("results", number(limit)));
    }
    tree
}

#[cfg(test)]
mod tests {
    //! Shows every step.

    use super::{Asked, Program, SourceIndex, explain};

    #[test]
    fn steps_stand_the_last_first() {
        let compile = |text: &str| Program::compile(text).expect("a lambda of the language");
        let filter = compile("lambda d: d.get('role') in ('Dev', 'Ops') and 1 < d['age']");
        let order = compile("lambda d: d['name']");
        let indexes = ["role", "age"].map(|name| SourceIndex {
            name: name.into(),
            fields: vec![name.to_owned()],
            complete: true,
        });
        let asked = Asked {
            filter: Some(&filter),
            order: Some((&order, true)),
            skip: 5,
            limit: Some(10),
            select: Some(&order),
        };
        let expected = "\
first 10
└─ skip 5
   └─ sort by lambda d: d['name'], largest first
      └─ select lambda d: d['name']
         └─ filter lambda d: d.get('role') in ('Dev', 'Ops') and 1 < d['age']
            └─ index role where role in ('Dev', 'Ops')
";
        assert_eq!(explain(&asked, &indexes).to_string(), expected);
        let scan = explain(&Asked::default(), &indexes);
        assert_eq!(scan.to_string(), "scan of all documents\n");
    }
}
