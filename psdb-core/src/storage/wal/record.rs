//! What the log says: the records of its users, and the few it writes for itself.
//!
//! ```text
//! Append      1 | stream u64 | index u64 | length u32 | payload
//! Truncate    2 | stream u64 | from u64
//! Purge       3 | stream u64 | through u64 | length u32 | note
//! Slot        4 | stream u64 | slot u8 | length u32 | payload
//! Forget      5 | stream u64
//! Checkpoint  6 | streams u32                           begins a segment; then, for each stream,
//! State       7 | stream u64 | present u8 | first u64 | next u64 | floor u64 | length u32 | note,
//!                 and its Slots
//! Seal        8                                         alone in the last batch of a clean stop
//! Repeat      9 | stream u64 | index u64 | length u32 | payload     a live entry once more
//! ```
//!
//! All numbers are little-endian. In a State, bit 0 of `present` says that `first` and `next`
//! count, bit 1 that `floor` does; what does not count is 0.
//!
//! Invariants:
//! 1. What encodes decodes to the same; every byte that decodes is accounted for.
//! 2. Decoding allocates nothing before it has checked that the bytes are there.
//!
//! Left out: checksums, which the batch around the records carries.

use bytes::Bytes;

use super::ledger::{Bounds, Live, StreamState};

const APPEND: u8 = 1;
const TRUNCATE: u8 = 2;
const PURGE: u8 = 3;
const SLOT: u8 = 4;
const FORGET: u8 = 5;
const CHECKPOINT: u8 = 6;
const STATE: u8 = 7;
const SEAL: u8 = 8;
const REPEAT: u8 = 9;

const HAS_LIVE: u8 = 1;
const HAS_FLOOR: u8 = 2;

/// One change to one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// Adds the entry at `index`, which must be one above the last entry or the floor. The first
    /// entry of a stream may have any index.
    Append {
        /// Whose entry it is.
        stream: u64,
        /// Its position.
        index: u64,
        /// Its content.
        payload: Bytes,
    },
    /// Removes the entries from `from` on, which must be above the floor.
    Truncate {
        /// Whose entries.
        stream: u64,
        /// The first one to go.
        from: u64,
    },
    /// Removes the entries up to `through` and makes that the floor; it may be above the last
    /// entry, but neither below an earlier floor nor more than one below the first entry.
    Purge {
        /// Whose entries.
        stream: u64,
        /// The last one to go.
        through: u64,
        /// Given back with the floor when the log is opened; up to 1 MiB.
        note: Bytes,
    },
    /// Sets one of the stream's slots.
    Slot {
        /// Whose slot.
        stream: u64,
        /// Which one.
        slot: u8,
        /// Its new content; up to 1 MiB.
        payload: Bytes,
    },
    /// Removes the stream with its entries, slots and floor. It may begin anew.
    Forget {
        /// Which stream.
        stream: u64,
    },
}

impl Record {
    /// The stream it changes.
    pub fn stream(&self) -> u64 {
        match self {
            Record::Append { stream, .. }
            | Record::Truncate { stream, .. }
            | Record::Purge { stream, .. }
            | Record::Slot { stream, .. }
            | Record::Forget { stream } => *stream,
        }
    }

    /// How many bytes [`Record::encode`] adds.
    pub(super) fn encoded_len(&self) -> usize {
        match self {
            Record::Append { payload, .. } => 21 + payload.len(),
            Record::Truncate { .. } => 17,
            Record::Purge { note, .. } => 21 + note.len(),
            Record::Slot { payload, .. } => 14 + payload.len(),
            Record::Forget { .. } => 9,
        }
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let mut head = |kind: u8, stream: u64| {
            out.push(kind);
            out.extend_from_slice(&stream.to_le_bytes());
        };
        match self {
            Record::Append { stream, index, payload } => {
                head(APPEND, *stream);
                out.extend_from_slice(&index.to_le_bytes());
                put_bytes(out, payload);
            }
            Record::Truncate { stream, from } => {
                head(TRUNCATE, *stream);
                out.extend_from_slice(&from.to_le_bytes());
            }
            Record::Purge { stream, through, note } => {
                head(PURGE, *stream);
                out.extend_from_slice(&through.to_le_bytes());
                put_bytes(out, note);
            }
            Record::Slot { stream, slot, payload } => {
                head(SLOT, *stream);
                out.push(*slot);
                put_bytes(out, payload);
            }
            Record::Forget { stream } => head(FORGET, *stream),
        }
    }
}

/// Anything that can stand in a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    Record(Record),
    /// Begins a segment: so many streams follow.
    Checkpoint {
        streams: u32,
    },
    /// A stream's bounds and note; its slots follow as records.
    State {
        stream: u64,
        bounds: Bounds,
        note: Bytes,
    },
    /// The log was closed here.
    Seal,
    /// An entry that is live already stands here as well, so that the segment it stood in can go.
    Repeat {
        stream: u64,
        index: u64,
        payload: Bytes,
    },
}

/// Encodes the batch content that begins a segment.
pub(super) fn encode_checkpoint<'a>(
    streams: impl ExactSizeIterator<Item = (&'a u64, &'a StreamState)>,
    out: &mut Vec<u8>,
) {
    out.push(CHECKPOINT);
    out.extend_from_slice(&(streams.len() as u32).to_le_bytes());
    for (stream, state) in streams {
        let Bounds { live, floor } = state.bounds;
        out.push(STATE);
        out.extend_from_slice(&stream.to_le_bytes());
        let present = if live.is_some() { HAS_LIVE } else { 0 };
        out.push(present | if floor.is_some() { HAS_FLOOR } else { 0 });
        let Live { first, next } = live.unwrap_or(Live { first: 0, next: 0 });
        out.extend_from_slice(&first.to_le_bytes());
        out.extend_from_slice(&next.to_le_bytes());
        out.extend_from_slice(&floor.unwrap_or(0).to_le_bytes());
        put_bytes(out, &state.note);
        for (slot, payload) in &state.slots {
            let (stream, slot, payload) = (*stream, *slot, payload.clone());
            Record::Slot { stream, slot, payload }.encode(out);
        }
    }
}

/// Encodes the batch content that ends a cleanly closed log.
pub(super) fn encode_seal(out: &mut Vec<u8>) {
    out.push(SEAL);
}

/// Encodes an entry that is written once more.
pub(super) fn encode_repeat(stream: u64, index: u64, payload: &Bytes, out: &mut Vec<u8>) {
    out.push(REPEAT);
    out.extend_from_slice(&stream.to_le_bytes());
    out.extend_from_slice(&index.to_le_bytes());
    put_bytes(out, payload);
}

/// The bytes that an entry takes in a batch.
pub(super) fn repeat_bytes(payload: &Bytes) -> u64 {
    21 + payload.len() as u64
}

fn put_bytes(out: &mut Vec<u8>, bytes: &Bytes) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// Takes the parts of a batch apart; the bytes are not trusted.
pub(super) struct Parts<'a> {
    rest: &'a [u8],
}

impl<'a> Parts<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Parts<'a> {
        Parts { rest: bytes }
    }

    /// The next part, or `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Part>, String> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let [kind] = self.array()?;
        let part = match kind {
            CHECKPOINT => Part::Checkpoint { streams: u32::from_le_bytes(self.array()?) },
            STATE => self.state()?,
            SEAL => Part::Seal,
            REPEAT => {
                let (stream, index) = (self.u64()?, self.u64()?);
                Part::Repeat { stream, index, payload: self.bytes()? }
            }
            kind => Part::Record(self.record(kind)?),
        };
        Ok(Some(part))
    }

    fn record(&mut self, kind: u8) -> Result<Record, String> {
        if !(APPEND..=FORGET).contains(&kind) {
            return Err(format!("a record has the unknown kind {kind}"));
        }
        let stream = self.u64()?;
        Ok(match kind {
            APPEND => Record::Append { stream, index: self.u64()?, payload: self.bytes()? },
            TRUNCATE => Record::Truncate { stream, from: self.u64()? },
            PURGE => Record::Purge { stream, through: self.u64()?, note: self.bytes()? },
            SLOT => {
                let [slot] = self.array()?;
                Record::Slot { stream, slot, payload: self.bytes()? }
            }
            _ => Record::Forget { stream },
        })
    }

    fn state(&mut self) -> Result<Part, String> {
        let stream = self.u64()?;
        let [present] = self.array()?;
        let live = Live { first: self.u64()?, next: self.u64()? };
        let floor = self.u64()?;
        if present > HAS_LIVE | HAS_FLOOR {
            return Err(format!("a checkpoint has the unknown flags {present:#04x}"));
        }
        let bounds = Bounds {
            live: (present & HAS_LIVE != 0).then_some(live),
            floor: (present & HAS_FLOOR != 0).then_some(floor),
        };
        Ok(Part::State { stream, bounds, note: self.bytes()? })
    }

    fn u64(&mut self) -> Result<u64, String> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (head, rest) = self.rest.split_first_chunk().ok_or("a record is cut short")?;
        self.rest = rest;
        Ok(*head)
    }

    fn bytes(&mut self) -> Result<Bytes, String> {
        let length = u32::from_le_bytes(self.array()?) as usize;
        let (head, rest) = self.rest.split_at_checked(length).ok_or("a payload is cut short")?;
        self.rest = rest;
        // A copy, so that one live entry does not keep the whole batch in memory.
        Ok(Bytes::copy_from_slice(head))
    }
}

#[cfg(test)]
mod tests {
    //! Proves that parts survive encoding, and that no cut or flipped bytes panic.

    use super::*;

    fn samples() -> Vec<Record> {
        let bytes = Bytes::from_static(b"some bytes");
        vec![
            Record::Append { stream: 1, index: u64::MAX, payload: bytes.clone() },
            Record::Truncate { stream: 2, from: 3 },
            Record::Purge { stream: 3, through: 0, note: bytes.clone() },
            Record::Slot { stream: u64::MAX, slot: 255, payload: Bytes::new() },
            Record::Forget { stream: 5 },
        ]
    }

    fn decode(bytes: &[u8]) -> Result<Vec<Part>, String> {
        let mut parts = Parts::new(bytes);
        std::iter::from_fn(|| parts.next().transpose()).collect()
    }

    #[test]
    fn records_survive_encoding_with_the_length_foretold() {
        let mut bytes = Vec::new();
        for record in samples() {
            let before = bytes.len();
            record.encode(&mut bytes);
            assert_eq!(bytes.len() - before, record.encoded_len());
        }
        let expected: Vec<Part> = samples().into_iter().map(Part::Record).collect();
        assert_eq!(decode(&bytes).unwrap(), expected);
    }

    #[test]
    fn cut_and_flipped_bytes_are_errors_or_other_records() {
        for record in samples() {
            let mut bytes = Vec::new();
            record.encode(&mut bytes);
            for cut in 1..bytes.len() {
                decode(&bytes[..cut]).unwrap_err();
            }
            for at in 0..bytes.len() {
                let mut flipped = bytes.clone();
                flipped[at] ^= 0x80;
                if let Ok(parts) = decode(&flipped) {
                    assert_ne!(parts, [Part::Record(record.clone())]);
                }
            }
        }
    }
}
