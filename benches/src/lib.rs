//! Benchmarks of PSDB beside its rivals, each folder one question.
//!
//! `cargo bench --manifest-path benches/Cargo.toml --bench storage [-- --quick] [-- --check]`
