//! Shows `docs/format.md` to be true: the dumps in it are those of files that are written here.
//!
//! With `PSDB_UPDATE_SCRIPTS=1` the dumps are written into the page instead of being compared.

use std::fmt::Write as _;

use super::*;
use crate::env::{Disk, Env, OpenMode};
use crate::storage::page::PAGE_BYTES;
use crate::storage::wal::{Record, Wal, WalOptions};
use crate::storage::{Directory, Identity};

/// Sixteen bytes a line, with their offset and what they are as text; equal lines but once.
fn dump(bytes: &[u8], from: usize, to: usize) -> String {
    let (mut text, mut last, mut skips) = (String::new(), &[][..], false);
    for (at, line) in bytes[from..to].chunks(16).enumerate() {
        if line == last {
            skips = true;
            continue;
        }
        if std::mem::take(&mut skips) {
            text.push_str("*\n");
        }
        let hex: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        let readable: String = line
            .iter()
            .map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' })
            .collect();
        writeln!(text, "{:08x}  {:47}  {readable}", from + at * 16, hex.join(" ")).unwrap();
        last = line;
    }
    if skips {
        text.push_str("*\n");
    }
    text
}

fn read(disk: &SimDisk, path: &str) -> Vec<u8> {
    let file = disk.open(Path::new(path), OpenMode::Read).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// Two entries and a long value, saved once.
fn page_file() -> Vec<u8> {
    let disk = disk();
    let (mut store, _) = open(&disk).unwrap();
    store.insert(b"documents", b"ada", b"36").unwrap();
    store.insert(b"documents", b"bob", b"41").unwrap();
    store.checkpoint(b"applied 7").unwrap();
    drop(store);
    read(&disk, "/data/pages")
}

fn log_and_identity() -> (Vec<u8>, Vec<u8>) {
    let disk = disk();
    let env = Env::simulated(1, disk.clone());
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(async {
        let directory = Directory::open(&env, Path::new("/data"), "worker-1").await.unwrap();
        directory.join(7).await.unwrap();
        let Identity { incarnation, .. } = directory.identity();
        assert_eq!(incarnation, 1);
        let (wal, _) =
            Wal::open(&env, Path::new("/data/wal"), WalOptions::default()).await.unwrap();
        let payload = bytes::Bytes::from_static(b"insert ada");
        wal.write(vec![Record::Append { stream: 3, index: 1, payload }]).await.unwrap();
        wal.close().await.unwrap();
    });
    (read(&disk, "/data/wal/00000001.log"), read(&disk, "/data/identity"))
}

#[test]
fn the_dumps_in_the_docs_are_those_of_real_files() {
    let pages = page_file();
    let page = |number: usize| number * PAGE_BYTES;
    let (log, identity) = log_and_identity();
    let dumps = [
        ("superblock", dump(&pages, 0, 112)),
        ("leaf", dump(&pages, page(4), page(5))),
        ("catalog", dump(&pages, page(5), page(5) + 96)),
        ("used pages", dump(&pages, page(6), page(6) + 64)),
        ("log", dump(&log, 0, log.len())),
        ("identity", dump(&identity, 0, identity.len())),
    ];
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/format.md");
    let mut text = std::fs::read_to_string(&path).unwrap();
    for (name, expected) in dumps {
        let opening = format!("```text\n# {name}\n");
        let (before, rest) = text.split_once(&opening).unwrap_or_else(|| panic!("no dump {name}"));
        let (found, after) = rest.split_once("```").unwrap();
        if std::env::var_os("PSDB_UPDATE_SCRIPTS").is_some() {
            text = format!("{before}{opening}{expected}```{after}");
            std::fs::write(&path, &text).unwrap();
        } else {
            assert_eq!(found, expected, "{name}");
        }
    }
}
