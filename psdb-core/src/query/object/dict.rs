//! Dicts and sets: entries in the order they came, found by hash.
//!
//! Small ones are searched from front to back; larger ones keep positions by hash.
//!
//! Invariants:
//! 1. No two keys are equal; the first of equal keys stays, the last value wins, as in Python.
//! 2. `positions` is empty up to [`SMALL`] entries, and complete beyond.
//!
//! Left out: removing.

use std::collections::BTreeMap;

use super::Object;
use super::compare::equal;
use super::hash::hash;
use crate::query::meter::Meter;
use crate::query::raised::Eval;

const SMALL: usize = 8;

/// A dict; a set is one whose values are `None`.
#[derive(Clone, Debug, Default)]
pub(in crate::query) struct Dict<'a> {
    entries: Vec<(Object<'a>, Object<'a>)>,
    positions: BTreeMap<u64, Vec<u32>>,
}

impl<'a> Dict<'a> {
    pub(in crate::query) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(in crate::query) fn entries(&self) -> &[(Object<'a>, Object<'a>)] {
        &self.entries
    }

    pub(in crate::query) fn keys(&self) -> impl Iterator<Item = &Object<'a>> {
        self.entries.iter().map(|(key, _)| key)
    }

    fn position(&self, key: &Object<'a>, hash: u64, meter: &Meter) -> Eval<Option<usize>> {
        if self.entries.len() <= SMALL {
            for (at, (other, _)) in self.entries.iter().enumerate() {
                if equal(other, key, meter)? {
                    return Ok(Some(at));
                }
            }
            return Ok(None);
        }
        for at in self.positions.get(&hash).into_iter().flatten() {
            if equal(&self.entries[*at as usize].0, key, meter)? {
                return Ok(Some(*at as usize));
            }
        }
        Ok(None)
    }

    /// The value of `key`.
    ///
    /// # Errors
    ///
    /// A `TypeError` when `key` has no hash.
    pub(in crate::query) fn get(
        &self,
        key: &Object<'a>,
        meter: &Meter,
    ) -> Eval<Option<&Object<'a>>> {
        let hash = hash(key, meter)?;
        Ok(self.position(key, hash, meter)?.map(|at| &self.entries[at].1))
    }

    pub(in crate::query) fn contains(&self, key: &Object<'a>, meter: &Meter) -> Eval<bool> {
        Ok(self.get(key, meter)?.is_some())
    }

    /// Sets the value of `key`.
    ///
    /// # Errors
    ///
    /// A `TypeError` when `key` has no hash.
    pub(in crate::query) fn insert(
        &mut self,
        key: Object<'a>,
        value: Object<'a>,
        meter: &Meter,
    ) -> Eval<()> {
        let hash = hash(&key, meter)?;
        if let Some(at) = self.position(&key, hash, meter)? {
            self.entries[at].1 = value;
            return Ok(());
        }
        meter.allocate(160)?;
        self.entries.push((key, value));
        let len = self.entries.len();
        if len == SMALL + 1 {
            for at in 0..len {
                let hash = super::hash::hash(&self.entries[at].0, meter)?;
                self.positions.entry(hash).or_default().push(at as u32);
            }
        } else if len > SMALL {
            self.positions.entry(hash).or_default().push(len as u32 - 1);
        }
        Ok(())
    }

    /// Adds `key` to a set.
    pub(in crate::query) fn add(&mut self, key: Object<'a>, meter: &Meter) -> Eval<()> {
        self.insert(key, Object::None, meter)
    }
}
