//! Proves that the ring is what its specification says, spreads keys evenly, and moves only the
//! keys it must.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::btree_set;
use proptest::prelude::*;

use super::*;
use crate::types::ShardId;

fn ring(members: impl IntoIterator<Item = u32>) -> HashRing<ShardId> {
    document_ring(RingSpec::DEFAULT, &members.into_iter().map(ShardId).collect::<Vec<_>>())
}

fn keys(count: u32) -> impl Iterator<Item = Vec<u8>> {
    (0..count).map(|n| format!("film-{n}").into_bytes())
}

fn loads(ring: &HashRing<ShardId>, count: u32) -> BTreeMap<ShardId, u32> {
    let mut loads = BTreeMap::new();
    for key in keys(count) {
        *loads.entry(*ring.locate(&key).expect("the ring has members")).or_default() += 1;
    }
    loads
}

/// These answers are part of every stored database: if they change, documents are lost to sight.
/// They were computed independently, from the specification.
#[test]
fn routes_are_pinned() {
    let ring = ring(0..4);
    let routes: Vec<_> =
        ["film-1", "film-2", "film-3", "ada", "", "0198f3c2-7a51-7cc0-8a5e-3b1f6f0c9d21"]
            .map(|key| ring.locate(key.as_bytes()).expect("the ring has members").0)
            .into();
    assert_eq!(routes, PINNED);
}

const PINNED: [u32; 6] = [3, 0, 1, 2, 1, 2];

#[test]
fn sixteen_shards_share_evenly() {
    let loads = loads(&ring(0..16), 200_000);
    let mean = 200_000.0 / 16.0;
    let max = f64::from(*loads.values().max().expect("keys were placed")) / mean;
    let min = f64::from(*loads.values().min().expect("keys were placed")) / mean;
    assert_eq!(loads.len(), 16);
    // The arcs themselves give 1.178 and 0.855; the rest is chance among the keys.
    assert!(max < 1.20, "busiest shard: {max:.3} times the mean");
    assert!(min > 0.83, "idlest shard: {min:.3} times the mean");
}

#[test]
fn a_ring_without_members_locates_nothing() {
    let ring = HashRing::<u32>::new(RingSpec::DEFAULT);
    assert_eq!(ring.locate(b"key"), None);
    assert_eq!(ring.successors(b"key").next(), None);
    assert_eq!(ring.locate_bounded(b"key", |_| 0, 1), None);
}

#[test]
fn extreme_specs_are_clamped() {
    for virtual_nodes in [0, u32::MAX] {
        let mut ring = HashRing::new(RingSpec { virtual_nodes, ..RingSpec::DEFAULT });
        ring.add(7, "seven");
        assert_eq!(ring.locate(b"key"), Some(&7));
    }
}

#[test]
fn equal_names_are_resolved_by_member() {
    let mut ring = HashRing::new(RingSpec::DEFAULT);
    ring.add_all([(2, "same"), (1, "same")]);
    assert!(keys(100).all(|key| ring.locate(&key) == Some(&1)));
    assert_eq!(ring.successors(b"key").collect::<Vec<_>>(), [&1, &2]);
}

#[test]
fn capacity_is_a_quarter_above_the_fair_share() {
    for (items, members, capacity) in
        [(48, 3, 20), (48, 4, 15), (48, 5, 12), (1, 9, 1), (0, 3, 0), (u64::MAX, 1, u64::MAX)]
    {
        assert_eq!(bounded_capacity(items, members), capacity, "{items} over {members}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_ring_does_not_depend_on_the_order_of_additions(
        members in btree_set(0..1_000_u32, 1..20),
    ) {
        let forwards = ring(members.iter().copied());
        let mut backwards = HashRing::new(RingSpec::DEFAULT);
        for member in members.iter().rev() {
            prop_assert!(backwards.add(ShardId(*member), &shard_name(ShardId(*member))));
        }
        prop_assert!(!backwards.add(ShardId(*members.first().expect("not empty")), "again"));
        for key in keys(200) {
            prop_assert_eq!(forwards.locate(&key), backwards.locate(&key));
        }
    }

    #[test]
    fn a_new_member_takes_its_share_and_nothing_else_moves(
        members in btree_set(0..1_000_u32, 1..20),
        new in 1_000..2_000_u32,
    ) {
        const KEYS: u32 = 10_000;
        let before = ring(members.iter().copied());
        let mut after = before.clone();
        after.add(ShardId(new), &shard_name(ShardId(new)));
        let mut moved = 0;
        for key in keys(KEYS) {
            if before.locate(&key) != after.locate(&key) {
                prop_assert_eq!(after.locate(&key), Some(&ShardId(new)));
                moved += 1;
            }
        }
        let expected = f64::from(KEYS) / (members.len() as f64 + 1.0);
        let share = f64::from(moved) / expected;
        prop_assert!((0.5..1.6).contains(&share), "moved {moved}, expected {expected:.0}");

        // Removing it again gives exactly these keys back.
        prop_assert!(after.remove(&ShardId(new)));
        prop_assert!(!after.remove(&ShardId(new)));
        for key in keys(KEYS) {
            prop_assert_eq!(before.locate(&key), after.locate(&key));
        }
    }

    #[test]
    fn a_removal_moves_only_the_keys_of_the_removed(
        members in btree_set(0..1_000_u32, 2..20),
        nth in any::<prop::sample::Index>(),
    ) {
        let gone = ShardId(*nth.get(&members.iter().copied().collect::<Vec<_>>()));
        let before = ring(members.iter().copied());
        let mut after = before.clone();
        after.remove(&gone);
        for key in keys(1_000) {
            let owner = before.locate(&key).expect("the ring has members");
            if *owner == gone {
                let heir = before.successors(&key).nth(1);
                prop_assert_eq!(after.locate(&key), heir);
            } else {
                prop_assert_eq!(after.locate(&key), Some(owner));
            }
        }
    }

    #[test]
    fn successors_are_all_members_once(
        members in btree_set(0..1_000_u32, 0..20),
        key in any::<Vec<u8>>(),
    ) {
        let ring = ring(members.iter().copied());
        let successors: Vec<_> = ring.successors(&key).collect();
        prop_assert_eq!(successors.len(), ring.successors(&key).len());
        prop_assert_eq!(successors.first().copied(), ring.locate(&key));
        let distinct: BTreeSet<_> = successors.iter().map(|shard| shard.0).collect();
        prop_assert_eq!(successors.len(), members.len());
        prop_assert_eq!(distinct, members);
    }

    #[test]
    fn bounded_loads_stay_within_their_bound(
        members in 1..30_u32,
        items in 0..400_u32,
    ) {
        let ring = ring(0..members);
        let capacity = bounded_capacity(u64::from(items), u64::from(members));
        let mut loads = BTreeMap::<ShardId, u64>::new();
        for key in keys(items) {
            let load = |shard: &ShardId| loads.get(shard).copied().unwrap_or(0);
            let member = ring.locate_bounded(&key, load, capacity);
            *loads.entry(*member.expect("the capacities add up to more than the items"))
                .or_default() += 1;
        }
        prop_assert!(loads.values().all(|load| *load <= capacity));
        prop_assert_eq!(loads.values().sum::<u64>(), u64::from(items));
    }
}
