//! Newtypes for everything that has an identity.
//!
//! Numbers of different kinds never mix: a `ShardId` becomes a `GroupId` only through
//! [`GroupId::of_shard`]. All of them are plain data, ordered and serializable.
//!
//! Invariants:
//! 1. A `DatabaseId` is never reused, not even after the database was deleted.
//! 2. A node's `NodeId` is a pure function of its name (FNV-1a, 64 bit), so that every process
//!    derives the same one without asking; the masters refuse a name that collides.
//!
//! Left out: generation of ids, which needs randomness and lives in `env`.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident($inner:ty), $prefix:literal) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    };
}

number_id!(
    /// One shard of the cluster: a slice of all documents, numbered from 0.
    ShardId(u32), ""
);
number_id!(
    /// One Raft group: 0 is the masters' metadata, shard `n` is group `n + 1`.
    GroupId(u64), ""
);
number_id!(
    /// One database for ever: never reused, so a stale worker cannot write into a successor.
    DatabaseId(u64), ""
);
number_id!(
    /// The version of the shard map; it grows with every change of placement.
    Epoch(u64), ""
);
number_id!(
    /// A position in a Raft group's log, from 1.
    LogIndex(u64), ""
);
number_id!(
    /// A Raft term.
    Term(u64), ""
);
number_id!(
    /// One client session, drawn at random when the client is made.
    ClientId(u64), ""
);

impl GroupId {
    /// The masters' metadata group.
    pub const METADATA: GroupId = GroupId(0);

    /// The group that replicates `shard`.
    pub const fn of_shard(shard: ShardId) -> GroupId {
        GroupId(shard.0 as u64 + 1)
    }

    /// The shard this group replicates, or `None` for the metadata group.
    pub const fn shard(self) -> Option<ShardId> {
        match self.0 {
            0 => None,
            n => Some(ShardId((n - 1) as u32)),
        }
    }
}

/// A node's number inside Raft, derived from its name.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct NodeId(pub u64);

impl NodeId {
    /// Derives the number of the node called `name` (FNV-1a, 64 bit, over its UTF-8 bytes).
    ///
    /// # Examples
    ///
    /// ```
    /// use psdb_core::NodeId;
    /// assert_eq!(NodeId::from_name("worker-1"), NodeId::from_name("worker-1"));
    /// assert_ne!(NodeId::from_name("worker-1"), NodeId::from_name("worker-2"));
    /// ```
    pub fn from_name(name: &str) -> NodeId {
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        NodeId(hash)
    }

    /// The number of the replica that was begun for this worker in the map of epoch `birth`; of a
    /// founding replica (birth 0), the worker's own.
    ///
    /// A replica that was taken away and is given again must not vote with what it has forgotten,
    /// so it comes back as another member: messages to its predecessor do not reach it.
    #[must_use]
    pub fn replica(self, birth: Epoch) -> NodeId {
        if birth.0 == 0 {
            return self;
        }
        NodeId::from_name(&format!("{self}/{}", birth.0))
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Wraps `text` as it is; validity is checked where a user's text enters.
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self::new(text)
            }
        }
    };
}

text_id!(
    /// Where a node is reached: a name in process, `host:port` over a network.
    Address
);
text_id!(
    /// A document's `_id`: 1 to 512 bytes of UTF-8, unique within its database.
    DocumentId
);
text_id!(
    /// An index's name, unique within its database; by default its fields joined with commas.
    IndexName
);

/// Names one write for ever, so that a retry of it is applied at most once.
///
/// A client counts its requests to one group from 1. `settled_below` says that every lower number
/// of this client has been answered, so that their replies may be forgotten; `observed` is the
/// highest log index of the group which the client had seen when it *first* sent the request:
/// a session evicted after that index may have held this very request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestId {
    /// Who asks.
    pub client: ClientId,
    /// Which of the client's requests to this group, from 1.
    pub sequence: u64,
    /// Every lower sequence of this client has been answered.
    pub settled_below: u64,
    /// The group's log index known to the client when it first sent this request; 0 for none.
    pub observed: LogIndex,
}
