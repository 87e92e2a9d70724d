//! The shell of PSDB. (Being written.)
fn main() {}
