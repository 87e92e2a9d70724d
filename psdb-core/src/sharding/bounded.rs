//! Bounded loads: a ring on which no member gets much more than its share.
//!
//! Every member has a capacity a little above the mean load. A key goes to the first member after
//! its place that is not full yet, so the surplus of a busy member spills to those that follow
//! it, and few keys move when members come and go (Mirrokni, Thorup, Zadimoghaddam: *Consistent
//! Hashing with Bounded Loads*, 2016).
//!
//! Where a key ends up depends on what was placed before it. That suits replicas, whose places
//! are written down in the shard map, and would not suit documents, whose places are not.
//!
//! Left out: moving keys back once a full member has room again (`master`'s rebalance).

use super::ring::HashRing;

/// How many of `items` any of `members` may carry: a quarter more than its fair share, rounded up.
///
/// # Panics
///
/// When `members` is 0.
pub fn bounded_capacity(items: u64, members: u64) -> u64 {
    assert!(members > 0, "{items} items need a member to carry them");
    let capacity = (u128::from(items) * 5).div_ceil(u128::from(members) * 4);
    u64::try_from(capacity).unwrap_or(u64::MAX)
}

impl<M: Clone + Ord> HashRing<M> {
    /// The first member after `key` that carries less than `capacity`, according to `load`;
    /// `None` when all are full.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::collections::BTreeMap;
    /// use psdb_core::sharding::{HashRing, RingSpec, bounded_capacity};
    ///
    /// let mut ring = HashRing::new(RingSpec::default());
    /// ring.add_all([(0, "a"), (1, "b"), (2, "c")]);
    /// let mut loads = BTreeMap::new();
    /// for key in 0..30_u32 {
    ///     let load = |member: &i32| loads.get(member).copied().unwrap_or(0);
    ///     let member = ring.locate_bounded(&key.to_le_bytes(), load, bounded_capacity(30, 3));
    ///     *loads.entry(*member.expect("there is room for all")).or_default() += 1;
    /// }
    /// assert!(loads.values().all(|load| *load <= 13));
    /// ```
    pub fn locate_bounded(
        &self,
        key: &[u8],
        load: impl Fn(&M) -> u64,
        capacity: u64,
    ) -> Option<&M> {
        self.successors(key).find(|member| load(member) < capacity)
    }
}
