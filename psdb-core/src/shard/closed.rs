//! The databases that were closed on this shard, remembered in bounded memory.
//!
//! A closed id must never be opened again: an `Open` may be delayed in a network, or proposed by
//! a master that was deposed before the database was deleted. Ids that were never open here are
//! remembered too, since `Close` may overtake `Open`.
//!
//! The newest [`REMEMBERED`] closed ids are kept as they are. When there are more, the lowest one
//! becomes the floor: from then on every id up to it counts as closed unless it is open.
//!
//! ```text
//!   0 ─────────── floor ──────┬────┬──┬───────────▶ ids
//!   closed unless open        c    c  c    each remembered
//! ```
//!
//! That is safe because the floor only ever refuses more. It refuses a database that should have
//! been opened only if, between the masters giving out its id and this shard opening it, the
//! masters gave out and deleted more than [`REMEMBERED`] younger ones on this same shard, for ids
//! are given out in growing order. Such a creation fails visibly (`DatabaseGone`); no document is
//! ever lost by it, since a database that was never opened on all its shards has none.
//!
//! Invariants:
//! 1. Every remembered id is above the floor, and there are at most [`REMEMBERED`].
//! 2. What counted as closed counts as closed for ever.
//!
//! Left out: which databases are open; the floor says nothing about those.

use super::digest::Hasher;
use crate::storage::BPlusTree;
use crate::types::DatabaseId;

/// How many closed ids are remembered one by one.
pub(super) const REMEMBERED: usize = 4_096;

/// The closed databases of one shard.
#[derive(Clone, Default)]
pub(super) struct ClosedIds {
    /// Every id up to this one is closed unless it is open.
    floor: DatabaseId,
    /// The closed ids above the floor.
    ids: BPlusTree<DatabaseId, ()>,
}

impl ClosedIds {
    /// Whether `id`, which is not open, was closed.
    pub(super) fn contains(&self, id: DatabaseId) -> bool {
        id <= self.floor || self.remembers(id)
    }

    /// Whether `id` is one of the newest closed ids.
    pub(super) fn remembers(&self, id: DatabaseId) -> bool {
        self.ids.contains_key(&id)
    }

    /// Remembers that `id` was closed.
    pub(super) fn insert(&mut self, id: DatabaseId) {
        if id <= self.floor {
            return;
        }
        self.ids.insert(id, ());
        if self.ids.len() > REMEMBERED
            && let Some(lowest) = self.ids.first().map(|(id, ())| *id)
        {
            self.ids.remove(&lowest);
            self.floor = lowest;
        }
    }

    /// The floor and the closed ids above it, in order.
    pub(super) fn to_parts(&self) -> (DatabaseId, Vec<DatabaseId>) {
        (self.floor, self.ids.iter().map(|(id, ())| *id).collect())
    }

    /// What [`ClosedIds::to_parts`] gave, or what is wrong with it.
    pub(super) fn from_parts(floor: DatabaseId, ids: &[DatabaseId]) -> Result<Self, &'static str> {
        if ids.len() > REMEMBERED {
            return Err("too many closed databases");
        }
        if ids.iter().any(|id| *id <= floor) || !ids.is_sorted_by(|a, b| a < b) {
            return Err("closed databases are out of order");
        }
        let mut closed = ClosedIds { floor, ids: BPlusTree::new() };
        for id in ids {
            closed.insert(*id);
        }
        Ok(closed)
    }

    pub(super) fn hash_into(&self, hasher: &mut Hasher) {
        hasher.number(self.floor.0);
        hasher.number(self.ids.len() as u64);
        for (id, ()) in &self.ids {
            hasher.number(id.0);
        }
    }

    pub(super) fn check_invariants(&self) -> Result<(), String> {
        self.ids.check_invariants()?;
        let (floor, ids) = self.to_parts();
        ClosedIds::from_parts(floor, &ids).map_err(str::to_owned)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    //! Proves that memory stays bounded and that nothing closed is ever forgotten.

    use super::{ClosedIds, REMEMBERED};
    use crate::types::DatabaseId;

    #[test]
    fn closed_stays_closed_in_bounded_memory() {
        let mut closed = ClosedIds::default();
        let ids = (1..=2 * REMEMBERED as u64).map(|n| DatabaseId(3 * n));
        for id in ids.clone() {
            assert!(!closed.contains(id), "{id} is not closed yet");
            closed.insert(id);
            if id.0 % 512 == 0 {
                closed.check_invariants().unwrap();
            }
        }
        closed.check_invariants().unwrap();
        assert!(ids.clone().all(|id| closed.contains(id)));
        let (floor, kept) = closed.to_parts();
        assert_eq!(kept.len(), REMEMBERED);
        assert_eq!(floor, DatabaseId(3 * REMEMBERED as u64), "half of them are under the floor");
        assert!(!closed.contains(DatabaseId(floor.0 + 1)), "above it each id counts for itself");
    }

    #[test]
    fn a_foreign_high_id_does_not_close_what_is_below() {
        let mut closed = ClosedIds::default();
        closed.insert(DatabaseId(u64::MAX));
        assert!(!closed.contains(DatabaseId(1)));
        assert!(closed.contains(DatabaseId(u64::MAX)));
    }

    #[test]
    fn parts_are_not_trusted() {
        let ids = |numbers: &[u64]| numbers.iter().map(|n| DatabaseId(*n)).collect::<Vec<_>>();
        assert!(ClosedIds::from_parts(DatabaseId(4), &ids(&[5, 7])).is_ok());
        assert!(ClosedIds::from_parts(DatabaseId(5), &ids(&[5, 7])).is_err());
        assert!(ClosedIds::from_parts(DatabaseId(0), &ids(&[7, 7])).is_err());
        let many: Vec<u64> = (1..=REMEMBERED as u64 + 1).collect();
        assert!(ClosedIds::from_parts(DatabaseId(0), &ids(&many)).is_err());
    }
}
