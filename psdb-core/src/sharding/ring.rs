//! `HashRing`: consistent hashing with virtual nodes.
//!
//! Members stand on a circle of 64-bit numbers, each at many points so that chance evens out. A
//! key belongs to the member at the first point at or after the key's hash, going round:
//!
//! ```text
//!        a₀            b₀       a₁                c₀      b₁        2^64 = 0
//!   ─────●─────────────●────────●─────────────────●───────●────────────
//!             key ────►b₀            key ────────►c₀           key ───► a₀
//! ```
//!
//! Adding a member takes, from each point of its own back to the one before, the keys there;
//! nothing moves between the others. Removing it gives exactly these back.
//!
//! Specification, for ever: point `i` (from 0) of the member named `name` is
//! `hash(name ‖ 0x00 ‖ i as u32, little-endian)`, a key's place is `hash(key)`, with the hash of
//! the ring's [`HashVersion`]. Points at the same place stand in the order of their members. The
//! member for shard `n` of a database is named `shard/n`, in decimal.
//!
//! | version | name       | `i` | point                |
//! |---------|------------|-----|----------------------|
//! | 1       | `shard/0`  | 0   | `0xc10461fbb1a4caa4` |
//! | 1       | `shard/0`  | 1   | `0xfd29d8a5bc19a7df` |
//! | 1       | `worker-1` | 127 | `0xab89313e6d3378f2` |
//!
//! Invariants:
//! 1. The ring is a function of its spec and its members with their names, not of the order in
//!    which they came.
//! 2. A change of membership moves only keys of the member that came or went.
//!
//! Left out: weights (a member of twice the capacity), which nothing needs yet.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::hash::HashVersion;
use crate::types::ShardId;

/// The parameters of a ring, stored with whatever is placed by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RingSpec {
    /// Points per member, 128 by default; a ring takes 1 to 4,096 and the nearer of the two for
    /// anything else.
    pub virtual_nodes: u32,
    /// The hash that places points and keys.
    pub hash: HashVersion,
}

impl RingSpec {
    /// With 128 points each, the busiest of 16 members carries about 1.2 times the mean.
    pub const DEFAULT: RingSpec = RingSpec { virtual_nodes: 128, hash: HashVersion::V1 };

    /// Keeps a spec that came over a network from asking for gigabytes of points.
    const MAX_VIRTUAL_NODES: u32 = 4_096;
}

impl Default for RingSpec {
    fn default() -> Self {
        RingSpec::DEFAULT
    }
}

/// A consistent-hash ring: finds the member a key belongs to, such that few keys move when
/// members come and go.
///
/// # Examples
///
/// ```
/// use psdb_core::sharding::{HashRing, RingSpec};
///
/// let mut ring = HashRing::new(RingSpec::default());
/// ring.add(1, "one");
/// ring.add(2, "two");
/// let before = *ring.locate(b"some key").expect("the ring has members");
///
/// ring.add(3, "three");
/// let after = *ring.locate(b"some key").expect("the ring has members");
/// assert!(after == before || after == 3);
/// ```
#[derive(Clone, Debug)]
pub struct HashRing<M> {
    spec: RingSpec,
    members: BTreeSet<M>,
    /// Every member's points, in ascending order.
    points: Vec<(u64, M)>,
}

impl<M: Clone + Ord> HashRing<M> {
    /// Makes a ring without members.
    pub fn new(spec: RingSpec) -> Self {
        Self { spec, members: BTreeSet::new(), points: Vec::new() }
    }

    /// The parameters of this ring.
    pub fn spec(&self) -> RingSpec {
        self.spec
    }

    /// The members, in ascending order.
    pub fn members(&self) -> impl ExactSizeIterator<Item = &M> {
        self.members.iter()
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Adds `member`, whose points are derived from `name`; returns whether it is new.
    ///
    /// Names should be unique: of two members with one name, the lower gets all keys. A member
    /// that is there already stays as it is.
    pub fn add(&mut self, member: M, name: &str) -> bool {
        let before = self.len();
        self.add_all([(member, name)]);
        self.len() > before
    }

    /// Adds several members at the cost of one.
    pub fn add_all<'n>(&mut self, members: impl IntoIterator<Item = (M, &'n str)>) {
        for (member, name) in members {
            if !self.members.contains(&member) {
                self.push_points(&member, name);
                self.members.insert(member);
            }
        }
        // A sorted run followed by shorter ones, which a stable sort merges.
        self.points.sort();
    }

    fn push_points(&mut self, member: &M, name: &str) {
        let RingSpec { virtual_nodes, hash } = self.spec;
        let numbers = 0..virtual_nodes.clamp(1, RingSpec::MAX_VIRTUAL_NODES);
        self.points.extend(numbers.map(|number| {
            let place = hash.hash(&[name.as_bytes(), &[0], &number.to_le_bytes()]);
            (place, member.clone())
        }));
    }

    /// Removes `member`; returns whether it was there.
    pub fn remove(&mut self, member: &M) -> bool {
        self.points.retain(|(_, other)| other != member);
        self.members.remove(member)
    }

    /// The member `key` belongs to; `None` when there are no members.
    pub fn locate(&self, key: &[u8]) -> Option<&M> {
        let at = self.point_for(key);
        self.points.get(at).or_else(|| self.points.first()).map(|(_, member)| member)
    }

    /// All members, each once, in the order their points follow `key`; the first is the one that
    /// [`HashRing::locate`] finds.
    pub fn successors(&self, key: &[u8]) -> Successors<'_, M> {
        let next = self.point_for(key);
        Successors { ring: self, next, seen: BTreeSet::new() }
    }

    /// The first point at or after the key's place.
    fn point_for(&self, key: &[u8]) -> usize {
        let place = self.spec.hash.hash(&[key]);
        self.points.partition_point(|(point, _)| *point < place)
    }
}

/// The members of a ring in the order they follow a key; made by [`HashRing::successors`].
#[derive(Clone, Debug)]
pub struct Successors<'a, M> {
    ring: &'a HashRing<M>,
    /// The point to look at next; past the last one the round begins again.
    next: usize,
    seen: BTreeSet<&'a M>,
}

impl<'a, M: Ord> Iterator for Successors<'a, M> {
    type Item = &'a M;

    fn next(&mut self) -> Option<&'a M> {
        while self.seen.len() < self.ring.members.len() {
            let (_, member) = &self.ring.points[self.next % self.ring.points.len()];
            self.next += 1;
            if self.seen.insert(member) {
                return Some(member);
            }
        }
        None
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.ring.members.len() - self.seen.len();
        (left, Some(left))
    }
}

impl<M: Ord> ExactSizeIterator for Successors<'_, M> {}

impl<M: Ord> std::iter::FusedIterator for Successors<'_, M> {}

/// The ring that spreads a database's documents over its shards: locate the bytes of an `_id`.
///
/// Whoever routes by the same spec and shards routes alike.
pub fn document_ring(spec: RingSpec, shards: &[ShardId]) -> HashRing<ShardId> {
    let names: Vec<_> = shards.iter().map(|shard| shard_name(*shard)).collect();
    let mut ring = HashRing::new(spec);
    ring.add_all(shards.iter().copied().zip(names.iter().map(String::as_str)));
    ring
}

/// What a shard is called on rings, as a member and as a key.
pub(crate) fn shard_name(shard: ShardId) -> String {
    format!("shard/{}", shard.0)
}

#[cfg(test)]
mod tests {
    //! Proves that points stand where the specification puts them.

    use super::{HashRing, RingSpec};

    #[test]
    fn points_match_their_vectors() {
        let mut ring = HashRing::new(RingSpec::DEFAULT);
        ring.add_all([(0, "shard/0"), (1, "worker-1")]);
        assert_eq!(ring.points.len(), 256);
        assert!(ring.points.is_sorted());
        for point in
            [(0xc104_61fb_b1a4_caa4, 0), (0xfd29_d8a5_bc19_a7df, 0), (0xab89_313e_6d33_78f2, 1)]
        {
            assert!(ring.points.contains(&point), "{point:x?}");
        }
    }
}
