//! Who is alive: the leader's record of heartbeats and its verdicts.
//!
//! The leader hears every worker's heartbeat. When one has been silent for 3 s it is *suspect*,
//! after 10 s *dead*; each change of verdict is replicated, so a new leader begins with it. A new
//! leader has heard nobody yet and counts every silence from the moment it began to lead.
//!
//! Loads are replicated too, but less often than they arrive: when they changed, and at most every
//! [`REPORT_EVERY`]. What was heard last is laid over what is replicated.
//!
//! Invariant: verdicts are about time and so are proposed by the leader; `apply` only records.
//!
//! Left out: what follows from a death (the issue on membership).

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;

use super::MasterOptions;
use crate::env::{Env, Instant};
use crate::metadata::{Command, Metadata, WorkerRecord};
use crate::raft::{Group, ProposeError};
use crate::transport::message::{Heartbeat, ShardLoad, WorkerStatus};
use crate::types::{NodeId, ShardId};

/// How often changed loads are replicated, at most.
const REPORT_EVERY: Duration = Duration::from_secs(5);
/// How long a verdict may take to be replicated.
const PROPOSE_TIMEOUT: Duration = Duration::from_secs(5);

type Loads = BTreeMap<ShardId, ShardLoad>;

struct Heard {
    at: Instant,
    loads: Loads,
}

#[derive(Default)]
struct Record {
    leading_since: Option<Instant>,
    heard: BTreeMap<NodeId, Heard>,
    reported: Option<Instant>,
}

pub(super) struct Health {
    env: Env,
    suspect_after: Duration,
    dead_after: Duration,
    record: Mutex<Record>,
}

impl Health {
    pub(super) fn new(env: Env, options: &MasterOptions) -> Health {
        let (suspect_after, dead_after) = (options.suspect_after, options.dead_after);
        Health { env, suspect_after, dead_after, record: Mutex::default() }
    }

    /// Forgets what was heard: another node leads now.
    pub(super) fn step_down(&self) {
        *self.record.lock() = Record::default();
    }

    /// Notes a heartbeat.
    pub(super) fn heard(&self, node: NodeId, heartbeat: &Heartbeat) {
        let heard = Heard { at: self.env.instant(), loads: heartbeat.shards.clone() };
        self.record.lock().heard.insert(node, heard);
    }

    /// What each worker's replicas carry: as heard, or else as replicated.
    pub(super) fn loads(&self, metadata: &Metadata) -> BTreeMap<NodeId, Loads> {
        let record = self.record.lock();
        let heard = |worker: &WorkerRecord| {
            record.heard.get(&worker.node).map_or(&worker.loads, |heard| &heard.loads).clone()
        };
        metadata.workers().map(|worker| (worker.node, heard(worker))).collect()
    }

    /// Judges every worker and replicates what changed.
    pub(super) async fn judge(&self, group: &Group<Metadata>) -> Result<(), ProposeError> {
        let metadata = group.state();
        for command in self.news(&metadata) {
            group.propose(None, &command, PROPOSE_TIMEOUT).await?;
        }
        Ok(())
    }

    fn news(&self, metadata: &Metadata) -> Vec<Command> {
        let now = self.env.instant();
        let mut record = self.record.lock();
        let leading_since = *record.leading_since.get_or_insert(now);
        let mut news = Vec::new();
        for worker in metadata.workers() {
            let heard = record.heard.get(&worker.node).map_or(leading_since, |heard| heard.at);
            let status = self.verdict(now.elapsed_since(heard), worker.status);
            if status != worker.status {
                news.push(Command::SetWorkerStatus { worker: worker.node, status });
            }
        }
        if record.reported.is_none_or(|at| now.elapsed_since(at) >= REPORT_EVERY) {
            record.reported = Some(now);
            for (node, heard) in &record.heard {
                let known = metadata.worker(*node);
                if known.is_some_and(|worker| worth_reporting(&worker.loads, &heard.loads)) {
                    let shards = heard.loads.clone();
                    news.push(Command::ReportLoad { worker: *node, shards });
                }
            }
        }
        news
    }

    /// A worker that has been heard is alive; silence only ever worsens a verdict.
    fn verdict(&self, silence: Duration, known: WorkerStatus) -> WorkerStatus {
        if silence >= self.dead_after {
            WorkerStatus::Dead
        } else if silence >= self.suspect_after {
            match known {
                WorkerStatus::Dead => WorkerStatus::Dead,
                WorkerStatus::Alive | WorkerStatus::Suspect => WorkerStatus::Suspect,
            }
        } else {
            known
        }
    }

    /// Whether a worker that was just heard has to be declared alive again.
    pub(super) fn revives(worker: &WorkerRecord) -> bool {
        worker.status != WorkerStatus::Alive
    }
}

/// Whether replicated loads are too far from the truth: positions in the log do not count.
fn worth_reporting(replicated: &Loads, heard: &Loads) -> bool {
    replicated.len() != heard.len()
        || heard.iter().any(|(shard, now)| {
            replicated.get(shard).is_none_or(|then| {
                (then.documents, then.bytes, then.leads) != (now.documents, now.bytes, now.leads)
            })
        })
}
