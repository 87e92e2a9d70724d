//! The hash by which everything finds its place on a ring.
//!
//! Documents stay where this function put them, so it never changes; a better one would become
//! another [`HashVersion`], and databases would keep the version they were created with.
//!
//! Version 1 takes bytes to an unsigned 64-bit number. All arithmetic is modulo 2^64, `^` is
//! exclusive or, `>>` shifts zeros in.
//!
//! 1. FNV-1a: `h = 0xcbf29ce484222325`; for each byte `b` in order: `h = h ^ b`, then
//!    `h = h * 0x00000100000001b3`.
//! 2. Mixing: `h = h ^ (h >> 33)`; `h = h * 0xff51afd7ed558ccd`; `h = h ^ (h >> 33)`;
//!    `h = h * 0xc4ceb9fe1a85ec53`; `h = h ^ (h >> 33)`.
//!
//! FNV-1a alone leaves the high bits of short, similar keys alike, and a ring compares high bits
//! first. The mixing (the finalizer of MurmurHash3) spreads every bit over all others, and being
//! a bijection adds no collisions.
//!
//! | bytes              | hash                 |
//! |--------------------|----------------------|
//! | none               | `0xefd01f60ba992926` |
//! | `a`                | `0x82a2a958a9bece5b` |
//! | `foobar`           | `0x2c22194922d1672b` |
//! | `shard/0`          | `0x5296071deafbd3aa` |
//! | `film-1`           | `0x2f54ca34d96f6f37` |
//! | `0x00 0xff`        | `0xacb64f88d28b68b8` |
//!
//! Left out: resistance against chosen keys. Who may write can overload one shard with ids made
//! for it; a keyed hash would need a secret that every client knows.

use serde::{Deserialize, Serialize};

/// Which hash function a ring uses.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[non_exhaustive]
pub enum HashVersion {
    /// FNV-1a with 64 bits, followed by the finalizer of MurmurHash3.
    #[default]
    V1,
}

impl HashVersion {
    /// Hashes all bytes of `parts`, as if they were one sequence.
    pub(crate) fn hash(self, parts: &[&[u8]]) -> u64 {
        match self {
            HashVersion::V1 => mix(fnv_1a(parts)),
        }
    }
}

fn fnv_1a(parts: &[&[u8]]) -> u64 {
    parts.iter().copied().flatten().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn mix(mut hash: u64) -> u64 {
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    //! Proves that the hash is the specified one; the vectors were computed independently.

    use super::{HashVersion, fnv_1a};

    #[test]
    fn version_1_matches_its_vectors() {
        for (bytes, fnv, hash) in [
            (&b""[..], 0xcbf2_9ce4_8422_2325, 0xefd0_1f60_ba99_2926),
            (b"a", 0xaf63_dc4c_8601_ec8c, 0x82a2_a958_a9be_ce5b),
            (b"foobar", 0x8594_4171_f739_67e8, 0x2c22_1949_22d1_672b),
            (b"shard/0", 0x8add_9f73_fa5e_f094, 0x5296_071d_eafb_d3aa),
            (b"film-1", 0x6743_e6a9_0e03_0f89, 0x2f54_ca34_d96f_6f37),
            (b"\x00\xff", 0x0831_c907_b4ea_2b60, 0xacb6_4f88_d28b_68b8),
        ] {
            assert_eq!(fnv_1a(&[bytes]), fnv, "{bytes:?}");
            assert_eq!(HashVersion::V1.hash(&[bytes]), hash, "{bytes:?}");
        }
    }

    #[test]
    fn parts_hash_as_their_concatenation() {
        let whole = HashVersion::V1.hash(&[b"foobar"]);
        assert_eq!(HashVersion::V1.hash(&[b"foo", b"", b"bar"]), whole);
    }
}
