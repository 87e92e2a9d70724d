//! A shard with a page file of its own on a simulated disk, for the tests of this module.

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use super::{Command, DatabaseView, Response, Shard, ShardInspector, ShardView};
use crate::env::{Disk, SimDisk};
use crate::raft::{Inspector, Position, StateError, StateMachine, tree_stream};
use crate::storage::{PageCache, Store};
use crate::types::{DatabaseId, Result};

const PATH: &str = "/shard";

/// A shard, its trees, and the disk under them. Its cache is so small that pages come and go.
pub(super) struct TestShard {
    disk: Arc<SimDisk>,
    shard: Shard,
    trees: Store,
}

impl Default for TestShard {
    fn default() -> Self {
        let disk = Arc::new(SimDisk::new());
        let trees = Store::open(&*disk, Path::new(PATH), cache()).unwrap().0;
        TestShard { disk, shard: Shard::default(), trees }
    }
}

fn cache() -> PageCache {
    PageCache::new(16 * 8192)
}

impl TestShard {
    pub(super) fn apply(
        &mut self,
        position: Position,
        command: Command,
    ) -> std::result::Result<Response, StateError> {
        let response = self.shard.apply(&mut self.trees, position, command);
        self.trees.free_dropped(1)?;
        response
    }

    pub(super) fn view(&self) -> ShardView {
        self.shard.view(&self.trees)
    }

    pub(super) fn database(&self, id: DatabaseId) -> Result<DatabaseView> {
        self.view().database(id)
    }

    /// Checks the shard and the pages it lies on.
    pub(super) fn check_invariants(&self) -> std::result::Result<(), String> {
        self.view().check_invariants()?;
        let report = self.trees.check().map_err(|error| error.to_string())?;
        if report.is_sound() { Ok(()) } else { Err(format!("{:?}", report.damages)) }
    }

    /// Takes a checkpoint, and goes on from what the disk holds then.
    pub(super) fn reopen(mut self) -> TestShard {
        self.shard.flush(&mut self.trees).unwrap();
        self.trees.checkpoint(b"").unwrap();
        let TestShard { disk, trees, .. } = self;
        drop(trees);
        disk.power_loss(7);
        let trees = Store::open(&*disk, Path::new(PATH), cache()).unwrap().0;
        let shard = Shard::open(&trees.snapshot()).unwrap();
        TestShard { disk, shard, trees }
    }

    /// What is sent to a replica that is far behind.
    pub(super) fn saved(&mut self) -> Vec<u8> {
        self.shard.flush(&mut self.trees).unwrap();
        let mut bytes = Vec::new();
        tree_stream::save(&self.trees.snapshot(), &mut bytes).unwrap();
        bytes
    }

    /// What such a replica makes of it, and what follows in the stream.
    pub(super) fn load(mut bytes: &[u8]) -> std::result::Result<(TestShard, &[u8]), StateError> {
        let disk = Arc::new(SimDisk::new());
        let shared: Arc<dyn Disk> = disk.clone();
        let (mut trees, draft) =
            Store::draft(&shared, Path::new("/shard.part"), Path::new(PATH), cache())?;
        let mut inspector = ShardInspector::default();
        tree_stream::load(&mut bytes, &mut trees, &mut inspector)?;
        let shard = Shard::open(&trees.snapshot())?;
        inspector.finish(&shard)?;
        trees.checkpoint(b"")?;
        draft.publish()?;
        Ok((TestShard { disk, shard, trees }, bytes))
    }

    /// The shard on another replica, to which its trees were sent.
    pub(super) fn reloaded(&mut self) -> TestShard {
        let saved = self.saved();
        let (loaded, rest) = TestShard::load(&saved).unwrap();
        assert!(rest.is_empty());
        loaded
    }
}

impl Deref for TestShard {
    type Target = Shard;

    fn deref(&self) -> &Shard {
        &self.shard
    }
}
