//! Proves how pages split, share and merge, by the golden scripts in `testscripts`.
//!
//! ```text
//! order N                 starts anew with pages of up to N
//! load FILL KEY..KEY      starts anew with those keys, pages filled to FILL percent
//! insert KEY ...          remove KEY ...
//! snapshot NAME           keeps a clone
//! show [NAME]             the tree, or a snapshot, one level a line
//! shared NAME             how many pages the tree and the snapshot share
//! range LOW..HIGH         the keys from LOW to below HIGH, forwards and backwards
//! ```
//!
//! A level is drawn as its pages from left to right: `[20 40]` is a branch with two separators and
//! three children, `(1 2 3)` a leaf with three keys.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use super::sharing::pages;
use super::{BPlusTree, Builder, Page};

type Tree = BPlusTree<u32, ()>;

#[test]
fn scripts_give_their_output() {
    crate::golden::run_scripts("storage/btree/testscripts", |commands| {
        let mut script = Script::default();
        for command in commands {
            script.run(command);
        }
        script.output
    });
}

#[derive(Default)]
struct Script {
    tree: Tree,
    snapshots: BTreeMap<String, Tree>,
    output: String,
}

impl Script {
    fn run(&mut self, command: &str) {
        let words: Vec<_> = command.split(' ').collect();
        match words[..] {
            ["order", order] => self.tree = Tree::with_order(number(order) as usize),
            ["load", fill, keys] => self.load(number(fill) as u8, keys),
            ["insert", ref keys @ ..] => {
                for key in keys {
                    assert_eq!(self.tree.insert(number(key), ()), None);
                }
            }
            ["remove", ref keys @ ..] => {
                for key in keys {
                    assert_eq!(self.tree.remove(&number(key)), Some(()));
                }
            }
            ["snapshot", name] => drop(self.snapshots.insert(name.into(), self.tree.clone())),
            ["show"] => self.show(command, &self.tree.clone()),
            ["show", name] => self.show(command, &self.snapshots[name].clone()),
            ["shared", name] => self.shared(command, name),
            ["range", bounds] => self.range(command, bounds),
            _ => panic!("not a command: {command}"),
        }
        self.tree.check_invariants().expect("invariants hold after every command");
    }

    fn load(&mut self, fill: u8, keys: &str) {
        let (low, high) = bounds(keys);
        let mut builder = Builder::new(self.tree.order()).fill_percent(fill);
        for key in low..=high {
            builder.push(key, ()).expect("keys ascend");
        }
        self.tree = builder.finish();
    }

    fn show(&mut self, command: &str, tree: &Tree) {
        writeln!(self.output, "{command}").unwrap();
        let mut level = vec![&tree.root];
        while !level.is_empty() {
            let drawn: Vec<_> = level.iter().map(|page| draw(page)).collect();
            writeln!(self.output, "  {}", drawn.join(" ")).unwrap();
            level = level.iter().flat_map(|page| children(page)).collect();
        }
    }

    fn shared(&mut self, command: &str, name: &str) {
        let (ours, theirs) = (pages(&self.tree), pages(&self.snapshots[name]));
        let shared = ours.iter().filter(|page| theirs.contains(page)).count();
        writeln!(self.output, "{command}: {shared} of {}", ours.len()).unwrap();
    }

    fn range(&mut self, command: &str, range: &str) {
        let (low, high) = bounds(range);
        let forwards: Vec<_> = self.tree.range(low..high).map(|(key, ())| *key).collect();
        let backwards: Vec<_> = self.tree.range(low..high).rev().map(|(key, ())| *key).collect();
        writeln!(self.output, "{command}: {forwards:?} {backwards:?}").unwrap();
    }
}

fn draw(page: &Page<u32, ()>) -> String {
    let words = |keys: &[u32]| keys.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
    match page {
        Page::Leaf(leaf) => format!("({})", words(leaf.keys())),
        Page::Branch(branch) => format!("[{}]", words(branch.separators())),
    }
}

fn children(page: &Page<u32, ()>) -> &[Arc<Page<u32, ()>>] {
    match page {
        Page::Leaf(_) => &[],
        Page::Branch(branch) => branch.children(),
    }
}

fn bounds(text: &str) -> (u32, u32) {
    let (low, high) = text.split_once("..").expect("bounds are LOW..HIGH");
    (number(low), number(high))
}

fn number(text: &str) -> u32 {
    text.parse().unwrap_or_else(|_| panic!("not a number: {text}"))
}
