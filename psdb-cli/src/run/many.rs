//! `update_many` and `delete_many`.
//!
//! Left out: asking before a deletion. Like `delete_doc`, it names what it deletes.

use super::queries::skipped_fields;
use super::{Done, Runner, lambda_failure};
use crate::command::Lambda;

impl Runner {
    pub(super) async fn update_many(&mut self, filter: &Lambda, patch: &str) -> Done {
        let database = self.current()?;
        let done = self.backend.update_many(&database, &filter.text, patch).await;
        let done = done.map_err(|error| lambda_failure(error, &[filter]))?;
        let (matched, modified) = (done.matched, done.changed);
        let text = format!("Updated {modified} of {matched} matching documents");
        let mut fields = vec![("matched", matched.into()), ("modified", modified.into())];
        fields.extend(skipped_fields(&done.skipped));
        self.output.answer("update_many", &text, fields)?;
        self.tell_skipped(&done.skipped);
        Ok(())
    }

    pub(super) async fn delete_many(&mut self, filter: &Lambda) -> Done {
        let database = self.current()?;
        let done = self.backend.delete_many(&database, &filter.text).await;
        let done = done.map_err(|error| lambda_failure(error, &[filter]))?;
        let text = format!("Deleted {} of {} matching documents", done.changed, done.matched);
        let mut fields = vec![("matched", done.matched.into()), ("deleted", done.changed.into())];
        fields.extend(skipped_fields(&done.skipped));
        self.output.answer("delete_many", &text, fields)?;
        self.tell_skipped(&done.skipped);
        Ok(())
    }
}
