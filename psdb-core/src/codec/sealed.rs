//! Bytes that travel through strangers' hands and come back: made into text that cannot be changed.
//!
//! ```text
//! base64url( | payload | SipHash-2-4-128 of it under the key, 16 bytes | )
//! ```
//! The payload is authenticated, not hidden. SipHash with a secret key is a function made for that:
//! nobody without the key finds the tag of a payload of his own.
//!
//! Invariant: what [`PageKey::open`] returns was sealed under the same key, bit for bit.
//!
//! Left out: who keeps the key (`metadata`), what is sealed (`client`).

use std::fmt;

use serde::{Deserialize, Serialize};
use siphasher::sip128::SipHasher24;

const TAG_BYTES: usize = 16;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The secret that authenticates tokens of pages, the same on all nodes of a cluster.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageKey([u8; 16]);

impl PageKey {
    /// A key of these bytes, which have to be random.
    pub fn new(bytes: [u8; 16]) -> PageKey {
        PageKey(bytes)
    }

    /// Makes `payload` a text of letters, digits, `-` and `_`.
    ///
    /// # Examples
    ///
    /// ```
    /// use psdb_core::codec::PageKey;
    ///
    /// let key = PageKey::new(*b"sixteen secrets!");
    /// let text = key.seal(b"after 41");
    /// assert_eq!(key.open(&text).as_deref(), Some(&b"after 41"[..]));
    /// assert_eq!(PageKey::new([0; 16]).open(&text), None);
    /// ```
    pub fn seal(&self, payload: &[u8]) -> String {
        let tag = self.tag(payload);
        encode(&[payload, &tag].concat())
    }

    /// The payload of a text that was sealed under this key; `None` for any other text.
    pub fn open(&self, text: &str) -> Option<Vec<u8>> {
        let mut bytes = decode(text)?;
        let tag = bytes.split_off(bytes.len().checked_sub(TAG_BYTES)?);
        // All bytes are looked at, so that the time taken says nothing about how many agree.
        let wrong = tag.iter().zip(self.tag(&bytes)).fold(0, |wrong, (a, b)| wrong | (a ^ b));
        (wrong == 0).then_some(bytes)
    }

    fn tag(&self, payload: &[u8]) -> [u8; TAG_BYTES] {
        SipHasher24::new_with_key(&self.0).hash(payload).as_bytes()
    }
}

impl fmt::Debug for PageKey {
    /// Keeps the key out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PageKey(..)")
    }
}

/// Base64 with the alphabet of URLs, without padding (RFC 4648, section 5).
fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            let sextet = (bits >> (18 - 6 * place)) & 63;
            text.push(char::from(ALPHABET[sextet as usize]));
        }
    }
    text
}

/// The bytes of a text that [`encode`] made; `None` for any other.
fn decode(text: &str) -> Option<Vec<u8>> {
    let value = |byte: u8| {
        let position = ALPHABET.iter().position(|known| *known == byte)?;
        u32::try_from(position).ok()
    };
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for chunk in text.as_bytes().chunks(4) {
        let mut bits = 0;
        for byte in chunk {
            bits = bits << 6 | value(*byte)?;
        }
        bits <<= 6 * (4 - chunk.len());
        let whole = chunk.len() * 6 / 8;
        let [_, parts @ ..] = bits.to_be_bytes();
        let (kept, rest) = parts.split_at(whole);
        // A text of another length, or with bits to spare, is not what was made.
        if chunk.len() == 1 || rest.iter().any(|byte| *byte != 0) {
            return None;
        }
        bytes.extend_from_slice(kept);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    //! Proves that texts read back, that no change of one goes unnoticed, and that the function is
    //! the published one.

    use proptest::prelude::*;

    use super::{PageKey, decode, encode};

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg"),
            ("fo", "Zm8"),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg"),
            ("fooba", "Zm9vYmE"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encode(bytes.as_bytes()), text);
            assert_eq!(decode(text).as_deref(), Some(bytes.as_bytes()));
        }
        assert_eq!(encode(&[0xfb, 0xff]), "-_8");
        for wrong in ["Z", "Zh", "Zm9", "Zm9vY", "Zm9v=", "Zm9 ", "é"] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_tag_is_the_published_function() {
        // The first of the reference implementation's vectors for 128 bits: key 0 to 15, no input.
        let key = PageKey::new(std::array::from_fn(|byte| byte as u8));
        let expected = [
            0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55,
            0x02, 0x93,
        ];
        assert_eq!(key.tag(&[]), expected);
        assert_eq!(format!("{key:?}"), "PageKey(..)");
    }

    proptest! {
        #[test]
        fn every_change_of_one_bit_is_noticed(
            payload in proptest::collection::vec(any::<u8>(), 0..80),
            key: [u8; 16],
            bit: prop::sample::Index,
        ) {
            let key = PageKey::new(key);
            let text = key.seal(&payload);
            prop_assert_eq!(key.open(&text), Some(payload));
            let mut bytes = decode(&text).expect("it was encoded");
            let bit = bit.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(key.open(&encode(&bytes)), None);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[A-Za-z0-9_=é-]{0,40}") {
            let key = PageKey::new([7; 16]);
            prop_assert_eq!(key.open(&text), None);
        }
    }
}
