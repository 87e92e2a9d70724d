//! The beat at which all groups that lead in a process send their Raft heartbeats.
//!
//! Left to itself the engine of every group sends heartbeats at moments of its own, and twenty
//! groups between the same two nodes cost twenty messages an interval. So the engines' own are
//! switched off, and one task of the process asks all groups that lead at the same moment. What one
//! node says to another in one moment travels together (`transport`), so an idle cluster exchanges
//! one message a beat between two nodes, however many groups they share.
//!
//! Invariants:
//! 1. Every leader that is not silenced sends a heartbeat each interval of its own.
//! 2. The task of an interval ends with the last group that has it.
//!
//! Left out: heartbeats that confirm a read. They are sent when the read comes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::engine::Raft;
use super::proposer::leads;
use crate::env::{Env, Task};

/// One process's beat. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Metronome(Arc<Shared>);

#[derive(Default)]
struct Shared {
    last: AtomicU64,
    beats: Mutex<BTreeMap<Duration, Beat>>,
}

/// All groups with one interval.
struct Beat {
    members: Members,
    _task: Task<()>,
}

type Members = Arc<Mutex<BTreeMap<u64, Member>>>;

#[derive(Clone)]
struct Member {
    raft: Raft,
    silent: Arc<AtomicBool>,
}

/// A group's part in the beat, which ends when this is dropped.
pub(crate) struct Heartbeats {
    metronome: Metronome,
    interval: Duration,
    number: u64,
    silent: Arc<AtomicBool>,
}

impl Metronome {
    /// Makes `raft` send a heartbeat every `interval` while it leads.
    pub(crate) fn join(&self, env: &Env, interval: Duration, raft: Raft) -> Heartbeats {
        let number = self.0.last.fetch_add(1, Ordering::Relaxed);
        let silent = Arc::new(AtomicBool::new(false));
        let member = Member { raft, silent: silent.clone() };
        let mut beats = self.0.beats.lock();
        let beat = beats.entry(interval).or_insert_with(|| {
            let members = Members::default();
            let task = env.spawn(keep_time(env.clone(), interval, members.clone()));
            Beat { members, _task: task }
        });
        beat.members.lock().insert(number, member);
        Heartbeats { metronome: self.clone(), interval, number, silent }
    }
}

impl fmt::Debug for Metronome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let beats = self.0.beats.lock();
        f.debug_struct("Metronome").field("intervals", &beats.keys()).finish_non_exhaustive()
    }
}

impl Heartbeats {
    /// Lets the group send none for a while, or again.
    pub(crate) fn silence(&self, silent: bool) {
        self.silent.store(silent, Ordering::Release);
    }
}

impl Drop for Heartbeats {
    fn drop(&mut self) {
        let mut beats = self.metronome.0.beats.lock();
        let Some(beat) = beats.get(&self.interval) else { return };
        let is_last = {
            let mut members = beat.members.lock();
            members.remove(&self.number);
            members.is_empty()
        };
        if is_last {
            beats.remove(&self.interval);
        }
    }
}

async fn keep_time(env: Env, interval: Duration, members: Members) {
    loop {
        env.sleep(interval).await;
        let all: Vec<Member> = members.lock().values().cloned().collect();
        for Member { raft, silent } in all {
            if leads(&raft) && !silent.load(Ordering::Acquire) {
                // One that has just stopped needs none.
                let _stopped = raft.trigger().heartbeat().await;
            }
        }
    }
}
