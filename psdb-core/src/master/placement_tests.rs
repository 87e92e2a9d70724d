//! Proves that placements keep their bounds for any number of workers, and shows them by the
//! golden scripts in `testscripts/placement`.
//!
//! ```text
//! place SHARDS REPLICAS WORKER,WORKER,...
//! home COUNT SHARD:DOCUMENTS/BYTES/DATABASES ...
//! ```

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

fn workers<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<(NodeId, Address)> {
    names.into_iter().map(|name| (NodeId::from_name(name), Address::from(name))).collect()
}

#[test]
fn scripts_give_their_output() {
    crate::golden::run_scripts("master/testscripts/placement", |commands| {
        let mut output = String::new();
        for command in commands {
            let words: Vec<_> = command.split(' ').collect();
            match words[..] {
                ["place", shards, replicas, names] => show_placement(
                    &mut output,
                    number(shards) as u32,
                    number(replicas) as usize,
                    &workers(names.split(',')),
                ),
                ["home", count, ref loads @ ..] => {
                    let loads: Vec<_> = loads.iter().map(|load| summary(load)).collect();
                    let homes = home_shards(number(count) as usize, &loads);
                    writeln!(output, "{:?}", homes.iter().map(|home| home.0).collect::<Vec<_>>())
                        .unwrap();
                }
                _ => panic!("not a command: {command}"),
            }
        }
        output
    });
}

fn show_placement(
    output: &mut String,
    shards: u32,
    replicas: usize,
    workers: &[(NodeId, Address)],
) {
    let placements = match place_shards(shards, replicas, workers, RingSpec::DEFAULT) {
        Ok(placements) => placements,
        Err(error) => return writeln!(output, "error: {error}").unwrap(),
    };
    let mut loads = BTreeMap::new();
    for (shard, placement) in &placements {
        let mut names: Vec<_> = placement.replicas.values().map(Address::as_str).collect();
        names.sort_unstable();
        for name in &names {
            *loads.entry(name.to_string()).or_insert(0) += 1;
        }
        writeln!(output, "{shard}: {}", names.join(" ")).unwrap();
    }
    let loads: Vec<_> = loads.iter().map(|(name, load)| format!("{name}={load}")).collect();
    let all = u64::from(shards) * replicas as u64;
    let capacity = bounded_capacity(all, workers.len() as u64);
    writeln!(output, "loads: {} (at most {capacity})", loads.join(" ")).unwrap();
}

fn summary(text: &str) -> ShardLoadSummary {
    let numbers: Vec<_> = text.split([':', '/']).map(number).collect();
    let [shard, documents, bytes, databases] = numbers[..] else { panic!("not a load: {text}") };
    ShardLoadSummary { shard: ShardId(shard as u32), documents, bytes, databases }
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_else(|_| panic!("not a number: {text}"))
}

/// The example of the module's header.
#[test]
fn a_replica_moves_over_when_too_few_workers_have_room() {
    let workers: BTreeMap<_, _> = (0..3).map(|n| (NodeId(n), Address::from("a"))).collect();
    let mut board = Board::new(&workers, 5);
    for shard in 0..6 {
        board.place(ShardId(shard), 2, &[NodeId(0), NodeId(1), NodeId(2)]);
    }
    let held: Vec<Vec<_>> =
        board.held.values().map(|held| held.iter().map(|shard| shard.0).collect()).collect();
    assert_eq!(held, [vec![1, 2, 3, 4, 5], vec![0, 1, 2, 3, 4], vec![0, 5]]);
}

fn cluster() -> impl Strategy<Value = (u32, usize, Vec<(NodeId, Address)>)> {
    // Small clusters too, where every replica counts and the ring's choices run into each other.
    let workers = prop_oneof![1..8_usize, 1..60_usize];
    (0..100_u32, workers, any::<u64>()).prop_flat_map(|(shards, count, salt)| {
        let names: Vec<_> = (0..count).map(|n| format!("worker-{n}-{salt:x}")).collect();
        let workers = workers_of(&names);
        (Just(shards), 1..=count.min(7), Just(workers))
    })
}

fn workers_of(names: &[String]) -> Vec<(NodeId, Address)> {
    workers(names.iter().map(String::as_str))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn bounds_hold((shards, replicas, workers) in cluster(), virtual_nodes in 1..200_u32) {
        // Few virtual nodes make an uneven ring, on which only the bound keeps the peace.
        let spec = RingSpec { virtual_nodes, ..RingSpec::DEFAULT };
        let placements = place_shards(shards, replicas, &workers, spec).unwrap();
        prop_assert_eq!(placements.len(), shards as usize);
        let mut loads = BTreeMap::<NodeId, u64>::new();
        for placement in placements.values() {
            prop_assert_eq!(placement.replicas.len(), replicas);
            for (worker, address) in &placement.replicas {
                prop_assert!(workers.contains(&(*worker, address.clone())));
                *loads.entry(*worker).or_default() += 1;
            }
        }
        let fair = f64::from(shards) * replicas as f64 / workers.len() as f64;
        let most = loads.values().copied().max().unwrap_or(0);
        prop_assert!(most as f64 <= (1.25 * fair).ceil(), "{most} replicas, fair is {fair:.2}");
    }

    /// Preferences no ring would give, all shards wanting the same few workers, so that the rest
    /// of the board fills up and replicas must move to make room.
    #[test]
    fn bounds_hold_for_any_preference(
        shards in 0..40_u32,
        count in 1..8_u64,
        nth in any::<prop::sample::Index>(),
        swaps in prop::collection::vec((any::<usize>(), any::<usize>()), 0..20),
    ) {
        let replicas = nth.index(count as usize) + 1;
        let names: BTreeMap<_, _> = (0..count).map(|n| (NodeId(n), Address::from("a"))).collect();
        let capacity = bounded_capacity(u64::from(shards) * replicas as u64, count);
        let mut board = Board::new(&names, capacity);
        let mut preference: Vec<_> = names.keys().copied().collect();
        for shard in 0..shards {
            if let Some((a, b)) = swaps.get(shard as usize) {
                preference.swap(a % count as usize, b % count as usize);
            }
            board.place(ShardId(shard), replicas, &preference);
        }
        prop_assert!(board.held.values().all(|held| held.len() as u64 <= capacity));
        let placements = board.into_placements(&names, shards);
        prop_assert!(placements.values().all(|placement| placement.replicas.len() == replicas));
    }

    #[test]
    fn the_order_of_workers_does_not_matter((shards, replicas, workers) in cluster()) {
        let mut reversed = workers.clone();
        reversed.reverse();
        prop_assert_eq!(
            place_shards(shards, replicas, &workers, RingSpec::DEFAULT),
            place_shards(shards, replicas, &reversed, RingSpec::DEFAULT)
        );
    }

    #[test]
    fn homes_are_never_more_loaded_than_the_rest(
        count in 0..20_usize,
        loads in prop::collection::vec((0..4_u64, 0..4_u64, 0..4_u64), 0..20),
    ) {
        let loads: Vec<_> = (0..)
            .zip(loads)
            .map(|(shard, (documents, bytes, databases))| ShardLoadSummary {
                shard: ShardId(shard), documents, bytes, databases,
            })
            .collect();
        let homes = home_shards(count, &loads);
        prop_assert_eq!(homes.len(), count.min(loads.len()));
        prop_assert!(homes.is_sorted());
        let key = |load: &&ShardLoadSummary| (load.bytes, load.documents, load.databases);
        let (home, rest): (Vec<_>, Vec<_>) =
            loads.iter().partition(|load| homes.contains(&load.shard));
        if let (Some(worst), Some(best)) = (home.iter().map(key).max(), rest.iter().map(key).min())
        {
            prop_assert!(worst <= best);
        }
    }
}
