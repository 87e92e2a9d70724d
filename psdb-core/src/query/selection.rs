//! Which documents a lambda matches, by id and version: what is to be changed.
//!
//! ```text
//! After(id)   the matches after an id in `_id` order, as many as a page holds
//! Among(ids)  those of the given ids that match
//! ```
//! Whoever changes documents by a lambda asks for a page, writes what it names under those versions,
//! and asks about the ones that had changed in between.
//!
//! Invariant: pages one after the other look at every document of one state at most once, and count
//! what they skip once, whatever the plan.
//!
//! Left out: changing anything.

use super::access::ids;
use super::executor::Skipped;
use super::plan::Plan;
use super::planner::{Wanted, choose};
use super::source::Source;
use super::{Meter, Program};
use crate::codec::EncodedDocument;
use crate::types::{DocumentId, Result};

/// Where to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Among {
    /// The documents after this id, or all.
    After(Option<DocumentId>),
    /// These documents.
    Ids(Vec<DocumentId>),
}

/// Documents that match, with the versions they matched in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The matches, by id.
    pub versions: Vec<(DocumentId, u64)>,
    /// Look on after this id; `None` if there is nothing more to look at.
    pub next: Option<DocumentId>,
    /// Documents on which the lambda raised.
    pub skipped: Skipped,
}

/// Selects up to `max_documents` documents of `source` that match `filter`.
///
/// # Errors
///
/// [`crate::Error::QueryLimit`] when evaluating passes a limit of `meter`.
pub fn select<S: Source>(
    source: &S,
    filter: &Program,
    among: &Among,
    max_documents: usize,
    meter: &Meter,
) -> Result<Selection> {
    let after = match among {
        Among::Ids(ids) => {
            let documents = ids.iter().filter_map(|id| source.document(id).transpose());
            return page(documents, filter, usize::MAX, meter);
        }
        Among::After(after) => after.as_ref(),
    };
    let chosen = choose(source, Wanted { filter: Some(filter), ..Wanted::default() })?;
    let Plan::Find(access) = &chosen.plan else {
        return page(source.documents(after), filter, max_documents, meter);
    };
    let later = |id: &DocumentId| after.is_none_or(|after| id > after);
    let later = ids(source, access, meter)?.into_iter().filter(later);
    let found = later.filter_map(|id| source.document(&id).transpose());
    page(found, filter, max_documents, meter)
}

fn page(
    documents: impl Iterator<Item = Result<EncodedDocument>>,
    filter: &Program,
    max_documents: usize,
    meter: &Meter,
) -> Result<Selection> {
    let mut selection = Selection::default();
    for document in documents {
        let document = document?;
        if selection.versions.len() >= max_documents {
            selection.next = selection.versions.last().map(|(id, _)| id.clone());
            break;
        }
        if selection.skipped.matches(Some(filter), &document, meter)? {
            let metadata = document.metadata()?;
            selection.versions.push((metadata.id, metadata.version));
        }
    }
    Ok(selection)
}

#[cfg(test)]
mod tests {
    //! Proves that pages name every match once and skip once, with an index and without.

    use super::{Among, select};
    use crate::query::executor::tests::Memory;
    use crate::query::{Meter, Program};

    fn source(indexed: Option<&str>) -> Memory {
        let body = |n: u32| {
            let n = if n % 10 == 3 { "\"x\"".to_owned() } else { (n * 37 % 40).to_string() };
            format!("\"n\": {n}")
        };
        Memory::new(&(0..40).map(body).collect::<Vec<_>>(), indexed)
    }

    #[test]
    fn pages_name_every_match_and_skip_once() {
        let filter = Program::compile("lambda d: d['n'] >= 20 and d['n'] < 35").expect("a lambda");
        let ids = |indexed: Option<&str>, page: usize| {
            let source = source(indexed);
            let (mut ids, mut skipped, mut after) = (Vec::new(), 0, None);
            loop {
                let among = Among::After(after);
                let selection = select(&source, &filter, &among, page, &Meter::default());
                let selection = selection.expect("no limit is passed");
                assert!(selection.versions.len() <= page);
                assert!(selection.versions.iter().all(|(_, version)| *version == Memory::VERSION));
                ids.extend(selection.versions.into_iter().map(|(id, _)| id));
                skipped += selection.skipped.count;
                after = selection.next;
                if after.is_none() {
                    return (ids, skipped);
                }
            }
        };
        let (all, skipped) = ids(None, usize::MAX);
        assert_eq!((all.len(), skipped), (13, 4), "{all:?}");
        for page in [1, 2, 5, 14] {
            assert_eq!(ids(None, page), (all.clone(), 4));
            assert_eq!(ids(Some("n"), page).0, all);
        }
        let among = Among::Ids(vec!["000".into(), all[0].clone(), "none".into()]);
        let again = select(&source(None), &filter, &among, 1, &Meter::default()).expect("selects");
        assert_eq!(again.versions, [(all[0].clone(), Memory::VERSION)]);
    }
}
