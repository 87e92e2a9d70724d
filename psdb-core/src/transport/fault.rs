//! What may happen to a message on its way: cuts, loss, delay, duplication.
//!
//! The rules are looked at once per message and direction. Chances are drawn from the network's
//! [`Env`], so one seed gives one sequence of accidents.
//!
//! Left out: damage to bytes, which frames turn into loss.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::env::Env;
use crate::types::Address;

/// What becomes of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It vanishes; nobody is told.
    Lost,
    /// It arrives after `delay`, maybe `twice`.
    Delivered { delay: Duration, twice: bool },
}

/// The rules in force.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    /// Directed pairs between which nothing passes.
    cuts: BTreeSet<(Address, Address)>,
    pub(super) paused: BTreeSet<Address>,
    pub(super) drop_percent: u8,
    pub(super) duplicate_percent: u8,
    pub(super) delay: (Duration, Duration),
}

impl Faults {
    pub(super) fn cut(&mut self, from: &[Address], to: &[Address]) {
        for from in from {
            self.cuts.extend(to.iter().map(|to| (from.clone(), to.clone())));
        }
    }

    pub(super) fn fate(&self, env: &Env, from: &Address, to: &Address) -> Fate {
        let cut = self.cuts.contains(&(from.clone(), to.clone()));
        if cut || self.paused.contains(from) || self.paused.contains(to) {
            return Fate::Lost;
        }
        if happens(env, self.drop_percent) {
            return Fate::Lost;
        }
        let (shortest, longest) = self.delay;
        let span = longest.saturating_sub(shortest);
        let delay =
            if span.is_zero() { shortest } else { shortest + span.mul_f64(env.random_unit()) };
        Fate::Delivered { delay, twice: happens(env, self.duplicate_percent) }
    }
}

fn happens(env: &Env, percent: u8) -> bool {
    percent > 0 && env.random_below(100) < u64::from(percent)
}
