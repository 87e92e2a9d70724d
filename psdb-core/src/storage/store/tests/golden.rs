//! Golden scripts: what splits, merges, free pages, checkpoints and recovery look like.
//!
//! ```text
//! put FROM TO BYTES      inserts the keys FROM to TO, each with a value of so many bytes
//! remove FROM TO         removes them
//! get KEY                the length of a value, or none
//! shape                  the tree: branches as [separators], leaves as (first-last, used %)
//! pages                  the file's pages: all, available, waiting
//! snapshot | release     takes a snapshot | drops it
//! begin NOTE | write     begins a checkpoint | makes it durable
//! checkpoint NOTE        both
//! close NOTE | crash | power SEED | open    ends the store in one of three ways | opens it
//! damage PAGE            inverts a byte in the middle of a page
//! check                  verifies everything
//! ```

use std::fmt::Write as _;

use super::*;
use crate::env::{Disk, OpenMode};
use crate::storage::checkpoint::Checkpoint;
use crate::storage::page::{Kind, PAGE_BYTES, Page, Pointer};

struct Script {
    disk: SimDisk,
    store: Option<Store>,
    snapshot: Option<Snapshot>,
    begun: Option<Checkpoint>,
    output: String,
}

fn key(n: u32) -> Vec<u8> {
    format!("{n:04}").into_bytes()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Script {
    fn store(&mut self) -> &mut Store {
        self.store.as_mut().unwrap()
    }

    fn command(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words[at].parse::<u32>().unwrap();
        let note = words.get(1).copied().unwrap_or_default().as_bytes().to_vec();
        match words[0] {
            "put" => {
                for n in number(1)..=number(2) {
                    let value = vec![b'v'; number(3) as usize];
                    self.store().insert(b"t", &key(n), &value).unwrap();
                }
            }
            "remove" => {
                for n in number(1)..=number(2) {
                    self.store().remove(b"t", &key(n)).unwrap();
                }
            }
            "get" => {
                let found = self.store().get(b"t", &key(number(1)));
                let found = found.map(|value| value.map(|value| value.len()));
                writeln!(self.output, "get {}: {found:?}", words[1]).unwrap();
            }
            "shape" => self.shape(),
            "pages" => {
                let stats = self.store().stats();
                let (all, free, waiting) =
                    (stats.pages, stats.available_pages, stats.waiting_pages);
                writeln!(self.output, "pages: {all}, available {free}, waiting {waiting}").unwrap();
            }
            "snapshot" => self.snapshot = Some(self.store().snapshot()),
            "release" => self.snapshot = None,
            "begin" => self.begun = Some(self.store().begin_checkpoint(&note).unwrap()),
            "write" => {
                let stats = self.begun.take().unwrap().write().unwrap();
                self.wrote(stats);
            }
            "checkpoint" => {
                let stats = self.store().checkpoint(&note).unwrap();
                self.wrote(stats);
            }
            "close" => self.store.take().unwrap().close(&note).unwrap(),
            "crash" => self.crash(),
            "power" => {
                self.crash();
                self.disk.power_loss(u64::from(number(1)));
            }
            "open" => self.open(),
            "damage" => self.damage(number(1)),
            "check" => {
                let report = Store::check_file(&self.disk, path()).unwrap();
                writeln!(self.output, "check: generation {}", report.generation).unwrap();
                for damage in report.damages {
                    writeln!(self.output, "  offset {}: {}", damage.offset, damage.reason).unwrap();
                }
            }
            unknown => panic!("unknown command {unknown}"),
        }
        if let Some(store) = &self.store {
            check(store);
        }
    }

    fn wrote(&mut self, stats: crate::storage::CheckpointStats) {
        let (generation, pages) = (stats.generation, stats.pages);
        writeln!(self.output, "checkpoint {generation}: {pages} pages written").unwrap();
    }

    fn crash(&mut self) {
        (self.store, self.snapshot, self.begun) = (None, None, None);
    }

    fn open(&mut self) {
        match open(&self.disk) {
            Ok((store, opened)) => {
                let (generation, note) = (opened.generation, text(&opened.note));
                writeln!(self.output, "open: generation {generation}, note '{note}'").unwrap();
                for damage in opened.damage {
                    writeln!(self.output, "  passed over: {damage}").unwrap();
                }
                self.store = Some(store);
            }
            Err(error) => writeln!(self.output, "open: {error}").unwrap(),
        }
    }

    fn damage(&mut self, page: u32) {
        let file = self.disk.open(path(), OpenMode::Write).unwrap();
        let at = (page as usize * PAGE_BYTES + PAGE_BYTES / 2) as u64;
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_at(&[!byte[0]], at).unwrap();
    }

    fn shape(&mut self) {
        let store = self.store.as_ref().unwrap();
        match store.root(b"t").page {
            None => self.output.push_str("empty\n"),
            Some(root) => show(store, root, 0, &mut self.output),
        }
    }
}

fn show(store: &Store, pointer: Pointer, depth: usize, output: &mut String) {
    let page = store.shared.pager.get(pointer).unwrap();
    let indent = "  ".repeat(depth);
    let used = page.used() * 100 / Page::ROOM;
    if page.kind() == Kind::Leaf {
        let (first, last) = (text(page.key(0)), text(page.key(page.count() - 1)));
        writeln!(output, "{indent}({first}-{last}, {used} %) page {}", pointer.id.0).unwrap();
        return;
    }
    let separators: Vec<String> = (0..page.count()).map(|at| text(page.key(at))).collect();
    writeln!(output, "{indent}[{}] page {}", separators.join(" "), pointer.id.0).unwrap();
    for at in 0..page.children() {
        show(store, page.child(at), depth + 1, output);
    }
}

#[test]
fn scripts_give_what_was_reviewed() {
    crate::golden::run_scripts("storage/store/testscripts", |commands| {
        let disk = disk();
        let store = Some(open(&disk).unwrap().0);
        let mut script = Script { disk, store, snapshot: None, begun: None, output: String::new() };
        for command in commands {
            script.command(command);
        }
        script.output
    });
}
