//! Proves that a lock has one holder at a time whatever becomes of the masters, that fencing tokens
//! only grow, and that claims are granted in the order they came, once each.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use psdb_core::cluster::invariants::Invariants;
use psdb_core::env::Task;
use psdb_core::raft::RaftConfig;
use psdb_core::{Client, Cluster, Code, Error, LockGuard, LogIndex, Outcome};

use crate::writers::DELAY;
use crate::{PATIENCE, eventually, leading_master};

const MASTERS: [&str; 3] = ["master-1", "master-2", "master-3"];
const SECOND: Duration = Duration::from_secs(1);

/// Three masters, and as little else as a cluster can have.
async fn three_masters(seed: u64, raft: RaftConfig) -> Cluster {
    let cluster = Cluster::builder().masters(3).workers(1).replicas(1).shards(1).seed(seed);
    cluster.raft(raft).start().await.expect("starts")
}

/// How many claims wait for a lock that is held.
async fn waiting(client: &Client, name: &str) -> Option<u64> {
    let locks = client.locks().await.ok()?;
    locks.into_iter().find(|lock| lock.name == name).map(|lock| lock.waiting)
}

/// What a lock protects: it notes who is in, and the highest token it has seen.
#[derive(Default)]
struct Protected {
    inside: Vec<(u64, u64)>,
    tokens: BTreeSet<u64>,
}

impl Protected {
    /// Lets a holder in whose lease goes on; all nodes and clients of a cluster share one clock, so
    /// no other lease may.
    fn enter(&mut self, now: u64, token: u64, expires: u64) {
        let others: Vec<_> = self.inside.iter().filter(|(_, end)| *end > now).collect();
        assert!(others.is_empty(), "at {now} token {token} enters beside {others:?}");
        assert!(self.tokens.last() < Some(&token), "token {token} after {:?}", self.tokens.last());
        self.tokens.insert(token);
        self.inside.push((token, expires));
    }

    fn leave(&mut self, token: u64) {
        self.inside.retain(|(inside, _)| *inside != token);
    }
}

/// Clients that take the lock in turns, some of which forget to release it.
struct Contenders {
    protected: Arc<Mutex<Protected>>,
    stop: Arc<AtomicBool>,
    tasks: Vec<Task<()>>,
}

impl Contenders {
    fn start(cluster: &Cluster, count: u64) -> Contenders {
        let protected = Arc::new(Mutex::new(Protected::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let tasks = (0..count).map(|number| {
            let (protected, stop) = (protected.clone(), stop.clone());
            let (client, env) =
                (cluster.client_named(&format!("c{number}")), cluster.env().clone());
            let client = client.with_timeout(3 * SECOND);
            cluster.env().spawn(async move {
                let lock = client.lock("the/lock").ttl(2 * SECOND).wait(20 * SECOND);
                while !stop.load(Ordering::Relaxed) {
                    let Ok(mut guard) = lock.acquire().await else { continue };
                    let now = env.now().as_millis();
                    // The answer may have come late: the holder must not go on, and knows it.
                    if now >= guard.expires_at().as_millis() {
                        continue;
                    }
                    let (token, expires) = (guard.token(), guard.expires_at().as_millis());
                    protected.lock().enter(now, token, expires);
                    env.sleep(Duration::from_millis(env.random_below(60))).await;
                    if env.random_below(4) == 0 && guard.renew().await.is_ok() {
                        assert_eq!(guard.token(), token, "a renewed lease keeps its token");
                        let mut protected = protected.lock();
                        protected.leave(token);
                        protected.inside.push((token, guard.expires_at().as_millis()));
                    }
                    if env.random_below(5) > 0 {
                        protected.lock().leave(token);
                        let _may_be_over = guard.release().await;
                    }
                }
            })
        });
        let tasks = tasks.collect();
        Contenders { protected, stop, tasks }
    }

    fn entered(&self) -> usize {
        self.protected.lock().tokens.len()
    }

    async fn progress(&self, cluster: &Cluster, more: usize) {
        let goal = self.entered() + more;
        eventually(cluster, "progress of the contenders", || async { self.entered() >= goal })
            .await;
    }

    async fn stop(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.expect("no contender meets another");
        }
        self.protected.lock().tokens.len()
    }
}

#[tokio::test(start_paused = true)]
async fn one_holder_at_a_time_while_leading_masters_die_and_are_cut_off() {
    for seed in 20..24 {
        let cluster = three_masters(seed, RaftConfig::default()).await;
        let mut invariants = Invariants::default();
        cluster.delay(DELAY);
        cluster.duplicate_percent(20);
        let contenders = Contenders::start(&cluster, 5);
        for _ in 0..3 {
            contenders.progress(&cluster, 10).await;
            let leader = leading_master(&cluster).await;
            cluster.crash(&leader).await.expect("crashes");
            contenders.progress(&cluster, 10).await;
            cluster.restart(&leader).await.expect("restarts");

            let leader = leading_master(&cluster).await;
            let others: Vec<_> = MASTERS.into_iter().filter(|name| *name != leader).collect();
            // Two of the clients stay with the leader that is cut off.
            let cut_off = [&others[..], &["c0", "c1", "c2"]].concat();
            cluster.partition(&[&leader], &cut_off);
            contenders.progress(&cluster, 10).await;
            invariants.check(&cluster).await.expect("holds in the storm");
            cluster.heal();
            cluster.delay(DELAY);
            cluster.drop_percent(5);
        }
        cluster.heal();
        let entered = contenders.stop().await;
        assert!(entered >= 90, "seed {seed}: the lock was held {entered} times only");
        cluster.settle(PATIENCE).await.expect("settles");
        invariants.check(&cluster).await.expect("holds afterwards");
    }
}

#[tokio::test(start_paused = true)]
async fn claims_are_granted_in_the_order_they_came_also_by_the_next_leader() {
    let cluster = three_masters(30, RaftConfig::default()).await;
    let client = cluster.client();
    let first = client.lock("jobs").acquire().await.expect("is free");
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for place in 0..6_u64 {
        let lock = cluster.new_client().lock("jobs").wait(PATIENCE);
        let order = order.clone();
        tasks.push(cluster.env().spawn(async move {
            let guard = lock.acquire().await.expect("is granted within a minute");
            order.lock().push(place);
            guard.release().await.expect("is held");
        }));
        let client = &client;
        eventually(&cluster, "a place in the queue", || async move {
            waiting(client, "jobs").await == Some(place + 1)
        })
        .await;
        if place == 2 {
            let leader = leading_master(&cluster).await;
            cluster.crash(&leader).await.expect("crashes");
        }
    }
    first.release().await.expect("is held");
    for task in tasks {
        task.await.expect("is granted");
    }
    assert_eq!(*order.lock(), (0..6).collect::<Vec<_>>());
    assert!(client.locks().await.expect("answers").is_empty(), "all were released");
}

#[tokio::test(start_paused = true)]
async fn a_lease_ends_on_time_unless_it_is_renewed() {
    let cluster = three_masters(31, RaftConfig::default()).await;
    let env = cluster.env().clone();
    let lock = cluster.client().lock("jobs").ttl(2 * SECOND).holder("the first");
    let mut guard = lock.acquire().await.expect("is free");
    for _ in 0..3 {
        env.sleep(Duration::from_millis(1_500)).await;
        guard.renew().await.expect("is in force");
    }
    let renewed = env.instant();
    let busy = cluster.new_client().lock("jobs").acquire().await.expect_err("is held");
    assert!(busy.is_conflict() && busy.outcome() == Outcome::NotApplied);
    let said = format!("{busy}");
    assert!(said.contains("is held by 'the first' with token 1"), "{said}");

    let short = cluster.new_client().lock("jobs").wait(SECOND);
    let late = short.acquire().await.expect_err("its wait is shorter than the lease");
    assert!(matches!(late, Error::LockHeld { .. }), "{late}");
    let waited = env.instant().elapsed_since(renewed);
    assert!((SECOND..SECOND * 3 / 2).contains(&waited), "it waited {waited:?}");

    let next = cluster.new_client().lock("jobs").wait(10 * SECOND);
    let next = next.acquire().await.expect("the lease ends");
    let took = env.instant().elapsed_since(renewed);
    assert!((2 * SECOND..Duration::from_millis(2_300)).contains(&took), "it took {took:?}");
    assert!(next.token() > guard.token());

    let lost = guard.renew().await.expect_err("the lease is over");
    assert_eq!(lost.code(), Code::FailedPrecondition);
    let said = format!("{lost}");
    assert!(said.contains("has held the lock with token 2 for"), "{said}");
    let lost = guard.release().await.expect_err("the lease is over");
    assert!(matches!(lost, Error::LockNotHeld { token: Some(1), .. }), "{lost}");
    next.release().await.expect("is held");
}

/// Every grant takes one token, so tokens count how often claims were granted.
#[tokio::test(start_paused = true)]
async fn a_retried_claim_is_granted_once() {
    let cluster = three_masters(32, RaftConfig::default()).await;
    cluster.delay(DELAY);
    cluster.drop_percent(25);
    cluster.duplicate_percent(50);
    let client = cluster.new_client();
    let (mut granted, mut uncertain) = (0, 0);
    let mut guards: Vec<LockGuard> = Vec::new();
    for number in 0..60 {
        match client.lock(&format!("lock-{number}")).ttl(PATIENCE * 60).acquire().await {
            Ok(guard) => {
                granted += 1;
                guards.push(guard);
            }
            Err(error) => {
                assert_eq!(error.outcome(), Outcome::Unknown, "lock-{number}: {error}");
                uncertain += 1;
            }
        }
    }
    cluster.heal();
    let held = client.locks().await.expect("answers");
    for guard in &guards {
        let lock = held.iter().find(|lock| lock.name == guard.name()).expect("is held");
        assert_eq!((lock.token, lock.waiting), (guard.token(), 0), "{}", guard.name());
    }
    let last = client.lock("last").acquire().await.expect("is free").token();
    assert!((granted + 1..=granted + uncertain + 1).contains(&last), "{last} tokens for {granted}");
    assert!(granted >= 50, "only {granted} of 60 claims were granted");

    cluster.drop_percent(25);
    cluster.duplicate_percent(50);
    for guard in guards {
        if let Err(error) = guard.release().await {
            assert_eq!(error.outcome(), Outcome::Unknown, "a release met another of its own");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn leases_queues_and_tokens_survive_a_purge_and_a_restart_of_all_masters() {
    let small_logs = RaftConfig { snapshot_after: 20, keep_entries: 5, ..RaftConfig::default() };
    let cluster = three_masters(33, small_logs).await;
    let mut invariants = Invariants::default();
    let client = cluster.client();
    let held = client.lock("held").ttl(PATIENCE * 60).acquire().await.expect("is free");
    let waiter = cluster.new_client().lock("held").wait(PATIENCE * 10);
    let waiter = cluster.env().spawn(async move { waiter.acquire().await });
    eventually(&cluster, "a place in the queue", || async {
        waiting(&client, "held").await == Some(1)
    })
    .await;
    cluster.settle(PATIENCE).await.expect("settles");
    let reached = cluster.master_status().await["master-3"].last_log;
    cluster.crash("master-3").await.expect("crashes");
    let mut last = held.token();
    for _ in 0..60 {
        let guard = client.lock("other").acquire().await.expect("is free");
        assert!(guard.token() > last, "{} after {last}", guard.token());
        last = guard.token();
        guard.release().await.expect("is held");
    }
    eventually(&cluster, "a purge of what master-3 lacks", || async {
        let statuses = cluster.master_status().await;
        statuses.values().all(|status| status.purged > LogIndex(reached.0 + 1))
    })
    .await;
    cluster.restart("master-3").await.expect("restarts");
    cluster.settle(PATIENCE).await.expect("settles");
    invariants.check(&cluster).await.expect("the follower installed the locks as well");

    for master in MASTERS {
        cluster.crash(master).await.expect("crashes");
    }
    for master in MASTERS {
        cluster.restart(master).await.expect("restarts");
    }
    cluster.settle(PATIENCE).await.expect("settles");
    invariants.check(&cluster).await.expect("holds after the restart");
    let locks = client.locks().await.expect("answers");
    assert_eq!(locks.len(), 1, "{locks:?}");
    assert_eq!((locks[0].token, locks[0].waiting), (held.token(), 1));
    held.release().await.expect("is held still");
    let granted = waiter.await.expect("runs").expect("kept its place");
    assert!(granted.token() > last, "{} after {last}", granted.token());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_went_away_does_not_hold_the_queue() {
    let cluster = three_masters(34, RaftConfig::default()).await;
    let client = cluster.client();
    let env = cluster.env().clone();
    let holder = client.lock("jobs").ttl(PATIENCE).acquire().await.expect("is free");
    let queued = async |place| {
        let client = &client;
        eventually(&cluster, "a place in the queue", || async move {
            waiting(client, "jobs").await == Some(place)
        })
        .await;
    };
    let ghost = cluster.new_client().lock("jobs").ttl(PATIENCE * 60).wait(PATIENCE * 60);
    let ghost = env.spawn(async move { ghost.acquire().await.map(|_guard| ()) });
    queued(1).await;
    let next = cluster.new_client().lock("jobs").wait(PATIENCE * 10);
    let next = env.spawn(async move { next.acquire().await });
    queued(2).await;
    drop(ghost);
    queued(1).await;
    let released = env.instant();
    holder.release().await.expect("is held");
    let granted = next.await.expect("runs").expect("is granted");
    let took = env.instant().elapsed_since(released);
    assert!(took < SECOND, "it took {took:?}");
    granted.release().await.expect("is held");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_cut_off_grants_nothing() {
    let cluster = three_masters(35, RaftConfig::default()).await;
    let leader = leading_master(&cluster).await;
    let others: Vec<_> = MASTERS.into_iter().filter(|name| *name != leader).collect();
    cluster.partition(&[&leader], &others);
    cluster.partition(&["client"], &others);
    let lonely = cluster.client().with_timeout(5 * SECOND).lock("jobs").ttl(SECOND);
    let refused = lonely.acquire().await.expect_err("the cut-off leader must not grant");
    assert!(refused.is_unavailable(), "{refused}");
    let majority = cluster.client_named("elsewhere").lock("jobs").ttl(PATIENCE);
    let guard = majority.wait(10 * SECOND).acquire().await.expect("the majority grants");
    cluster.heal();
    cluster.settle(PATIENCE).await.expect("settles");
    let held = lonely.acquire().await.expect_err("is held by the other");
    assert!(matches!(held, Error::LockHeld { token, .. } if token == guard.token()), "{held}");
    Invariants::default().check(&cluster).await.expect("holds");
}

#[tokio::test(start_paused = true)]
async fn a_mistake_is_told_before_anything_is_sent() {
    let cluster = Cluster::builder().masters(1).workers(1).shards(1).seed(36);
    let cluster = cluster.start().await.expect("starts");
    let client = cluster.client();
    let long = "x".repeat(257);
    for (lock, said) in [
        (client.lock(""), "invalid lock name \"\": it is empty"),
        (
            client.lock("a b"),
            "invalid lock name \"a b\": ' ' is not allowed; use A-Z, a-z, 0-9, '_', '-', '/', '.' and ':'",
        ),
        (client.lock(&long), "it has 257 bytes, the limit is 256"),
        (
            client.lock("a").ttl(Duration::ZERO),
            "invalid request: a lock's ttl of 0 ms; 100 ms to 86400000 ms are allowed",
        ),
        (
            client.lock("a").wait(PATIENCE * 10_000),
            "invalid request: a wait of 600000000 ms for a lock; at most 86400000 ms are allowed",
        ),
        (client.lock("a").holder(&*long), "it has 257 bytes; 1 to 256 are allowed"),
        (client.lock("a").holder("two\nlines"), "'\\n' is not allowed"),
    ] {
        let error = lock.acquire().await.expect_err(said);
        assert_eq!(error.code(), Code::InvalidArgument);
        assert!(error.to_string().ends_with(said), "{error}");
    }
    let error = client.lock("a").release(7).await.expect_err("no such token");
    assert!(error.to_string().contains("no such token was given yet"), "{error}");
}
