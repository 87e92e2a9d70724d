//! Frames one after the other in a stream, as snapshots write them.
//!
//! A frame begins with its own length, so nothing stands between frames. A reader takes exactly
//! the bytes of one frame, so others may follow that are not its business.
//!
//! Left out: buffering, which whoever opens the stream brings.

use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::frame::{self, FrameError};

/// The bytes of a frame that its length does not count: the length itself and the checksum.
const UNCOUNTED_BYTES: usize = 8;

/// Why no frame could be read from a stream.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The stream failed, or ended before the frame did.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The bytes are damaged or of another type.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// Writes `value` as the next frame of `sink`.
///
/// # Errors
///
/// Whatever `sink` fails with.
pub fn write<T: Serialize>(sink: &mut dyn Write, value: &T) -> io::Result<()> {
    sink.write_all(&frame::encode(value))
}

/// Reads the next frame of `source`, and not a byte more.
///
/// Memory is taken as bytes arrive: a damaged length costs no more than what the stream holds.
///
/// # Errors
///
/// [`ReadError`]; where the stream stands afterwards is undefined.
pub fn read<T: DeserializeOwned>(source: &mut dyn Read) -> Result<T, ReadError> {
    let mut bytes = vec![0; UNCOUNTED_BYTES];
    source.read_exact(&mut bytes)?;
    let counted = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let read = source.take(u64::from(counted)).read_to_end(&mut bytes)?;
    if read < counted as usize {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    Ok(frame::decode(&bytes)?)
}

#[cfg(test)]
mod tests {
    //! Proves that frames follow each other without a byte lost between them, and that damage and
    //! truncation are errors.

    use super::{ReadError, read, write};

    fn stream() -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&mut bytes, &7_u64).unwrap();
        write(&mut bytes, &"seven".to_owned()).unwrap();
        bytes.extend_from_slice(b"rest");
        bytes
    }

    #[test]
    fn frames_follow_each_other() {
        let bytes = stream();
        let mut source = bytes.as_slice();
        assert_eq!(read::<u64>(&mut source).unwrap(), 7);
        assert_eq!(read::<String>(&mut source).unwrap(), "seven");
        assert_eq!(source, b"rest");
        assert!(matches!(read::<u64>(&mut source), Err(ReadError::Io(_))));
    }

    #[test]
    fn damage_is_an_error() {
        let bytes = stream();
        let first = bytes.len() - b"rest".len() - read_length(&bytes);
        for at in 0..first {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            assert!(read::<u64>(&mut damaged.as_slice()).is_err(), "byte {at}");
            assert!(read::<u64>(&mut &bytes[..at]).is_err(), "cut at {at}");
        }
    }

    /// How many bytes the second frame has.
    fn read_length(bytes: &[u8]) -> usize {
        let mut source = bytes;
        read::<u64>(&mut source).unwrap();
        source.len() - b"rest".len()
    }
}
