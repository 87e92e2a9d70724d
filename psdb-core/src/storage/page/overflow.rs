//! Overflow pages: chains of pages that hold what is too long for a cell.
//!
//! ```text
//! | header, count = bytes of payload | next page, 16 bytes, all zero at the end | payload |
//! ```
//! A chain is made from its end, so that each page knows the checksum of the next; its pages are
//! never changed.
//!
//! Invariant: every page but the last is full.
//!
//! Left out: reading and writing whole chains (`store::value`).

use super::{BODY, COUNT, Kind, PAGE_BYTES, Page, Pointer};

const PAYLOAD: usize = BODY + Pointer::BYTES;
/// How many bytes of payload an overflow page holds.
pub(in crate::storage) const OVERFLOW_BYTES: usize = PAGE_BYTES - PAYLOAD;

impl Page {
    /// An overflow page with this payload.
    pub(in crate::storage) fn overflow(
        generation: u64,
        payload: &[u8],
        next: Option<Pointer>,
    ) -> Page {
        let mut page = Page::new(Kind::Overflow, 0, generation);
        page.put_u16(COUNT, payload.len());
        if let Some(next) = next {
            page.bytes[BODY..PAYLOAD].copy_from_slice(&next.encode());
        }
        page.bytes[PAYLOAD..PAYLOAD + payload.len()].copy_from_slice(payload);
        page
    }

    /// The part of the chain's content that is here.
    pub(in crate::storage) fn payload(&self) -> &[u8] {
        &self.bytes[PAYLOAD..PAYLOAD + self.count()]
    }

    /// The next page of the chain.
    pub(in crate::storage) fn next(&self) -> Option<Pointer> {
        let bytes: &[u8; Pointer::BYTES] =
            self.bytes[BODY..].first_chunk().expect("a page is longer than its header");
        (*bytes != [0; Pointer::BYTES]).then(|| Pointer::decode(bytes))
    }

    pub(super) fn validate_overflow(&self) -> Result<(), String> {
        let (length, is_last) = (self.count(), self.next().is_none());
        if length > OVERFLOW_BYTES || length == 0 || (!is_last && length < OVERFLOW_BYTES) {
            return Err(format!("an overflow page cannot hold {length} bytes here"));
        }
        Ok(())
    }
}
