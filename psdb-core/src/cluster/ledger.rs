//! What a test was told is done, to be held against what is there later.
//!
//! Left out: contents. Versions tell how often a document was written; a test that wants more
//! compares documents itself.

use std::collections::BTreeMap;

use crate::client::Database;
use crate::types::DocumentId;

/// The writes that were acknowledged to a test.
///
/// Only outcomes that are certain belong here: an unknown one may or may not have happened, and
/// is noted with [`Ledger::uncertain`].
#[derive(Debug, Default)]
pub struct Ledger {
    /// The least version each acknowledged document must have.
    versions: BTreeMap<DocumentId, u64>,
    /// Documents whose last write had an unknown outcome.
    uncertain: BTreeMap<DocumentId, u64>,
}

impl Ledger {
    /// Notes that a write was acknowledged with this version.
    pub fn acknowledged(&mut self, id: &DocumentId, version: u64) {
        let known = self.versions.entry(id.clone()).or_default();
        *known = version.max(*known);
    }

    /// Notes that a write of this document failed with an unknown outcome.
    pub fn uncertain(&mut self, id: &DocumentId) {
        *self.uncertain.entry(id.clone()).or_default() += 1;
    }

    /// Adds what another part of the test was told.
    pub fn merge(&mut self, other: Ledger) {
        for (id, version) in other.versions {
            self.acknowledged(&id, version);
        }
        for (id, times) in other.uncertain {
            *self.uncertain.entry(id).or_default() += times;
        }
    }

    /// How many documents were acknowledged.
    pub fn len(&self) -> usize {
        self.versions.len()
    }

    /// Whether nothing was acknowledged.
    pub fn is_empty(&self) -> bool {
        self.versions.is_empty()
    }

    /// Reads everything back: each acknowledged document is there at the version acknowledged last
    /// (later by at most its uncertain writes), and nothing is there that nobody wrote.
    ///
    /// # Errors
    ///
    /// A description of the first difference, or of the read that failed.
    pub async fn verify(&self, database: &Database) -> Result<(), String> {
        let mut cursor = database.find_all().await.map_err(|error| error.to_string())?;
        let mut found = BTreeMap::new();
        while let Some(document) = cursor.next().await {
            let document = document.map_err(|error| error.to_string())?;
            found.insert(document.id().clone(), document.version());
        }
        for (id, version) in &self.versions {
            let slack = self.uncertain.get(id).copied().unwrap_or(0);
            match found.get(id) {
                Some(there) if (*version..=version + slack).contains(there) => {}
                Some(there) => {
                    return Err(format!(
                        "document {id} has version {there}; acknowledged was {version}, \
                         {slack} writes are uncertain"
                    ));
                }
                None => {
                    return Err(format!("document {id}, acknowledged at {version}, is lost"));
                }
            }
        }
        let known =
            |id: &DocumentId| self.versions.contains_key(id) || self.uncertain.contains_key(id);
        match found.keys().find(|id| !known(id)) {
            Some(id) => Err(format!("document {id} is there, but nobody wrote it")),
            None => Ok(()),
        }
    }
}
