//! The consistent-hash ring. (Being written.)
use serde::{Deserialize, Serialize};

/// The parameters of a ring, stored with whatever is placed by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RingSpec {
    /// Points per member.
    pub virtual_nodes: u32,
}
