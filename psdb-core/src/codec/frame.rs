//! A frame around whatever only PSDB itself reads: log records, Raft payloads, messages.
//!
//! ```text
//! | length u32 | crc32 u32 | version u8 | bincode payload |      little-endian
//! ```
//! `length` counts the version and the payload, the checksum covers the same bytes. A frame fills
//! its slice exactly: what follows it is damage. bincode (standard configuration) is bounded by the
//! frame, so a hostile length inside cannot make a reader allocate more than a few times its size.
//!
//! Left out: self-description. What is inside is known from where the frame stands.

use std::io::{self, Read, Write};

use bincode::config::{self, Configuration};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

const HEADER_BYTES: usize = 9;
const VERSION: u8 = 1;

/// Why bytes are not a frame of the expected type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// There are fewer or more bytes than the frame says.
    #[error("a frame of {expected} bytes was expected, but there are {actual}")]
    Length {
        /// What the header says, headers included.
        expected: u64,
        /// How many bytes there are.
        actual: u64,
    },
    /// The checksum does not match the bytes.
    #[error("checksum {computed:#010x} does not match the frame's {stored:#010x}")]
    Checksum {
        /// What the header says.
        stored: u32,
        /// What the bytes give.
        computed: u32,
    },
    /// The frame was written by another version of PSDB.
    #[error("frame version {0} is not understood; this PSDB reads version {VERSION}")]
    Version(u8),
    /// The payload is not what was expected.
    #[error("the payload does not decode: {0}")]
    Payload(String),
}

fn configuration() -> Configuration {
    config::standard()
}

/// Encodes `value` into one frame.
///
/// # Panics
///
/// If `value` cannot be serialized, which no type of PSDB is.
pub fn encode<T: Serialize>(value: &T) -> Bytes {
    let mut bytes = vec![0; HEADER_BYTES];
    bytes[8] = VERSION;
    bincode::serde::encode_into_std_write(value, &mut bytes, configuration())
        .expect("PSDB's own types serialize into memory");
    let length = u32::try_from(bytes.len() - 8).expect("a frame stays below 4 GiB");
    let crc = crc32fast::hash(&bytes[8..]);
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    bytes[4..8].copy_from_slice(&crc.to_le_bytes());
    Bytes::from(bytes)
}

/// Writes `value` as one frame into a stream of frames.
///
/// # Errors
///
/// Whatever `sink` says.
pub fn write_to<T: Serialize>(sink: &mut dyn Write, value: &T) -> io::Result<()> {
    sink.write_all(&encode(value))
}

/// Why no frame could be read from a stream.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The stream failed or ended.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What was read is not a frame of the expected type.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// Reads the next frame of a stream; memory grows only by what is really there.
///
/// # Errors
///
/// [`ReadError`] when the stream fails, ends early, or holds something else.
pub fn read_from<T: DeserializeOwned>(source: &mut dyn Read) -> Result<T, ReadError> {
    let mut length = [0; 4];
    source.read_exact(&mut length)?;
    let rest = u64::from(u32::from_le_bytes(length)) + 4;
    let mut bytes = length.to_vec();
    source.take(rest).read_to_end(&mut bytes)?;
    Ok(decode(&bytes)?)
}

/// Decodes the one frame that `bytes` are.
///
/// # Errors
///
/// [`FrameError`] when the bytes are damaged, cut, too long, or of another type.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, FrameError> {
    let actual = bytes.len() as u64;
    if bytes.len() < HEADER_BYTES {
        return Err(FrameError::Length { expected: HEADER_BYTES as u64, actual });
    }
    let word = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|i| bytes[at + i]));
    let expected = u64::from(word(0)) + 8;
    if expected != actual {
        return Err(FrameError::Length { expected, actual });
    }
    let (stored, computed) = (word(4), crc32fast::hash(&bytes[8..]));
    if stored != computed {
        return Err(FrameError::Checksum { stored, computed });
    }
    if bytes[8] != VERSION {
        return Err(FrameError::Version(bytes[8]));
    }
    let payload = &bytes[HEADER_BYTES..];
    let (value, read) = bincode::serde::decode_from_slice(payload, configuration())
        .map_err(|error| FrameError::Payload(error.to_string()))?;
    if read != payload.len() {
        let rest = payload.len() - read;
        return Err(FrameError::Payload(format!("{rest} bytes are left over")));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    //! Proves that frames round-trip and that every flipped, cut or added byte is noticed.

    use super::{FrameError, decode, encode, read_from, write_to};

    #[test]
    fn round_trips() {
        let value = (7_u64, "seven".to_owned(), vec![Some(1_u8), None]);
        assert_eq!(decode::<(u64, String, Vec<Option<u8>>)>(&encode(&value)), Ok(value));
    }

    #[test]
    fn streams_of_frames_round_trip_and_end_with_an_error() {
        let mut stream = Vec::new();
        for number in 0..3_u64 {
            write_to(&mut stream, &number).expect("a Vec takes every write");
        }
        let mut source = &stream[..];
        for number in 0..3_u64 {
            assert_eq!(read_from::<u64>(&mut source).expect("a frame"), number);
        }
        assert!(read_from::<u64>(&mut source).is_err());
        assert!(read_from::<u64>(&mut &stream[..stream.len() / 3 - 1]).is_err());
    }

    #[test]
    fn every_damage_is_noticed() {
        let frame = encode(&vec!["a".to_owned(), "b".to_owned()]).to_vec();
        for at in 0..frame.len() {
            for bit in 0..8 {
                let mut damaged = frame.clone();
                damaged[at] ^= 1 << bit;
                assert!(decode::<Vec<String>>(&damaged).is_err(), "bit {bit} of byte {at}");
            }
            assert!(decode::<Vec<String>>(&frame[..at]).is_err(), "cut at {at}");
        }
        let longer = [frame, vec![0]].concat();
        assert!(matches!(decode::<Vec<String>>(&longer), Err(FrameError::Length { .. })));
    }

    #[test]
    fn a_hostile_length_allocates_nothing() {
        // A frame whose payload claims a vector of 2^62 bytes.
        let payload = encode(&(1_u64 << 62));
        assert!(matches!(decode::<Vec<u8>>(&payload), Err(FrameError::Payload(_))));
    }
}
