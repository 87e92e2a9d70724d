//! The faults a test can inject into an in-process cluster.
//!
//! Every fault is named after what it does to a *node* or to the *network*; all of them end with
//! [`Cluster::heal`] and [`Cluster::restart`].
//!
//! Left out: faults of single disk operations, which [`Cluster::fail_disk`] hands to the disk.

use std::time::Duration;

use super::{Cluster, find};
use crate::env::SimDisk;
use crate::types::{Address, Error, Result};

impl Cluster {
    /// Crashes a node as a power cut would: it falls silent, and what it had not synced is lost.
    ///
    /// A node on real files keeps what it has written, as after `kill -9`.
    ///
    /// # Errors
    ///
    /// [`Error::NodeNotFound`]. A node that does not run is left as it is.
    pub async fn crash(&self, node: &str) -> Result<()> {
        let mut nodes = self.0.nodes.lock().await;
        let node = nodes.get_mut(node).ok_or_else(|| Error::NodeNotFound { name: node.into() })?;
        node.crash(&self.0.network).await;
        Ok(())
    }

    /// Starts a crashed node from what its disk holds, and ends a pause of it.
    ///
    /// # Errors
    ///
    /// [`Error::NodeNotFound`]; [`Error::Corrupt`] or [`Error::Storage`] when its data cannot be
    /// used.
    pub async fn restart(&self, node: &str) -> Result<()> {
        let mut nodes = self.0.nodes.lock().await;
        let found = nodes.get_mut(node).ok_or_else(|| Error::NodeNotFound { name: node.into() })?;
        self.0.network.resume(&Address::from(node));
        found.start(&self.0.plan, &self.0.network).await
    }

    /// Crashes a node and loses all that its disk holds, as if that had been replaced.
    ///
    /// # Errors
    ///
    /// [`Error::NodeNotFound`]; [`Error::InvalidRequest`] when the cluster lives on real files.
    pub async fn wipe(&self, node: &str) -> Result<()> {
        self.replace_disk(node, SimDisk::new()).await
    }

    /// A copy of all that a node's disk holds now, to be put back with [`Cluster::restore`].
    ///
    /// # Errors
    ///
    /// As [`Cluster::wipe`].
    pub async fn backup(&self, node: &str) -> Result<SimDisk> {
        Ok(self.fail_disk(node).await?.backup())
    }

    /// Crashes a node and gives it a copy of its disk from earlier.
    ///
    /// # Errors
    ///
    /// As [`Cluster::wipe`].
    pub async fn restore(&self, node: &str, backup: &SimDisk) -> Result<()> {
        self.replace_disk(node, backup.backup()).await
    }

    async fn replace_disk(&self, node: &str, disk: SimDisk) -> Result<()> {
        let mut nodes = self.0.nodes.lock().await;
        let found = nodes.get_mut(node).ok_or_else(|| Error::NodeNotFound { name: node.into() })?;
        if found.sim_disk().is_none() {
            return Err(on_real_files(node));
        }
        found.crash(&self.0.network).await;
        found.replace_disk(disk);
        Ok(())
    }

    /// Holds back all messages to and from a node until [`Cluster::heal`] or a restart.
    ///
    /// # Errors
    ///
    /// [`Error::NodeNotFound`].
    pub async fn pause(&self, node: &str) -> Result<()> {
        find(&*self.0.nodes.lock().await, node)?;
        self.0.network.pause(&Address::from(node));
        Ok(())
    }

    /// Cuts the network between the two groups, both ways. Nodes in neither reach everybody.
    pub fn partition(&self, one: &[&str], other: &[&str]) {
        let addresses = |names: &[&str]| names.iter().map(|name| Address::from(*name)).collect();
        let (one, other): (Vec<_>, Vec<_>) = (addresses(one), addresses(other));
        self.0.network.partition(&one, &other);
    }

    /// Loses this share of all messages, requests and replies alike, from 0 to 100.
    pub fn drop_percent(&self, percent: u8) {
        self.0.network.drop_percent(percent);
    }

    /// Delays every message by a random time up to `longest`, so that messages overtake others.
    pub fn delay(&self, longest: Duration) {
        self.0.network.delay(Duration::ZERO, longest);
    }

    /// Delivers this share of all requests twice, from 0 to 100.
    pub fn duplicate_percent(&self, percent: u8) {
        self.0.network.duplicate_percent(percent);
    }

    /// Ends every fault of the network.
    pub fn heal(&self) {
        self.0.network.heal();
    }

    /// The simulated disk of a node, to make single operations of it fail.
    ///
    /// # Errors
    ///
    /// [`Error::NodeNotFound`]; [`Error::InvalidRequest`] when the cluster lives on real files.
    pub async fn fail_disk(&self, node: &str) -> Result<SimDisk> {
        let nodes = self.0.nodes.lock().await;
        find(&nodes, node)?.sim_disk().cloned().ok_or_else(|| on_real_files(node))
    }
}

fn on_real_files(node: &str) -> Error {
    Error::InvalidRequest {
        reason: format!("node '{node}' is on real files, which cannot be made to fail"),
    }
}
