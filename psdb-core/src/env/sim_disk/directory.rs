//! One simulated directory: names as seen, names on the medium, and the changes in between.
//!
//! A rename within the directory is one change, so a power loss shows the old name or the new
//! one, never both. A rename into another directory is two changes, one in each. Unsynced changes
//! are lost one by one, in any combination, which is harsher than a journal.
//!
//! Left out: directories inside directories, which the disk keeps by path.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use rand::Rng;
use rand::rngs::SmallRng;

use super::image::{Fate, Image};

/// A file without a name: it lives as long as a name or a handle refers to it.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) id: u64,
    pub(super) image: Mutex<Image>,
}

impl Node {
    pub(super) fn new(id: u64) -> Node {
        Node { id, image: Mutex::default() }
    }
}

type Names = BTreeMap<String, Arc<Node>>;

#[derive(Debug, Default)]
pub(super) struct Directory {
    visible: Names,
    durable: Names,
    pending: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Link { name: String, node: Arc<Node> },
    Unlink { name: String },
    Rename { from: String, to: String, node: Arc<Node> },
}

impl Directory {
    pub(super) fn get(&self, name: &str) -> Option<&Arc<Node>> {
        self.visible.get(name)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.visible.keys()
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (&String, &Arc<Node>)> {
        self.visible.iter()
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.visible.values()
    }

    pub(super) fn link(&mut self, name: String, node: Arc<Node>, tracked: bool) {
        self.change(Change::Link { name, node }, tracked);
    }

    pub(super) fn unlink(&mut self, name: String, tracked: bool) {
        self.change(Change::Unlink { name }, tracked);
    }

    pub(super) fn rename(&mut self, from: String, to: String, node: Arc<Node>, tracked: bool) {
        self.change(Change::Rename { from, to, node }, tracked);
    }

    fn change(&mut self, change: Change, tracked: bool) {
        change.apply(&mut self.visible);
        if tracked {
            self.pending.push(change);
        }
    }

    /// Makes all pending changes durable.
    pub(super) fn sync(&mut self) {
        for change in self.pending.drain(..) {
            change.apply(&mut self.durable);
        }
    }

    /// Some pending changes become durable and the others never will, while all stay visible.
    pub(super) fn fail_sync(&mut self, rng: &mut SmallRng) {
        let fate = Fate::draw(rng);
        for change in self.pending.drain(..) {
            let kept = match fate {
                Fate::AllLost => false,
                Fate::AllKept => true,
                Fate::Mixed => rng.gen_bool(0.5),
            };
            if kept {
                change.apply(&mut self.durable);
            }
        }
    }

    /// Shows what the medium has, after each pending change met its fate.
    pub(super) fn lose_power(&mut self, rng: &mut SmallRng) {
        self.fail_sync(rng);
        self.visible.clone_from(&self.durable);
    }
}

impl Change {
    fn apply(&self, names: &mut Names) {
        match self {
            Change::Link { name, node } => {
                names.insert(name.clone(), node.clone());
            }
            Change::Unlink { name } => {
                names.remove(name);
            }
            Change::Rename { from, to, node } => {
                names.remove(from);
                names.insert(to.clone(), node.clone());
            }
        }
    }
}
