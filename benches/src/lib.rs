//! Benchmarks of PSDB beside its rivals, each folder one question.
//!
//! `cargo bench --manifest-path benches/Cargo.toml --bench storage [-- --quick] [-- --check]`
//! `cargo bench --manifest-path benches/Cargo.toml --bench query [-- --quick] [-- --check]`
//! `cargo bench --manifest-path benches/Cargo.toml --bench failover [-- --quick] [-- --check]`

mod machine;
mod rate;
mod report;

pub use machine::{load, machine};
pub use rate::{Rate, median_rate, rate, rate_of_many};
pub use report::Report;
