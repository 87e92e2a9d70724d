//! Document ids: UUIDs of version 7 (RFC 9562), strictly increasing within one source.
//!
//! The 122 free bits are one counter: 48 bits of Unix milliseconds above 74 random bits. A new
//! millisecond draws new random bits; within one millisecond, or after the clock went back, the
//! counter goes up by a random step (RFC 9562, section 6.2, method 2). A carry out of the random
//! bits runs into the milliseconds, which keeps the order.
//!
//! Left out: parsing, and other versions.

use parking_lot::Mutex;

use super::random::SharedRandom;
use crate::types::Timestamp;

const RANDOM_BITS: u32 = 74;
/// Bits of the lower half of a UUID below its two variant bits.
const LOW_BITS: u32 = 62;

/// Where ids come from.
#[derive(Debug, Default)]
pub(crate) struct UuidSource {
    /// The counter of the last id given.
    last: Mutex<u128>,
}

impl UuidSource {
    /// The next id, greater than every one before it, in its hyphenated form.
    pub(crate) fn next(&self, now: Timestamp, random: &SharedRandom) -> String {
        let mut last = self.last.lock();
        let millis = u128::from(now.as_millis()) & 0xffff_ffff_ffff;
        *last = if millis > *last >> RANDOM_BITS {
            // The highest random bit stays 0, so that the counter has room to go up.
            let (high, low) = (u128::from(random.next() >> 55), u128::from(random.next()));
            millis << RANDOM_BITS | high << 64 | low
        } else {
            *last + 1 + u128::from(random.next() >> 32)
        };
        format_counter(*last)
    }
}

/// Lays a counter out around the version and the variant.
fn format_counter(counter: u128) -> String {
    let millis = counter >> RANDOM_BITS;
    let random_a = counter >> LOW_BITS & 0xfff;
    let random_b = counter & ((1 << LOW_BITS) - 1);
    let hex =
        format!("{:032x}", millis << 80 | 7 << 76 | random_a << 64 | 2 << LOW_BITS | random_b);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    //! Proves the layout against the RFC's example, and the order under a clock that goes back.

    use super::*;

    #[test]
    fn lays_the_example_of_the_rfc_out() {
        // RFC 9562, appendix A.6.
        let counter =
            0x017f_22e2_79b0_u128 << RANDOM_BITS | 0xcc3 << LOW_BITS | 0x18c4_dc0c_0c07_398f_u128;
        assert_eq!(format_counter(counter), "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
    }

    #[test]
    fn grows_even_when_the_clock_goes_back() {
        let (source, random) = (UuidSource::default(), SharedRandom::seeded(1));
        let ids: Vec<String> = (0..1_000)
            .map(|i| source.next(Timestamp(1_000_000 + i % 7 - i / 100), &random))
            .collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn a_carry_runs_into_the_milliseconds() {
        let (source, random) = (UuidSource::default(), SharedRandom::seeded(1));
        *source.last.lock() = 5 << RANDOM_BITS | ((1 << RANDOM_BITS) - 1);
        let id = source.next(Timestamp(5), &random);
        assert!(id.starts_with("00000000-0006-7000-8"), "{id}");
    }
}
