//! Request ids: what makes a retried write apply once.
//!
//! A client numbers its writes to each group. A [`Ticket`] is one such number for as long as its
//! write is under way; dropping it settles the number, and the group may forget the answer. See
//! `raft::sessions` for the other half.
//!
//! Invariants:
//! 1. A number is used for one write only, however often that is sent.
//! 2. `observed` is noted when the ticket is made and never changes, since it has to be what was
//!    known *before* the first sending.
//!
//! Left out: sessions that outlive the client.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::env::Env;
use crate::types::{ClientId, GroupId, LogIndex, RequestId};

/// The numbering of one client.
#[derive(Clone)]
pub(super) struct Session(Arc<Shared>);

struct Shared {
    client: ClientId,
    groups: Mutex<BTreeMap<GroupId, Group>>,
}

#[derive(Default)]
struct Group {
    last: u64,
    under_way: BTreeSet<u64>,
    observed: LogIndex,
}

/// One number, taken while its write is under way.
pub(super) struct Ticket {
    session: Session,
    group: GroupId,
    pub(super) request: RequestId,
}

impl Session {
    pub(super) fn new(env: &Env) -> Session {
        let client = ClientId(env.random_u64());
        Session(Arc::new(Shared { client, groups: Mutex::default() }))
    }

    /// Takes the next number for a write to `group`.
    pub(super) fn begin(&self, group: GroupId) -> Ticket {
        let mut groups = self.0.groups.lock();
        let state = groups.entry(group).or_default();
        state.last += 1;
        let sequence = state.last;
        state.under_way.insert(sequence);
        let settled_below = state.under_way.first().copied().unwrap_or(sequence);
        let observed = state.observed;
        let request = RequestId { client: self.0.client, sequence, settled_below, observed };
        Ticket { session: self.clone(), group, request }
    }

    /// Notes that the group's log had reached `index` when it answered.
    pub(super) fn observe(&self, group: GroupId, index: LogIndex) {
        let mut groups = self.0.groups.lock();
        let state = groups.entry(group).or_default();
        state.observed = state.observed.max(index);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(state) = self.session.0.groups.lock().get_mut(&self.group) {
            state.under_way.remove(&self.request.sequence);
        }
    }
}

#[cfg(test)]
mod tests {
    //! Proves that numbers settle only when their writes are over.

    use super::Session;
    use crate::env::Env;
    use crate::types::{GroupId, LogIndex};

    #[test]
    fn settled_below_is_the_oldest_under_way() {
        let session = Session::new(&Env::memory());
        let group = GroupId(1);
        let first = session.begin(group);
        let second = session.begin(group);
        assert_eq!((first.request.sequence, second.request.settled_below), (1, 1));
        drop(first);
        session.observe(group, LogIndex(7));
        let third = session.begin(group);
        assert_eq!((third.request.settled_below, third.request.observed), (2, LogIndex(7)));
        assert_eq!(second.request.observed, LogIndex(0));
    }
}
