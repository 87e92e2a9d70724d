//! A master introduces itself to the others, at every start, before it may vote; and answers those
//! who do.
//!
//! ```text
//! start ─► ask all, round after round ─► enough have welcomed us ─► our replica starts
//!              └─► one refuses: we must not vote                      │
//!                                          ask every voter until each has noted us
//! ```
//! Whose welcome is enough:
//!
//! - *A member of the group*, whose log has entries: a majority, itself counted, since without one
//!   it could do nothing anyway. Those who have never had a replica do not count: they would welcome
//!   anybody.
//! - *A founder*: **all** others that it was told of. Two of three that were wiped must not found a
//!   new cluster beside the third, who has everything. The first start of a cluster waits for its
//!   slowest master; no later start does.
//! - *One that joins, or comes late to a founding*: one who is a member.
//!
//! Everybody answers from its own disk (`roll`), whether its own replica runs or not. So masters that
//! all start at once, as after a power cut, let each other in.
//!
//! Invariants:
//! 1. No replica of a master runs before it was let in, so it neither votes nor acknowledges.
//! 2. A refusal at any time, also later, ends the master.
//!
//! Left out: a wiped or restored master whose only reachable peers have themselves been away since
//! before its last start, and a copy no older than [`TELL_EVERY`] and its last start. Nobody who knows
//! better can be asked then.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::MasterOptions;
use super::roll::{Roll, log_lost};
use crate::codec::frame;
use crate::env::{Env, Task};
use crate::metadata::Metadata;
use crate::raft::{Group, GroupStatus, LogHome};
use crate::storage::Directory;
use crate::transport::message::{Introduction, MasterRequest, MasterResponse, Reply, Stage};
use crate::transport::{Message, Service, Transport};
use crate::types::{Address, Error, GroupId, LogIndex, NodeId, Result};

/// How long one master may take to answer.
const ASK_TIMEOUT: Duration = Duration::from_secs(1);
/// The pause after the first round; it doubles from there.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// The longest pause between two rounds.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// After so many rounds somebody is told whom we wait for.
const PATIENT_ROUNDS: u32 = 8;
/// How often a master that was let in looks whether all voters know it.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often the others are told how far its log has got, if it has got any further.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// How a master begins once it was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// It founds the group, with all others that do.
    Found,
    /// There is a group already.
    Follow,
}

/// One master's dealings with the others.
pub(super) struct Introductions {
    env: Env,
    directory: Directory,
    transport: Arc<dyn Transport>,
    name: String,
    address: Address,
    joins: bool,
    /// The other masters, as configured.
    told: BTreeSet<Address>,
    /// Drawn at this start.
    start: u64,
    roll: Roll,
    progress: Mutex<Progress>,
    /// Set when the roll could not be written.
    failure: watch::Sender<Option<Error>>,
}

/// How far this master has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Progress {
    stage: Stage,
    /// Where its log ended when it started, or ends now.
    reached: LogIndex,
    /// How much of it is applied.
    applied: LogIndex,
}

enum Answer {
    Welcome(Stage),
    Refused(Error),
    Silence,
}

impl Introductions {
    /// Reads the roll and looks how far this master has got.
    ///
    /// # Errors
    ///
    /// [`Error::WrongIdentity`] when its log is gone; [`Error::Corrupt`], [`Error::Storage`].
    pub(super) async fn open(
        options: &MasterOptions,
        env: &Env,
        directory: &Directory,
        home: &LogHome,
        transport: &Arc<dyn Transport>,
    ) -> Result<Introductions> {
        let roll = Roll::open(directory.clone()).await?;
        let reached = home.reached(GroupId::METADATA).await?;
        let stage = if reached.is_some() {
            Stage::Member
        } else if home.known_groups().contains_key(&GroupId::METADATA) {
            Stage::Entered
        } else if roll.has_entered() {
            return Err(log_lost(&options.name, directory));
        } else {
            Stage::New
        };
        let others = options.masters.iter().filter(|(name, _)| **name != options.name);
        let told = others.map(|(_, address)| address.clone()).collect();
        let reached = reached.unwrap_or(LogIndex(0));
        let own = options.masters.get(&options.name).cloned();
        Ok(Introductions {
            env: env.clone(),
            directory: directory.clone(),
            transport: transport.clone(),
            name: options.name.clone(),
            address: own.unwrap_or_else(|| Address::from(options.name.as_str())),
            joins: options.join,
            told,
            start: env.random_u64(),
            roll,
            progress: Mutex::new(Progress { stage, reached, applied: LogIndex(0) }),
            failure: watch::channel(None).0,
        })
    }

    /// What masters are called, as far as they have introduced themselves.
    pub(super) fn names(&self) -> BTreeMap<NodeId, String> {
        let mut names = self.roll.names();
        names.insert(NodeId::from_name(&self.name), self.name.clone());
        names
    }

    /// Answers one who introduces himself.
    pub(super) async fn answer(&self, who: &Introduction) -> Bytes {
        let reply = match self.roll.admit(who).await {
            Ok(()) => Reply::Done(MasterResponse::Introduced(self.stage())),
            Err(error) => {
                let (own, name) = (&self.name, &who.name);
                tracing::warn!(master = %own, %name, %error, "a master is not let in");
                if let Error::Storage { .. } = error {
                    self.failure.send_replace(Some(error.clone()));
                }
                Reply::Failed(error)
            }
        };
        frame::encode(&reply)
    }

    /// Waits until the roll could not be written. As after any such failure, nothing is known of the
    /// disk then.
    pub(super) async fn failed(&self) -> Error {
        let mut failure = self.failure.subscribe();
        match failure.wait_for(Option::is_some).await.map(|error| error.clone()) {
            Ok(Some(error)) => error,
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// How this master begins if there is nobody to ask; `None` if there is somebody.
    pub(super) fn alone(&self) -> Option<Entry> {
        self.others().is_empty().then_some(if self.joins { Entry::Follow } else { Entry::Found })
    }

    /// Waits until the others let this master in.
    ///
    /// # Errors
    ///
    /// [`Error::WrongIdentity`] as soon as one of them refuses.
    pub(super) async fn until_let_in(&self) -> Result<Entry> {
        let mut heard = BTreeMap::new();
        let mut rounds = 0;
        loop {
            let others = self.others();
            self.ask_all(&others, &mut heard).await?;
            let voters = self.roll.voters().len();
            let masters = if voters == 0 { self.told.len() + 1 } else { voters };
            let stage = self.stage();
            if let Some(entry) = decide(stage, self.joins, &self.told, masters, &heard) {
                return Ok(entry);
            }
            rounds += 1;
            if rounds == PATIENT_ROUNDS {
                let silent = others.iter().filter(|other| !heard.contains_key(*other));
                let silent: Vec<&str> = silent.map(Address::as_str).collect();
                tracing::warn!(
                    master = %self.name, waits_for = ?silent,
                    "not enough other masters have answered yet; this one takes no part until then"
                );
            }
            let pause = (FIRST_PAUSE * 2_u32.pow(rounds.min(10))).min(LONGEST_PAUSE);
            self.env.sleep(pause.mul_f64(0.5 + self.env.random_unit() / 2.0)).await;
        }
    }

    /// Notes that this master's replica is about to start, in the log first and in the roll then.
    pub(super) async fn enter(&self, home: &LogHome) -> Result<()> {
        if self.stage() == Stage::New {
            home.claim(GroupId::METADATA, Some(NodeId::from_name(&self.name))).await?;
            self.progress.lock().stage = Stage::Entered;
        }
        self.roll.note_entered(&self.told).await
    }

    /// Follows the group: keeps the roll up to date and introduces this master to every voter.
    ///
    /// # Errors
    ///
    /// [`Error::WrongIdentity`] when one of them knows better than those who let it in.
    pub(super) async fn go_on(&self, group: &Group<Metadata>) -> Result<Infallible> {
        let mut noted_by = BTreeSet::new();
        let mut told = self.env.instant();
        loop {
            let now = self.env.instant();
            let status = group.status();
            if now.elapsed_since(told) >= TELL_EVERY || self.is_promoted(group) {
                if self.note_progress(group, &status) {
                    noted_by.clear();
                }
                told = now;
            }
            let mut voters = status.voters;
            let alone = voters.len() <= 1 && self.told.is_empty() && self.roll.voters().is_empty();
            if voters.contains_key(&group.node()) && !alone {
                self.roll.follow(&voters, group.state().retired_masters()).await?;
            }
            voters.remove(&group.node());
            let voters: BTreeSet<Address> = voters.into_values().collect();
            noted_by.retain(|address| voters.contains(address));
            let new: BTreeSet<_> = voters.difference(&noted_by).cloned().collect();
            let mut heard = BTreeMap::new();
            self.ask_all(&new, &mut heard).await?;
            noted_by.extend(heard.into_keys());
            self.env.sleep(LOOK_EVERY).await;
        }
    }

    fn stage(&self) -> Stage {
        self.progress.lock().stage
    }

    /// Whether the log has got its first entry since the others were told last.
    fn is_promoted(&self, group: &Group<Metadata>) -> bool {
        self.stage() < Stage::Member && group.is_initialized()
    }

    /// Takes down how far the replica has got; returns whether that is news.
    fn note_progress(&self, group: &Group<Metadata>, status: &GroupStatus) -> bool {
        let mut progress = self.progress.lock();
        let stage = if group.is_initialized() { Stage::Member } else { progress.stage };
        let now = Progress { stage, reached: status.last_log, applied: status.applied };
        std::mem::replace(&mut *progress, now) != now
    }

    /// Everybody who may know this master.
    fn others(&self) -> BTreeSet<Address> {
        let mut others = self.roll.addresses();
        others.extend(self.told.iter().cloned());
        others.remove(&self.address);
        others
    }

    async fn ask_all(
        &self,
        others: &BTreeSet<Address>,
        heard: &mut BTreeMap<Address, Stage>,
    ) -> Result<()> {
        let (identity, progress) = (self.directory.identity(), *self.progress.lock());
        let request = MasterRequest::Introduce(Introduction {
            name: self.name.clone(),
            address: self.address.clone(),
            directory: identity.directory,
            incarnation: identity.incarnation,
            start: self.start,
            cluster: identity.cluster,
            stage: progress.stage,
            reached: progress.reached,
            applied: progress.applied,
            joins: self.joins,
        });
        let body = frame::encode(&request);
        let asked: Vec<(Address, Task<Answer>)> = others
            .iter()
            .map(|address| {
                let asked = ask(self.transport.clone(), address.clone(), body.clone());
                (address.clone(), self.env.spawn(asked))
            })
            .collect();
        for (address, answer) in asked {
            match answer.await {
                Ok(Answer::Welcome(stage)) => {
                    heard.insert(address, stage);
                }
                Ok(Answer::Refused(error)) => return Err(error),
                Ok(Answer::Silence) | Err(_) => {}
            }
        }
        Ok(())
    }
}

async fn ask(transport: Arc<dyn Transport>, address: Address, body: Bytes) -> Answer {
    let message =
        Message { service: Service::Master, group: GroupId::METADATA, timeout: ASK_TIMEOUT, body };
    let Ok(reply) = transport.call(&address, message).await else { return Answer::Silence };
    match frame::decode::<Reply<MasterResponse>>(&reply) {
        Ok(Reply::Done(MasterResponse::Introduced(stage))) => Answer::Welcome(stage),
        Ok(Reply::Failed(error @ Error::WrongIdentity { .. })) => Answer::Refused(error),
        _ => Answer::Silence,
    }
}

/// Whether those who were heard are enough to begin; nobody has refused.
fn decide(
    stage: Stage,
    joins: bool,
    told: &BTreeSet<Address>,
    masters: usize,
    heard: &BTreeMap<Address, Stage>,
) -> Option<Entry> {
    let among_members = heard.values().any(|stage| *stage == Stage::Member);
    if stage == Stage::Member {
        let entered = heard.values().filter(|stage| **stage >= Stage::Entered).count();
        return (entered >= masters / 2).then_some(Entry::Follow);
    }
    if among_members || joins {
        return among_members.then_some(Entry::Follow);
    }
    // One who has entered a founding had heard of all, us included.
    let begun = told.iter().any(|address| heard.get(address) == Some(&Stage::Entered));
    let complete = told.iter().all(|address| heard.contains_key(address));
    (begun || complete).then_some(Entry::Found)
}

#[cfg(test)]
mod tests {
    //! Proves whose welcome is enough.

    use super::*;

    const NEW: Stage = Stage::New;
    const ENTERED: Stage = Stage::Entered;
    const MEMBER: Stage = Stage::Member;

    fn decision(stage: Stage, joins: bool, heard: &[(&str, Stage)]) -> Option<Entry> {
        let told = BTreeSet::from(["m2".into(), "m3".into()]);
        let heard = heard.iter().map(|(address, stage)| ((*address).into(), *stage)).collect();
        decide(stage, joins, &told, 3, &heard)
    }

    #[test]
    fn a_member_needs_a_majority_of_those_who_can_know() {
        assert_eq!(decision(MEMBER, false, &[]), None);
        assert_eq!(decision(MEMBER, false, &[("m2", NEW), ("m3", NEW)]), None);
        assert_eq!(decision(MEMBER, false, &[("m2", ENTERED)]), Some(Entry::Follow));
        assert_eq!(decision(MEMBER, false, &[("m9", MEMBER)]), Some(Entry::Follow));
        let five =
            decide(MEMBER, false, &BTreeSet::new(), 5, &BTreeMap::from([("m2".into(), MEMBER)]));
        assert_eq!(five, None);
        assert_eq!(
            decide(MEMBER, false, &BTreeSet::new(), 1, &BTreeMap::new()),
            Some(Entry::Follow)
        );
    }

    #[test]
    fn a_founder_needs_all() {
        for stage in [NEW, ENTERED] {
            assert_eq!(decision(stage, false, &[]), None);
            assert_eq!(decision(stage, false, &[("m2", NEW)]), None);
            assert_eq!(decision(stage, false, &[("m2", NEW), ("m3", NEW)]), Some(Entry::Found));
            // Somebody had heard of all.
            assert_eq!(decision(stage, false, &[("m2", ENTERED)]), Some(Entry::Found));
            assert_eq!(decision(stage, false, &[("m9", ENTERED)]), None);
            assert_eq!(decision(stage, false, &[("m2", MEMBER)]), Some(Entry::Follow));
        }
    }

    #[test]
    fn one_that_joins_needs_a_member_and_founds_nothing() {
        for stage in [NEW, ENTERED] {
            assert_eq!(decision(stage, true, &[("m2", ENTERED), ("m3", NEW)]), None);
            assert_eq!(decision(stage, true, &[("m2", MEMBER)]), Some(Entry::Follow));
        }
    }
}
