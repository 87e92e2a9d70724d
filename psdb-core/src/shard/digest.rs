//! The 64-bit hash by which replicas are compared.
//!
//! Specification. All arithmetic is modulo 2^64; words are little-endian.
//!
//! ```text
//! K = 0x9e3779b97f4a7c15
//! step(h, w)  = (rotate_left(h, 23) xor w) * K
//! finish(h)   = x xor (x >> 31)  where  x = (y xor (y >> 27)) * 0x94d049bb133111eb
//!                                and    y = (h xor (h >> 30)) * 0xbf58476d1ce4e5b9
//! bytes(h, b) = step for each 8 bytes of b, the last of them filled up with zeros,
//!               then step(h, length of b)
//! hash(b)     = finish(bytes(K, b))
//! ```
//!
//! A database's digest is the sum of `hash` over the encoded forms of its stored documents, which
//! bear their ids and versions. A sum does not depend on the order in which they were written, so
//! each write adjusts it by what it removes and what it adds. The finishing permutation is
//! SplitMix64's (Steele, Lea, Flood, 2014); it keeps a sum of similar documents from cancelling.
//!
//! Left out: resistance against chosen collisions, which would need a keyed hash.

const K: u64 = 0x9e37_79b9_7f4a_7c15;

/// The hash of one stored document.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = Hasher::default();
    hasher.bytes(bytes);
    hasher.finish()
}

/// Hashes a sequence of numbers and byte strings.
pub(super) struct Hasher(u64);

impl Default for Hasher {
    fn default() -> Self {
        Hasher(K)
    }
}

impl Hasher {
    pub(super) fn number(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(K);
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.number(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            self.number(u64::from_le_bytes(last));
        }
        self.number(bytes.len() as u64);
    }

    pub(super) fn finish(&self) -> u64 {
        let y = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (y ^ (y >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }
}

#[cfg(test)]
mod tests {
    //! Proves that the function is the one specified: these values were computed by a second
    //! implementation, written from the specification alone.

    use super::hash;

    #[test]
    fn follows_its_specification() {
        let vectors: [(&[u8], u64); 5] = [
            (b"", 0x66e1_a30e_097d_f002),
            (b"a", 0xa52c_fa70_3560_60db),
            (b"a\0", 0x20d0_cfe6_f90b_4b99),
            (b"psdb-doc", 0x6bbc_d577_179e_2d9b),
            (b"psdb-document", 0x00a6_9ad8_dfac_90a5),
        ];
        for (bytes, expected) in vectors {
            assert_eq!(hash(bytes), expected, "{bytes:?}");
        }
    }
}
