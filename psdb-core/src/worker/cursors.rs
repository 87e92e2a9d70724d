//! Cursors: queries whose next page is still to be fetched.
//!
//! A cursor owns an O(1) snapshot of its shard, so all pages of a query show one state and the
//! writer is never held up. It is forgotten when its last page was fetched, when it is closed, or
//! when nobody asked for a page for [`IDLE`].
//!
//! Invariants:
//! 1. A cursor is used by one request at a time: it is taken out and put back.
//! 2. At most [`LIMIT`] cursors exist; one more is refused.
//!
//! Left out: cursors that survive a restart (the issue on indexes and paging).

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;

use crate::env::{Env, Instant};
use crate::query::Execution;
use crate::shard::DatabaseView;
use crate::types::{Address, Error, Result, ShardId};

/// How long an unused cursor lives.
const IDLE: Duration = Duration::from_mins(1);
/// How many cursors a worker keeps.
const LIMIT: usize = 1_024;

struct Held {
    shard: ShardId,
    execution: Execution<DatabaseView>,
    used: Instant,
}

pub(super) struct Cursors {
    env: Env,
    node: Address,
    held: Mutex<BTreeMap<u64, Held>>,
}

impl Cursors {
    pub(super) fn new(env: Env, node: Address) -> Cursors {
        Cursors { env, node, held: Mutex::default() }
    }

    /// Keeps `execution` under `cursor`, or under a new number.
    pub(super) fn keep(
        &self,
        cursor: Option<u64>,
        shard: ShardId,
        execution: Execution<DatabaseView>,
    ) -> Result<u64> {
        let cursor = cursor.unwrap_or_else(|| self.env.random_u64());
        let mut held = self.held.lock();
        if held.len() >= LIMIT {
            return Err(Error::Overloaded {
                what: format!("{} (open cursors)", self.node),
                waiting: held.len() as u64,
                limit: LIMIT as u64,
            });
        }
        held.insert(cursor, Held { shard, execution, used: self.env.instant() });
        Ok(cursor)
    }

    /// Takes the cursor out; whoever has more pages puts it back.
    pub(super) fn take(&self, cursor: u64, shard: ShardId) -> Result<Execution<DatabaseView>> {
        let mut held = self.held.lock();
        match held.remove(&cursor) {
            Some(found) if found.shard == shard => Ok(found.execution),
            _ => Err(Error::CursorExpired { what: format!("shard {shard} on {}", self.node) }),
        }
    }

    pub(super) fn close(&self, cursor: u64) {
        self.held.lock().remove(&cursor);
    }

    /// Forgets what nobody asks for any more.
    pub(super) fn sweep(&self) {
        let now = self.env.instant();
        self.held.lock().retain(|_, held| now.elapsed_since(held.used) < IDLE);
    }
}
