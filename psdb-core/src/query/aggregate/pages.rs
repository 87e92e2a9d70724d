//! Groups in pages, merged in the order of their keys.
//!
//! A shard hands its [`Groups`] out page by page, smallest keys first. Whoever asked holds a page of
//! each shard, joins the smallest key of all and gives it away before it looks at the next, so that
//! it never holds all groups.
//!
//! Invariant: a group is finished only when no shard can have more of it, which the caller keeps by
//! having the next page of every shard that has one before it takes the smallest.
//!
//! Left out: asking shards (`client`).

use super::{Aggregate, Group, Groups, too_large};
use crate::types::{Result, Value};

impl Groups {
    /// Takes off the groups of smallest keys: about so many bytes, at least one if there is one.
    #[must_use]
    pub fn take_page(&mut self, max_bytes: u64) -> Groups {
        let mut page = Groups::default();
        while page.bytes < max_bytes {
            let Some((key, group)) = self.groups.pop_first() else { break };
            let size = group.size();
            page.bytes += size;
            self.bytes = self.bytes.saturating_sub(size);
            page.groups.insert(key, group);
        }
        page
    }

    /// Takes the smallest key of all `parts` off each that has it: the key, and what was computed of
    /// all its documents. `None` if there is no group.
    ///
    /// # Errors
    ///
    /// [`crate::Error::QueryLimit`] when that one group takes too much memory.
    pub fn pop_smallest<'a>(
        parts: impl Iterator<Item = &'a mut Groups>,
        aggregate: &Aggregate,
    ) -> Result<Option<(Value, Value)>> {
        let mut parts: Vec<_> = parts.collect();
        let smallest = parts.iter().filter_map(|part| part.groups.keys().next()).min().cloned();
        let Some(smallest) = smallest else { return Ok(None) };
        let mut joined: Option<Group> = None;
        let mut bytes = 0;
        for part in &mut parts {
            let Some(group) = part.groups.remove(&smallest) else { continue };
            bytes += group.size();
            part.bytes = part.bytes.saturating_sub(group.size());
            if bytes > super::GROUP_BYTES {
                return Err(too_large(1));
            }
            match &mut joined {
                Some(joined) => joined.join(group, aggregate),
                None => joined = Some(group),
            }
        }
        Ok(joined.map(|group| group.finish(aggregate)))
    }
}
