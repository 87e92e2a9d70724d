//! How much of the log stays behind a checkpoint.
//!
//! Some entries are kept for followers that lag a little: so many, and so many bytes at most. A
//! follower that lacks more gets a snapshot, and the log goes on growing while that travels. Were it
//! purged as usual meanwhile, the follower would find the entries after its snapshot gone and get
//! another one, for ever, as soon as sending takes longer than writing what is kept. So the log after
//! a snapshot that was sent is *held* until its receiver has caught up.
//!
//! ```text
//! purged | kept ........... checkpoint | ...                   last      usually
//! purged | held: all after the snapshot being sent ........... last      while somebody catches up
//! ```
//! The engine never purges by itself; the task here asks it to, after each checkpoint and when
//! something is held no more.
//!
//! Invariants:
//! 1. What a follower needs after the snapshot that it was sent is there, as long as it gets on, and as
//!    long as it is no more than [`MOST_HELD`] entries.
//! 2. One that does not get on holds nothing for longer than [`STALLED_AFTER`].
//!
//! Left out: memory. What is kept or held lies in the segments (`log_store`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::engine::Raft;
use super::log_store::LogStore;
use super::status::{GroupStatus, Role, StatusWatch};
use crate::env::{Env, Instant, Task};
use crate::types::{LogIndex, NodeId};

/// The most entries that are held.
const MOST_HELD: u64 = 1_000_000;
/// Nothing is held for one that has got no further for so long.
const STALLED_AFTER: Duration = Duration::from_secs(30);
/// How often it is looked at what is held.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What is held for whom.
pub(crate) struct Retention {
    env: Env,
    /// How many entries are kept in any case.
    keep: u64,
    /// As long as they have no more bytes than this.
    keep_bytes: u64,
    holds: Mutex<BTreeMap<NodeId, Hold>>,
    begun: Notify,
}

/// From which entry on those up to some place are few enough bytes to be kept.
#[derive(Clone, Copy, Debug, Default)]
struct Within {
    /// Those up to the checkpoint.
    checkpoint: LogIndex,
    /// Those up to the last one.
    last: LogIndex,
}

#[derive(Clone, Copy, Debug)]
struct Hold {
    /// Entries after this one stay.
    after: u64,
    /// How many snapshots are on their way to it.
    sending: u32,
    /// When it got on last.
    progress: Instant,
}

/// Held while a snapshot is sent.
pub(crate) struct Sending {
    retention: Arc<Retention>,
    to: NodeId,
}

impl Retention {
    pub(crate) fn new(env: &Env, (keep, keep_bytes): (u64, u64)) -> Arc<Retention> {
        let (env, holds, begun) = (env.clone(), Mutex::default(), Notify::new());
        Arc::new(Retention { env, keep, keep_bytes, holds, begun })
    }

    /// Holds what comes after the snapshot that is now sent to `to`.
    pub(crate) fn sending(self: &Arc<Self>, to: NodeId, snapshot: LogIndex) -> Sending {
        let mut holds = self.holds.lock();
        let sending = holds.get(&to).map_or(0, |hold| hold.sending) + 1;
        let progress = self.env.instant();
        holds.insert(to, Hold { after: snapshot.0, sending, progress });
        self.begun.notify_one();
        Sending { retention: self.clone(), to }
    }

    /// Starts the task that has the log purged.
    pub(crate) fn start(self: &Arc<Self>, raft: Raft, log: LogStore) -> Task<()> {
        self.env.spawn(purge_when_due(self.clone(), raft, log))
    }

    fn within(&self, log: &LogStore, status: &GroupStatus) -> Within {
        Within {
            checkpoint: log.within(status.snapshot, self.keep, self.keep_bytes),
            last: log.within(status.last_log, self.keep, self.keep_bytes),
        }
    }

    fn is_holding(&self) -> bool {
        !self.holds.lock().is_empty()
    }

    /// Up to where the log may go now.
    fn purgeable(&self, status: &GroupStatus, within: Within) -> LogIndex {
        let (now, last) = (self.env.instant(), status.last_log.0);
        let mut holds = self.holds.lock();
        holds.retain(|to, hold| {
            let matched = status.matched.get(to).map_or(0, |matched| matched.0);
            if matched > hold.after {
                (hold.after, hold.progress) = (matched, now);
            }
            // What it lacks is kept in any case.
            let caught_up = matched + self.keep >= last && matched + 1 >= within.last.0;
            let stalled = now.elapsed_since(hold.progress) > STALLED_AFTER;
            let too_much = last - hold.after.min(last) > MOST_HELD;
            if too_much {
                tracing::warn!(%to, "a replica falls behind faster than it catches up");
            }
            let wanted = hold.sending > 0 || !(caught_up || stalled);
            status.role == Role::Leader && wanted && !too_much
        });
        let held = holds.values().map(|hold| hold.after).min().unwrap_or(u64::MAX);
        let surplus = status.snapshot.0.saturating_sub(self.keep);
        let too_large = within.checkpoint.0.saturating_sub(1);
        LogIndex(surplus.max(too_large).min(held))
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if let Some(hold) = self.retention.holds.lock().get_mut(&self.to) {
            hold.sending = hold.sending.saturating_sub(1);
            hold.progress = self.retention.env.instant();
        }
    }
}

async fn purge_when_due(retention: Arc<Retention>, raft: Raft, log: LogStore) {
    let mut watch = StatusWatch::new(raft.metrics());
    loop {
        let status = GroupStatus::of(&raft.metrics().borrow());
        let upto = retention.purgeable(&status, retention.within(&log, &status));
        if upto > status.purged && raft.trigger().purge_log(upto.0).await.is_err() {
            return;
        }
        let holding = retention.is_holding();
        tokio::select! {
            biased;
            checkpoint = watch.snapshot_after(status.snapshot) => {
                if checkpoint.is_none() {
                    return;
                }
            }
            () = retention.begun.notified() => {}
            () = retention.env.sleep(LOOK_EVERY), if holding => {}
        }
    }
}

#[cfg(test)]
mod tests {
    //! Proves what is held, for how long, and that it goes again.

    use super::*;
    use crate::types::Term;

    const KEEP: u64 = 100;
    const KEEP_BYTES: u64 = 1 << 20;
    const FOLLOWER: NodeId = NodeId(2);

    /// A leader whose log ends at `last`, with a checkpoint there.
    fn leader(last: u64, matched: u64) -> GroupStatus {
        GroupStatus {
            role: Role::Leader,
            leader: None,
            term: Term(1),
            applied: LogIndex(last),
            last_log: LogIndex(last),
            snapshot: LogIndex(last),
            purged: LogIndex(0),
            voters: BTreeMap::new(),
            matched: BTreeMap::from([(FOLLOWER, LogIndex(matched))]),
            failure: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_after_a_snapshot_stays_until_its_receiver_has_it() {
        let env = Env::memory();
        let retention = Retention::new(&env, (KEEP, KEEP_BYTES));
        assert_eq!(retention.purgeable(&leader(1_000, 0), Within::default()), LogIndex(900));
        let sending = retention.sending(FOLLOWER, LogIndex(1_000));
        // However long it takes.
        env.sleep(STALLED_AFTER * 3).await;
        assert_eq!(retention.purgeable(&leader(9_000, 0), Within::default()), LogIndex(1_000));
        drop(sending);
        assert_eq!(retention.purgeable(&leader(9_500, 1_000), Within::default()), LogIndex(1_000));
        assert_eq!(retention.purgeable(&leader(9_800, 7_000), Within::default()), LogIndex(7_000));
        assert_eq!(retention.purgeable(&leader(10_000, 9_900), Within::default()), LogIndex(9_900));
        assert!(!retention.is_holding(), "it has caught up");
        assert_eq!(
            retention.purgeable(&leader(20_000, 9_900), Within::default()),
            LogIndex(19_900)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_does_not_get_on_or_lacks_too_much_holds_nothing() {
        let env = Env::memory();
        let retention = Retention::new(&env, (KEEP, KEEP_BYTES));
        drop(retention.sending(FOLLOWER, LogIndex(1_000)));
        env.sleep(STALLED_AFTER).await;
        assert_eq!(retention.purgeable(&leader(9_000, 500), Within::default()), LogIndex(1_000));
        env.sleep(Duration::from_secs(1)).await;
        assert_eq!(retention.purgeable(&leader(9_000, 500), Within::default()), LogIndex(8_900));

        let _sending = retention.sending(FOLLOWER, LogIndex(1_000));
        let far = leader(1_001 + MOST_HELD, 500);
        assert_eq!(retention.purgeable(&far, Within::default()), LogIndex(far.last_log.0 - KEEP));

        let _sending = retention.sending(FOLLOWER, LogIndex(1_000));
        let deposed = GroupStatus { role: Role::Follower, ..leader(9_000, 500) };
        assert_eq!(retention.purgeable(&deposed, Within::default()), LogIndex(8_900));
    }

    #[tokio::test(start_paused = true)]
    async fn fewer_entries_are_kept_if_they_are_large() {
        let env = Env::memory();
        let retention = Retention::new(&env, (KEEP, KEEP_BYTES));
        let large = Within { checkpoint: LogIndex(991), last: LogIndex(991) };
        assert_eq!(retention.purgeable(&leader(1_000, 0), large), LogIndex(990));
        let each_too_large = Within { checkpoint: LogIndex(1_001), last: LogIndex(1_001) };
        assert_eq!(retention.purgeable(&leader(1_000, 0), each_too_large), LogIndex(1_000));

        // One that lacks more than is kept has not caught up, however few entries it lacks.
        drop(retention.sending(FOLLOWER, LogIndex(950)));
        assert_eq!(retention.purgeable(&leader(1_000, 950), large), LogIndex(950));
        assert_eq!(retention.purgeable(&leader(1_000, 990), large), LogIndex(990));
        assert!(!retention.is_holding(), "it has caught up");
    }
}
