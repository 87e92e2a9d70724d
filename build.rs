//! Compiles the protocol with protox, so that no machine needs protoc.
//!
//! Besides the Rust code it writes the descriptors of all files, for the reflection service.

use std::path::{Path, PathBuf};

use prost::Message as _;

const PUBLIC: &[&str] = &["types", "database", "document", "cluster", "lock"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?).join("proto");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let public: Vec<PathBuf> =
        PUBLIC.iter().map(|name| root.join(format!("psdb/v1/{name}.proto"))).collect();
    generate(&root, &public, &out.join("psdb.v1.bin"))?;
    generate(
        &root,
        &[root.join("psdb/internal/v1/transport.proto")],
        &out.join("psdb.internal.v1.bin"),
    )
}

fn generate(
    root: &Path,
    files: &[PathBuf],
    descriptors: &Path,
) -> Result<(), Box<dyn std::error::Error>> {
    let compiled = protox::compile(files, [root])?;
    std::fs::write(descriptors, compiled.encode_to_vec())?;
    // Fields of type `bytes` share the buffer they came in instead of copying it.
    tonic_prost_build::configure().bytes(".").compile_fds(compiled)?;
    Ok(())
}
