//! Randomness: one generator per [`Env`](super::Env), and one per thread for the Raft library.
//!
//! The Raft library draws its election timeouts from a static function that knows no `Env`.
//! [`ThreadRandom`] is what that function hands out: the calling thread's own generator, which
//! [`seed_thread`] makes repeatable. A thread that was never seeded takes its seed from the
//! operating system.
//!
//! The generator behind `Env` is ChaCha, seeded by the operating system outside of simulations, so
//! that a key may be drawn from it.
//!
//! Left out: wiping of what was drawn from memory.

use std::cell::RefCell;
use std::fmt;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Error, Rng, RngCore, SeedableRng};

thread_local! {
    static THREAD: RefCell<Option<StdRng>> = const { RefCell::new(None) };
}

/// Seeds the calling thread's generator, so that its [`ThreadRandom`] repeats itself.
///
/// # Examples
///
/// ```
/// use psdb_core::env::random::{ThreadRandom, seed_thread};
/// use rand::RngCore;
///
/// seed_thread(7);
/// let first = ThreadRandom.next_u64();
/// seed_thread(7);
/// assert_eq!(ThreadRandom.next_u64(), first);
/// ```
pub fn seed_thread(seed: u64) {
    THREAD.with_borrow_mut(|generator| *generator = Some(StdRng::seed_from_u64(seed)));
}

/// The calling thread's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThreadRandom;

impl ThreadRandom {
    fn with<T>(draw: impl FnOnce(&mut StdRng) -> T) -> T {
        THREAD.with_borrow_mut(|generator| draw(generator.get_or_insert_with(StdRng::from_entropy)))
    }
}

impl RngCore for ThreadRandom {
    fn next_u32(&mut self) -> u32 {
        ThreadRandom::with(RngCore::next_u32)
    }

    fn next_u64(&mut self) -> u64 {
        ThreadRandom::with(RngCore::next_u64)
    }

    fn fill_bytes(&mut self, dest: &mut [u8]) {
        ThreadRandom::with(|generator| generator.fill_bytes(dest));
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Error> {
        ThreadRandom::with(|generator| generator.try_fill_bytes(dest))
    }
}

/// A generator shared by everything that has one `Env`.
pub(crate) struct SharedRandom(Mutex<StdRng>);

impl SharedRandom {
    /// A generator with a seed of the operating system's.
    pub(crate) fn from_os() -> SharedRandom {
        SharedRandom(Mutex::new(StdRng::from_entropy()))
    }

    /// A generator whose numbers are a function of `seed`.
    pub(crate) fn seeded(seed: u64) -> SharedRandom {
        SharedRandom(Mutex::new(StdRng::seed_from_u64(seed)))
    }

    /// A number, every value being equally likely.
    pub(crate) fn next(&self) -> u64 {
        self.0.lock().next_u64()
    }

    /// A number below `n`, which is not 0.
    pub(crate) fn below(&self, n: u64) -> u64 {
        self.0.lock().gen_range(0..n)
    }

    /// A number from 0 to 1, of 53 random bits, 1 excluded.
    pub(crate) fn unit(&self) -> f64 {
        const STEP: f64 = 1.0 / (1_u64 << 53) as f64;
        (self.next() >> 11) as f64 * STEP
    }
}

impl fmt::Debug for SharedRandom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedRandom")
    }
}
