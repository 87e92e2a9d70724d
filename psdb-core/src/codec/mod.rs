//! Bytes. (Being written.)
pub mod frame;
