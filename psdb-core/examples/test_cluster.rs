//! A cluster for a test: three masters and three workers in this process, one of which dies.
//!
//! ```text
//! cargo run -p psdb-core --example test_cluster
//! ```

use psdb_core::Cluster;
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), psdb_core::Error> {
    let cluster = Cluster::builder().masters(3).workers(3).replicas(3).shards(4).start().await?;
    let orders = cluster.client().create_database("orders").await?;
    let order = orders.insert_one(&json!({"item": "lamp", "state": "new"})).await?;

    cluster.crash("worker-1").await?;
    orders.update_one(&order.id, &json!({"state": "paid"})).if_version(1).await?;
    println!("two of three workers took the update");

    cluster.restart("worker-1").await?;
    cluster.crash("worker-2").await?;
    let order = orders.get(&order.id).await?.expect("it was acknowledged");
    println!("and the worker that was away knows it: {order}");
    assert_eq!(order.version(), 2);
    cluster.close().await?;
    Ok(())
}
