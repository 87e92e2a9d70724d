//! Whether a query may look at every document of a database that denies it.
//!
//! It is refused unless some index narrows its documents down. Whether that index is also cheaper than
//! a scan is the planner's affair: an answer that came yesterday must not be refused today because of
//! what the documents are like now. What is asked for without any lambda is everything, on purpose, and
//! is never refused. A strict query has to see every document, and so is.
//!
//! Left out: where the policy is kept (`metadata`), who asks for a query to be judged (`worker`).

use super::planner::narrows;
use super::source::Source;
use super::{Asked, explain};
use crate::types::{Error, Result, Value};

/// What helps where the plan has no better advice.
const ADVICE: &str = "compare a field that has an index with a constant, or create one with 'index \
                      create FIELD'";

impl Asked<'_> {
    /// Refuses to look at every document of `source`, unless they are asked for without a lambda.
    ///
    /// # Errors
    ///
    /// [`Error::FullScanDenied`] with what would help, and whatever keeps the source from counting.
    pub fn allowed<S: Source>(&self, source: &S) -> Result<()> {
        if self.filter.is_none() && self.order.is_none() && self.select.is_none() {
            return Ok(());
        }
        if narrows(source, self.wanted()) {
            return Ok(());
        }
        let tree = explain(source, self)?;
        let advice = match tree.find("scan").and_then(|scan| scan.get("advice")) {
            Some(Value::String(advice)) => advice.clone(),
            _ => ADVICE.to_owned(),
        };
        Err(Error::FullScanDenied { advice })
    }
}

#[cfg(test)]
mod tests {
    //! Proves that plans with a scan are refused, and only those.

    use super::super::executor::tests::Memory;
    use super::super::{Asked, Program};
    use crate::types::{Error, Result};

    #[test]
    fn scans_are_refused_and_nothing_else() {
        let source = Memory::new(&["\"age\": 3".to_owned()], Some("age"));
        let filtered = |filter: &str| {
            let filter = Program::compile(filter).expect("a lambda of the language");
            Asked { filter: Some(&filter), ..Asked::default() }.allowed(&source)
        };
        let denied = |result: Result<()>| matches!(result, Err(Error::FullScanDenied { .. }));
        assert_eq!(filtered("lambda d: d['age'] == 3 and d['name']"), Ok(()));
        assert!(denied(filtered("lambda d: d['name'] == 'Ada'")));
        assert_eq!(Asked::default().allowed(&source), Ok(()));
        let key = Program::compile("lambda d: d['name']").expect("a lambda of the language");
        let sorted = Asked { order: Some((&key, false)), ..Asked::default() };
        assert!(denied(sorted.allowed(&source)));
    }
}
