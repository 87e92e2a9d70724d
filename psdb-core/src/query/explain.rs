//! How a query would be run, as a tree of text.
//!
//! ```text
//! first 10
//! └─ sort by lambda d: d['name'], largest first
//!    └─ filter lambda d: d['age'] > 30 and d['role'] == 'Dev'
//!       └─ index role where role == 'Dev'
//! ```
//!
//! Left out: what running it would cost.

use super::Program;
use super::plan::Plan;
use super::planner::plan;
use super::source::SourceIndex;

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
///     explain(&asked, &[age]),
///     "first 10\n└─ filter lambda d: d['age'] > 30\n   └─ index age where age > 30\n"
/// );
/// # Ok::<(), psdb_core::Error>(())
/// ```
pub fn explain(asked: &Asked<'_>, indexes: &[SourceIndex]) -> String {
    let mut steps = Vec::new();
    if let Some(limit) = asked.limit {
        steps.push(format!("first {limit}"));
    }
    if asked.skip > 0 {
        steps.push(format!("skip {}", asked.skip));
    }
    if let Some((key, descending)) = asked.order {
        let largest = if descending { ", largest first" } else { "" };
        steps.push(format!("sort by {}{largest}", key.text()));
    }
    if let Some(filter) = asked.filter {
        steps.push(format!("filter {}", filter.text()));
    }
    let found = asked.filter.map_or(Plan::Scan, |filter| plan(filter, indexes));
    steps.push(found.to_string());
    let mut tree = String::new();
    for (depth, step) in steps.iter().enumerate() {
        if depth > 0 {
            tree.push_str(&"   ".repeat(depth - 1));
            tree.push_str("└─ ");
        }
        tree.push_str(step);
        tree.push('\n');
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
        let asked =
            Asked { filter: Some(&filter), order: Some((&order, true)), skip: 5, limit: Some(10) };
        let expected = "\
first 10
└─ skip 5
   └─ sort by lambda d: d['name'], largest first
      └─ filter lambda d: d.get('role') in ('Dev', 'Ops') and 1 < d['age']
         └─ index role where role in ('Dev', 'Ops')
";
        assert_eq!(explain(&asked, &indexes), expected);
        assert_eq!(explain(&Asked::default(), &indexes), "scan of all documents\n");
    }
}
