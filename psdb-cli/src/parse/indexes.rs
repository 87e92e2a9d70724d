//! `index`, `configure` and `page`: searching a database, and reading it in parts.
//!
//! Left out: rules for names and fields, which the database checks.

use super::{Parsed, Parser, once, truth};
use crate::command::{Command, Index, Page};

impl Parser<'_> {
    pub(super) fn index(&mut self) -> Parsed<Index> {
        let action = self.word("create, list or drop")?;
        match action.as_str() {
            "create" => self.create_index(),
            "list" => Ok(Index::List),
            "drop" => {
                Ok(Index::Drop { name: self.word("the index's name; 'index list' shows it")? })
            }
            other => Err(format!("unexpected '{other}'; an index is created, listed or dropped")),
        }
    }

    fn create_index(&mut self) -> Parsed<Index> {
        let text = self.word("a field, or several with commas between them")?;
        let fields = text.split(',').map(str::to_string).collect();
        let (mut name, mut wait) = (None, true);
        while let Some(word) = self.tokens.word()? {
            match word.strip_prefix("name=") {
                Some(given) => once(&mut name, given.to_string(), "'name'")?,
                None if word == "--no-wait" => wait = false,
                None => {
                    return Err(format!("unexpected '{word}'; fields have commas between them"));
                }
            }
        }
        Ok(Index::Create { fields, name, wait })
    }

    pub(super) fn configure(&mut self) -> Parsed<Command> {
        let text = self.word("deny_full_scan=true or deny_full_scan=false")?;
        match text.strip_prefix("deny_full_scan=") {
            Some(value) => {
                Ok(Command::Configure { deny_full_scan: truth("deny_full_scan", value)? })
            }
            None => Err(format!("there is no setting '{text}'; deny_full_scan is one")),
        }
    }

    /// What follows `page`: a size, and the token of the page before.
    pub(super) fn page(&mut self) -> Parsed<Page> {
        let size = self.number("page")?;
        let token =
            if self.flag("after")? { Some(self.word("a token after 'after'")?) } else { None };
        Ok(Page { size, token })
    }
}
