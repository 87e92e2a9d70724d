//! Proves, for any commands in any order, that replicas stay equal also when one of them goes on
//! from a snapshot, that the module's invariants hold after each command, that a refused command
//! changes nothing, and that ids and tokens are never given out twice.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;

use super::lock_tests::lock_command;
use super::{Command, Metadata, Registration, Response};
use crate::raft::Position;
use crate::sharding::{Placement, RingSpec};
use crate::transport::message::{DatabaseState, IndexDefinition, ShardLoad, WorkerStatus};
use crate::types::{Address, DatabaseId, Epoch, LogIndex, NodeId, ShardId, Term, Timestamp};

fn database_name() -> impl Strategy<Value = String> {
    "[abc]"
}

fn worker_name() -> impl Strategy<Value = String> {
    "w[1-4]"
}

fn node() -> impl Strategy<Value = NodeId> {
    worker_name().prop_map(|name| NodeId::from_name(&name))
}

fn id() -> impl Strategy<Value = DatabaseId> {
    (0..8_u64).prop_map(DatabaseId)
}

fn shard() -> impl Strategy<Value = ShardId> {
    (0..4_u32).prop_map(ShardId)
}

fn address() -> impl Strategy<Value = Address> {
    "host[1-5]".prop_map(Address::from)
}

fn load() -> impl Strategy<Value = ShardLoad> {
    (0..9_u64, any::<u64>(), any::<bool>(), 0..4_u64).prop_map(|(documents, bytes, leads, term)| {
        let (term, applied, hash) = (Term(term), LogIndex(documents), bytes);
        ShardLoad { documents, bytes, leads, term, applied, hash }
    })
}

fn create() -> impl Strategy<Value = Command> {
    (database_name(), vec("[ab]", 0..3), vec(shard(), 0..3)).prop_map(|(name, fields, shards)| {
        let index =
            |field: String| IndexDefinition { name: field.as_str().into(), fields: vec![field] };
        let indexes = fields.into_iter().map(index).collect();
        let (ring, deny_full_scan) = (RingSpec::DEFAULT, false);
        Command::CreateDatabase { name, indexes, shards, ring, deny_full_scan }
    })
}

fn place() -> impl Strategy<Value = Command> {
    let replicas = btree_map(node(), address(), 2..4);
    let placement = replicas.prop_map(Placement::founded);
    btree_map(shard(), placement, 3..5).prop_map(|placements| Command::PlaceShards { placements })
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        1 => any::<u64>()
            .prop_map(|cluster| Command::Found { cluster, shards: 3, replicas: 2 }),
        4 => create(),
        3 => id().prop_map(|id| Command::DatabaseOpened { id }),
        3 => database_name().prop_map(|name| Command::BeginClear { name }),
        3 => (id(), 0..6_u64, 0..9_u64)
            .prop_map(|(id, token, removed)| Command::ClearDone { id, token, removed }),
        2 => database_name().prop_map(|name| Command::BeginDelete { name }),
        2 => id().prop_map(|id| Command::DeleteDone { id }),
        4 => (worker_name(), address(), 0..4_u64, 0..8_u64).prop_map(
            |(name, address, incarnation, odd)| {
                let registration = Registration::of(&name, address.as_str(), incarnation);
                // Now and then a life that counts like another one, which has to be refused.
                let start = if odd == 0 { 99 } else { registration.start };
                Command::RegisterWorker(Registration { start, ..registration })
            },
        ),
        3 => (shard(), node(), node())
            .prop_map(|(shard, from, to)| Command::BeginMove { shard, from, to }),
        3 => (shard(), 0..12_u64)
            .prop_map(|(shard, n)| Command::EndMove { shard, birth: Epoch(n) }),
        2 => (shard(), 0..12_u64)
            .prop_map(|(shard, n)| Command::CancelMove { shard, birth: Epoch(n) }),
        1 => (node(), any::<bool>())
            .prop_map(|(worker, draining)| Command::SetDraining { worker, draining }),
        1 => node().prop_map(|worker| Command::RemoveWorker { worker }),
        1 => node().prop_map(|master| Command::RetireMaster { master }),
        2 => node().prop_map(|worker| {
            Command::SetWorkerStatus { worker, status: WorkerStatus::Suspect }
        }),
        2 => (node(), btree_map(shard(), load(), 0..4))
            .prop_map(|(worker, shards)| Command::ReportLoad { worker, shards }),
        3 => place(),
        8 => lock_command().prop_map(Command::Lock),
    ]
}

/// What was given out so far, to be compared with what is given out next.
#[derive(Default)]
struct Given {
    ids: BTreeSet<DatabaseId>,
    tokens: BTreeSet<u64>,
}

impl Given {
    fn check(&mut self, command: &Command, response: &Response) {
        match (command, response) {
            (Command::CreateDatabase { .. }, Response::Database(info)) => {
                assert!(self.ids.last() < Some(&info.id), "{} was given out before", info.id);
                self.ids.insert(info.id);
            }
            (_, Response::Clearing { token, .. }) => {
                assert!(self.tokens.last() < Some(token), "{token} was given out before");
                self.tokens.insert(*token);
            }
            _ => {}
        }
    }
}

fn check_invariants(state: &Metadata) {
    for record in state.databases() {
        let clearing = record.info.state == DatabaseState::Clearing;
        assert_eq!(record.pending_clear.is_some(), clearing);
        assert_eq!(state.database_by_id(record.info.id), Some(record));
        assert_eq!(state.database(&record.info.name), Some(record));
    }
    assert_eq!(state.databases().count(), state.databases.len());
    let ready = state.databases().filter(|r| r.info.state == DatabaseState::Ready).count();
    assert_eq!(state.unfinished().len() + ready, state.databases.len());
    for placement in state.map().shards.values() {
        assert_eq!(placement.replicas.len(), 2);
        for (node, address) in &placement.replicas {
            assert_eq!(&state.worker(*node).unwrap().address, address);
        }
        let Some(moving) = &placement.moving else { continue };
        assert!(placement.replicas.contains_key(&moving.from));
        assert!(!placement.replicas.contains_key(&moving.to));
        assert_eq!(state.worker(moving.to).unwrap().address, moving.address);
        assert_ne!(placement.replica_of(moving.to), Some(moving.to), "it bears a new number");
    }
    state.locks.check_invariants().unwrap();
    let infos = state.shard_infos();
    let leaders: BTreeMap<&Address, u64> =
        infos.iter().filter_map(|info| info.leader.as_ref()).fold(BTreeMap::new(), |mut sum, a| {
            *sum.entry(a).or_default() += 1;
            sum
        });
    assert!(leaders.values().sum::<u64>() <= infos.len() as u64);
}

fn reloaded(state: &Metadata) -> Metadata {
    let mut bytes = Vec::new();
    state.save(&mut bytes).unwrap();
    Metadata::load(&mut bytes.as_slice()).unwrap()
}

proptest! {
    #[test]
    fn replicas_stay_equal(
        commands in vec(command(), 1..60),
        reloads in btree_set(0..60_usize, 0..6),
    ) {
        let (mut first, mut second) = (Metadata::default(), Metadata::default());
        let mut given = Given::default();
        for (index, command) in commands.into_iter().enumerate() {
            let time = Timestamp(1_000 + index as u64);
            let position = Position { term: Term(1), index: LogIndex(index as u64 + 1), time };
            let (before, epoch) = (first.hash(), first.map().epoch);
            let map = first.map().shards.clone();
            let snapshot = first.clone();
            let response = first.apply(position, command.clone()).unwrap();
            prop_assert_eq!(&second.apply(position, command.clone()).unwrap(), &response);
            given.check(&command, &response);
            if reloads.contains(&index) {
                second = reloaded(&second);
            }
            prop_assert_eq!(first.hash(), second.hash());
            prop_assert_eq!(snapshot.hash(), before, "a snapshot stays as it was");
            if matches!(response, Response::Refused(_)) {
                prop_assert_eq!(first.hash(), before);
            }
            let changed = u64::from(first.map().shards != map);
            prop_assert_eq!(first.map().epoch.0, epoch.0 + changed);
            check_invariants(&first);
        }
    }
}
