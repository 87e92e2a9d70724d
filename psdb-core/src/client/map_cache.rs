//! What a client knows of the cluster, so that it need not ask every time.
//!
//! The shard map and the databases are copies. A copy that turned out to be old (a worker says it
//! does not hold a shard, a shard says a database is gone) is fetched again by whoever found out.
//!
//! Invariant: a map is only ever replaced by one of a later epoch.
//!
//! Left out: fetching, which is the router's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::env::Instant;
use crate::sharding::{HashRing, ShardMap, document_ring};
use crate::transport::message::DatabaseInfo;
use crate::types::{Address, DatabaseId, DocumentId, ShardId};

/// A database and the ring its documents spread by.
pub(super) struct Route {
    pub(super) info: DatabaseInfo,
    ring: Arc<HashRing<ShardId>>,
    /// When it was heard from the masters.
    pub(super) heard: Instant,
}

impl Route {
    /// A route; one that is `known` lends its ring if that is the same.
    fn new(info: DatabaseInfo, heard: Instant, known: Option<&Arc<Route>>) -> Route {
        let is_same =
            |known: &&Arc<Route>| known.info.ring == info.ring && known.info.shards == info.shards;
        let ring = match known.filter(is_same) {
            Some(known) => known.ring.clone(),
            None => Arc::new(document_ring(info.ring, &info.shards)),
        };
        Route { info, ring, heard }
    }

    /// The shard of a document; `None` for a database without shards, which masters never make.
    pub(super) fn shard_of(&self, id: &DocumentId) -> Option<ShardId> {
        self.ring.locate(id.as_str().as_bytes()).copied()
    }
}

#[derive(Default)]
pub(super) struct MapCache {
    map: Mutex<Arc<ShardMap>>,
    routes: Mutex<BTreeMap<String, Arc<Route>>>,
}

impl MapCache {
    /// Where the replicas of `shard` are; empty if that is not known.
    pub(super) fn replicas(&self, shard: ShardId) -> Vec<Address> {
        let map = self.map.lock().clone();
        map.shards.get(&shard).map(|p| p.replicas.values().cloned().collect()).unwrap_or_default()
    }

    /// Whether no map with shards has come yet.
    pub(super) fn is_without_map(&self) -> bool {
        self.map.lock().shards.is_empty()
    }

    /// Where the workers of the map are.
    pub(super) fn workers(&self) -> BTreeSet<Address> {
        let map = self.map.lock().clone();
        map.shards.values().flat_map(|placement| placement.replicas.values().cloned()).collect()
    }

    pub(super) fn put_map(&self, map: ShardMap) {
        let mut known = self.map.lock();
        if map.epoch >= known.epoch {
            *known = Arc::new(map);
        }
    }

    pub(super) fn route(&self, name: &str) -> Option<Arc<Route>> {
        self.routes.lock().get(name).cloned()
    }

    pub(super) fn put_route(&self, info: DatabaseInfo, heard: Instant) -> Arc<Route> {
        let (mut routes, name) = (self.routes.lock(), info.name.clone());
        let route = Arc::new(Route::new(info, heard, routes.get(&name)));
        routes.insert(name, route.clone());
        route
    }

    /// Forgets what is known of a database; of `id` only, if one is given.
    pub(super) fn forget(&self, name: &str, id: Option<DatabaseId>) {
        let mut routes = self.routes.lock();
        if routes.get(name).is_some_and(|route| id.is_none_or(|id| route.info.id == id)) {
            routes.remove(name);
        }
    }
}
