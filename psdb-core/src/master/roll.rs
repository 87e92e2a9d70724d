//! The roll: what a master has noted, on its own disk, of all masters that have introduced
//! themselves to it.
//!
//! A master whose directory was wiped or restored from a copy has forgotten what it voted for and
//! what it acknowledged; with its vote a log could be elected that lacks committed entries. Nobody
//! can see that of himself, so the others remember for him: under which *directory number*, and at
//! which *start*, a name was last seen.
//!
//! ```text
//! introduction ─► judge against the roll ─► note, durably ─► welcome
//!                        └─► refuse, with the way out
//! ```
//! The roll is not part of the replicated metadata. It has to be asked where no leader is, such as
//! after a power cut of all masters, and what it says must be durable before the newcomer votes;
//! both would need a vote if it lay in the group's log.
//!
//! Invariants:
//! 1. A welcome is said only when the start it is for is on disk.
//! 2. Of one name, only one directory is welcome, its starts only in their order, and its log never
//!    shorter than it was said to be. (As long as neither side has ever voted the directory may
//!    change.)
//! 3. A name that was taken out of the group is not welcome, under any directory.
//!
//! Left out: when to introduce oneself, and whose welcome is needed (`introductions`).

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::storage::Directory;
use crate::transport::message::{Introduction, Stage};
use crate::types::{Address, Error, LogIndex, NodeId, Result};

/// The file of the roll, in the data directory.
const FILE: &str = "masters";

/// The roll of one master.
pub(super) struct Roll {
    directory: Directory,
    page: Mutex<Page>,
    /// Held while the roll is judged by and written.
    writing: tokio::sync::Mutex<()>,
}

/// What is on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Page {
    /// Whether this master has ever had a replica of the metadata.
    entered: bool,
    /// Founders that had not introduced themselves yet when this master got its replica.
    awaited: BTreeSet<Address>,
    /// The voters, as this master last knew them.
    voters: BTreeMap<NodeId, Address>,
    /// Names that were taken out of the group, by their numbers.
    used_up: BTreeSet<NodeId>,
    known: BTreeMap<String, Known>,
}

/// How a master was last seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    address: Address,
    directory: u64,
    incarnation: u64,
    start: u64,
    stage: Stage,
    /// How much of the log it has applied, so that it is on its disk.
    applied: LogIndex,
}

impl Roll {
    /// Reads the roll in `directory`; a new one is empty.
    pub(super) async fn open(directory: Directory) -> Result<Roll> {
        let page = directory.read_note(FILE).await?.unwrap_or_default();
        Ok(Roll { directory, page: Mutex::new(page), writing: tokio::sync::Mutex::default() })
    }

    /// Whether this master has noted that it has a replica.
    pub(super) fn has_entered(&self) -> bool {
        self.page.lock().entered
    }

    /// The voters as last known; none before there were any.
    pub(super) fn voters(&self) -> BTreeMap<NodeId, Address> {
        self.page.lock().voters.clone()
    }

    /// Where everybody was last seen who may still be a master.
    pub(super) fn addresses(&self) -> BTreeSet<Address> {
        let page = self.page.lock();
        let known = page.known.values().map(|known| known.address.clone());
        known.chain(page.voters.values().cloned()).collect()
    }

    /// What masters are called, by their numbers.
    pub(super) fn names(&self) -> BTreeMap<NodeId, String> {
        let page = self.page.lock();
        page.known.keys().map(|name| (NodeId::from_name(name), name.clone())).collect()
    }

    /// Judges one who introduces himself and notes him, durably.
    ///
    /// # Errors
    ///
    /// [`Error::WrongIdentity`] when he must not be a master, [`Error::Storage`].
    pub(super) async fn admit(&self, who: &Introduction) -> Result<()> {
        let cluster = self.directory.identity().cluster;
        let Introduction { address, directory, incarnation, start, stage, .. } = who.clone();
        let known = Known { address, directory, incarnation, start, stage, applied: who.applied };
        self.change(|page| {
            judge(page, cluster, who)?;
            page.awaited.remove(&who.address);
            page.known.insert(who.name.clone(), known);
            Ok(())
        })
        .await
    }

    /// Notes that this master is about to have a replica, beside founders at these addresses.
    pub(super) async fn note_entered(&self, founders: &BTreeSet<Address>) -> Result<()> {
        self.change(|page| {
            if !page.entered {
                let known: BTreeSet<_> = page.known.values().map(|known| &known.address).collect();
                let unknown = founders.iter().filter(|founder| !known.contains(founder));
                page.awaited = unknown.cloned().collect();
                page.entered = true;
            }
            Ok(())
        })
        .await
    }

    /// Notes who votes and who was taken out, and forgets the latter.
    pub(super) async fn follow(
        &self,
        voters: &BTreeMap<NodeId, Address>,
        used_up: &BTreeSet<NodeId>,
    ) -> Result<()> {
        self.change(|page| {
            page.voters.clone_from(voters);
            page.used_up.clone_from(used_up);
            page.known.retain(|name, _| !used_up.contains(&NodeId::from_name(name)));
            Ok(())
        })
        .await
    }

    /// Changes the page, durably, unless `change` refuses.
    async fn change(&self, change: impl FnOnce(&mut Page) -> Result<()>) -> Result<()> {
        let _one_at_a_time = self.writing.lock().await;
        let before = self.page.lock().clone();
        let mut page = before.clone();
        change(&mut page)?;
        if page != before {
            self.directory.write_note(FILE, &page).await?;
            *self.page.lock() = page;
        }
        Ok(())
    }
}

/// Whether one who introduces himself may be a master, by what is known of him.
fn judge(page: &Page, cluster: Option<u64>, who: &Introduction) -> Result<()> {
    let Introduction { name, directory, incarnation, start, .. } = who;
    if page.used_up.contains(&NodeId::from_name(name)) {
        return Err(refused(who, "it was removed, and its name is used up", Way::Add));
    }
    if let (Some(own), Some(theirs)) = (cluster, who.cluster)
        && own != theirs
    {
        let reason = format!(
            "it belongs to cluster {theirs:016x}, but the masters it asks to cluster {own:016x}"
        );
        return Err(refused(who, &reason, Way::Replace));
    }
    let Some(known) = page.known.get(name) else {
        let expected = who.joins || page.awaited.contains(&who.address);
        if page.entered && who.stage == Stage::New && !expected {
            let reason = "the cluster was founded without it, or before it lost its data";
            return Err(refused(who, reason, Way::Replace));
        }
        return Ok(());
    };
    let nobody_has_voted = !page.entered && known.stage == Stage::New;
    if known.directory != *directory && !nobody_has_voted {
        let reason = format!(
            "it bears the number {directory:016x}, but the other masters know {:016x}: its data \
             was lost or it is another's",
            known.directory
        );
        return Err(refused(who, &reason, Way::Replace));
    }
    if known.directory != *directory {
        return Ok(());
    }
    let counted = *incarnation < known.incarnation
        || (*incarnation == known.incarnation && *start != known.start);
    if counted {
        let reason = format!(
            "its start number {incarnation} was used before (the last one known is {}), so it was \
             restored from an older copy and has forgotten what it voted for",
            known.incarnation
        );
        return Err(refused(who, &reason, Way::Discard));
    }
    if who.reached < known.applied {
        let reason = format!(
            "its log ends at {}, but it had applied {} already, so it was restored from an older \
             copy and has forgotten what it voted for",
            who.reached, known.applied
        );
        return Err(refused(who, &reason, Way::Discard));
    }
    if who.stage < known.stage {
        return Err(refused(who, "its log was lost", Way::Replace));
    }
    Ok(())
}

/// What somebody can do whose master is refused.
#[derive(Clone, Copy)]
enum Way {
    /// The name is out of the group already.
    Add,
    /// The name has to go first.
    Replace,
    /// The same, and the directory must not be used any more. Its start number would grow past what
    /// is known of it with every attempt.
    Discard,
}

fn refused(who: &Introduction, reason: &str, way: Way) -> Error {
    let name = &who.name;
    let first = match way {
        Way::Add => String::new(),
        Way::Replace | Way::Discard => {
            format!("`master remove {name}` if it is one of the masters, then ")
        }
    };
    Error::WrongIdentity {
        path: format!("of master '{name}'"),
        reason: format!(
            "{reason}; {first}start one under a new name with an empty directory and --join, and \
             `master add` it"
        ),
        stale: matches!(way, Way::Discard),
    }
}

/// The refusal of a master whose own notes say that it had a log which is not there.
pub(super) fn log_lost(name: &str, directory: &Directory) -> Error {
    Error::WrongIdentity {
        path: directory.path().display().to_string(),
        reason: format!(
            "the log of master '{name}' is gone, and with it what it voted for; \
             `master remove {name}`, then start one under a new name with an empty directory and \
             --join, and `master add` it"
        ),
        stale: false,
    }
}

#[cfg(test)]
#[path = "roll_tests.rs"]
mod tests;
