//! Proves that masters found a cluster together: whoever comes late is waited for, a restart in the
//! middle does no harm, and two that lost everything found nothing beside the third.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use psdb_core::env::{Env, SimDisk};
use psdb_core::master::MasterOptions;
use psdb_core::raft::{Group, LogHome, Role};
use psdb_core::storage::{Directory, WalOptions};
use psdb_core::transport::in_process::Network;
use psdb_core::{Address, Error, Master};

use crate::PATIENCE;

/// Masters on one network, each with a disk of its own, started one by one.
struct Masters {
    env: Env,
    network: Network,
    disks: BTreeMap<&'static str, SimDisk>,
    running: BTreeMap<&'static str, (Arc<Master>, LogHome, Directory)>,
}

const NAMES: [&str; 3] = ["m1", "m2", "m3"];

impl Masters {
    fn new(seed: u64) -> Masters {
        psdb_core::env::random::seed_thread(seed);
        let env = Env::simulated(seed, SimDisk::volatile());
        let network = Network::new(env.clone());
        let disks = NAMES.map(|name| (name, SimDisk::new())).into();
        Masters { env, network, disks, running: BTreeMap::new() }
    }

    async fn start(&mut self, name: &'static str) {
        let env = self.env.with_disk(Arc::new(self.disks[name].clone()));
        let path = Path::new("/data");
        let directory = Directory::open(&env, path, name).await.expect("opens");
        let home = LogHome::open(&env, path, WalOptions::default()).await.expect("opens");
        let masters = NAMES.map(|name| (name.to_owned(), Address::from(name))).into();
        let options = MasterOptions::new(name, masters);
        let transport = self.network.transport(name.into());
        let master = Master::start(options, env, directory.clone(), home.clone(), transport);
        let master = Arc::new(master.await.expect("starts"));
        self.network.bind(name.into(), master.clone());
        self.running.insert(name, (master, home, directory));
    }

    async fn crash(&mut self, name: &'static str) {
        let (master, home, directory) = self.running.remove(name).expect("it runs");
        self.network.unbind(&name.into());
        self.disks[name].power_loss(self.env.random_u64());
        master.shutdown().await;
        let _unsealed = home.close().await;
        directory.release();
    }

    async fn wipe(&mut self, name: &'static str) {
        self.crash(name).await;
        self.disks.insert(name, SimDisk::new());
    }

    fn master(&self, name: &str) -> &Master {
        &self.running[name].0
    }

    /// The one that leads, if one does.
    fn leader(&self) -> Option<&'static str> {
        let leads = |master: &Master| {
            master.group().is_some_and(|group| group.status().role == Role::Leader)
        };
        self.running.iter().find(|(_, (master, ..))| leads(master)).map(|(name, _)| *name)
    }

    async fn until(&self, what: &str, condition: impl Fn(&Masters) -> bool) {
        let waited = self.env.timeout(PATIENCE, async {
            while !condition(self) {
                self.env.sleep(Duration::from_millis(20)).await;
            }
        });
        assert!(waited.await.is_ok(), "{what} did not come about");
    }

    async fn no_leader_for(&self, time: Duration) {
        let end = self.env.instant() + time;
        while self.env.instant() < end {
            assert_eq!(self.leader(), None);
            self.env.sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_founding_waits_for_its_slowest_master() {
    let mut masters = Masters::new(1);
    masters.start("m1").await;
    masters.start("m2").await;
    masters.no_leader_for(Duration::from_secs(10)).await;
    // Every message to and from it takes most of the time that an answer may take.
    masters.network.delay(Duration::from_millis(300), Duration::from_millis(490));
    masters.start("m3").await;
    masters
        .until("all being let in", |masters| {
            NAMES.iter().all(|name| masters.master(name).group().is_some())
        })
        .await;
    masters.network.heal();
    masters.until("a leader", |masters| masters.leader().is_some()).await;
    for name in NAMES {
        assert_eq!(masters.master(name).failure(), None);
    }
    // From now on two suffice, and the last comes back.
    masters.crash("m1").await;
    masters.until("a leader of two", |masters| masters.leader().is_some()).await;
    masters.start("m1").await;
    masters.until("its return", |masters| masters.master("m1").group().is_some()).await;
}

#[tokio::test(start_paused = true)]
async fn crashes_in_the_middle_of_a_founding_do_no_harm() {
    for seed in 0..12 {
        let mut masters = Masters::new(seed);
        masters.network.delay(Duration::from_millis(1), Duration::from_millis(30));
        for name in NAMES {
            masters.start(name).await;
        }
        for _ in 0..4 {
            let pause = Duration::from_millis(masters.env.random_below(150));
            masters.env.sleep(pause).await;
            let victim = NAMES[masters.env.random_below(3) as usize];
            masters.crash(victim).await;
            let pause = Duration::from_millis(masters.env.random_below(300));
            masters.env.sleep(pause).await;
            masters.start(victim).await;
        }
        masters
            .until(&format!("a leader (seed {seed})"), |masters| masters.leader().is_some())
            .await;
        for name in NAMES {
            assert_eq!(masters.master(name).failure(), None, "seed {seed}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_directory_may_be_exchanged_before_anybody_has_voted() {
    let mut masters = Masters::new(2);
    masters.start("m1").await;
    masters.start("m2").await;
    masters.env.sleep(Duration::from_secs(3)).await;
    masters.wipe("m2").await;
    masters.start("m2").await;
    masters.start("m3").await;
    masters.until("a leader", |masters| masters.leader().is_some()).await;
    assert_eq!(masters.master("m2").failure(), None);
}

#[tokio::test(start_paused = true)]
async fn two_that_lost_everything_found_nothing_beside_the_third() {
    let mut masters = Masters::new(3);
    for name in NAMES {
        masters.start(name).await;
    }
    masters
        .until("all being members", |masters| {
            NAMES.iter().all(|name| {
                let group = masters.master(name).group();
                group.is_some_and(Group::is_initialized)
            })
        })
        .await;
    // Long enough for all to have heard of all.
    masters.env.sleep(Duration::from_secs(3)).await;
    masters.crash("m3").await;
    masters.wipe("m1").await;
    masters.wipe("m2").await;
    masters.start("m1").await;
    masters.start("m2").await;
    masters.no_leader_for(Duration::from_secs(20)).await;
    assert!(masters.master("m1").group().is_none() && masters.master("m2").group().is_none());
    masters.start("m3").await;
    for wiped in ["m1", "m2"] {
        masters.until("the refusal", |masters| masters.master(wiped).failure().is_some()).await;
        let failure = masters.master(wiped).failure();
        assert!(matches!(failure, Some(Error::WrongIdentity { .. })), "{failure:?}");
    }
    assert_eq!(masters.master("m3").failure(), None);
}
