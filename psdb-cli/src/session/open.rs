//! Opening the database that the settings name.
//!
//! Left out: what is done with it.

use psdb::{Cluster, ConnectOptions};

use super::Backend;
use super::local::Local;
use crate::failure::Failure;
use crate::settings::{DevCluster, Place, Settings};

/// Opens the place the settings name.
///
/// # Errors
///
/// Whatever the database says, such as a data directory in use.
pub(crate) async fn open(settings: &Settings) -> Result<Box<dyn Backend>, Failure> {
    let cluster = match &settings.place {
        Place::Memory => Cluster::memory().await?,
        Place::Directory(path) => Cluster::open(path).await?,
        Place::Dev(dev) => start(dev).await?,
        Place::Remote(addresses) => {
            let mut options = ConnectOptions::default();
            if let Some(timeout) = settings.timeout {
                options.connect_timeout = timeout;
                options.client.timeout = timeout;
            }
            let client = psdb::connect_with(addresses, options).await?;
            return Ok(Box::new(Local::connected(client)));
        }
    };
    Ok(Box::new(Local::new(cluster, settings)))
}

async fn start(wanted: &DevCluster) -> psdb::Result<Cluster> {
    let mut builder =
        Cluster::builder().masters(wanted.masters).workers(wanted.workers).shards(wanted.shards);
    if let Some(replicas) = wanted.replicas {
        builder = builder.replicas(replicas);
    }
    if let Some(seed) = wanted.seed {
        builder = builder.seed(seed);
    }
    if let Some(path) = &wanted.data_dir {
        builder = builder.data_dir(path);
    }
    builder.start().await
}
