//! A database inside this process, kept in a directory.
//!
//! ```text
//! cargo run -p psdb-core --example embedded
//! ```

use psdb_core::{Cluster, Document};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, PartialEq)]
struct Person {
    name: String,
    role: String,
    age: u32,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?; // any path of yours
    let cluster = Cluster::open(directory.path()).await?;
    let people = cluster.client().create_database("people").index("role").await?;

    let ada = Person { name: "Ada".into(), role: "Dev".into(), age: 36 };
    let id = people.insert_one(&ada).await?.id;
    people.insert_one(&Person { name: "Bob".into(), role: "Ops".into(), age: 41 }).await?;

    // Documents come back as they are stored, or as a type of yours.
    let stored: Document = people.get(&id).await?.ok_or("it was acknowledged")?;
    println!("{stored}");
    let typed = people.typed::<Person>().get(&id).await?;
    assert_eq!(typed.as_ref(), Some(&ada));

    let devs: Vec<Document> =
        people.find("lambda p: p['role'] == 'Dev' and p['age'] > 30").await?.try_collect().await?;
    assert_eq!(devs.len(), 1);
    cluster.close().await?;

    // What was acknowledged is there when the directory is opened again.
    let again = Cluster::open(directory.path()).await?;
    assert_eq!(again.client().database("people").count_all().await?.count, 2);
    again.close().await?;
    Ok(())
}
