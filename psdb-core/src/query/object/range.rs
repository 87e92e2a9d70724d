//! `range(start, stop, step)`: numbers that are computed when they are asked for.
//!
//! Left out: bounds beyond 2^126, which `eval` refuses.

/// A range; its step is not 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::query) struct Range {
    pub(in crate::query) start: i128,
    pub(in crate::query) stop: i128,
    pub(in crate::query) step: i128,
}

impl Range {
    /// The largest magnitude of bounds and step; differences of two such fit.
    pub(in crate::query) const BOUND: i128 = 1 << 100;

    pub(in crate::query) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(in crate::query) fn len(&self) -> i128 {
        let (low, high, step) = match self.step {
            step if step > 0 => (self.start, self.stop, step),
            step => (self.stop, self.start, -step),
        };
        if high <= low { 0 } else { (high - low - 1) / step + 1 }
    }

    /// The number at `index`, which is within the length.
    pub(in crate::query) fn at(&self, index: i128) -> i128 {
        self.start + index * self.step
    }

    /// Where `value` stands.
    pub(in crate::query) fn position(&self, value: i128) -> Option<i128> {
        let distance = value.checked_sub(self.start)?;
        let index = distance / self.step;
        (distance % self.step == 0 && index >= 0 && index < self.len()).then_some(index)
    }
}
