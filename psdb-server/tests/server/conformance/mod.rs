//! One suite for a database wherever it is: in memory, in a directory, in a cluster within this
//! process, and in a cluster of processes.
//!
//! The suite is given a client and nothing else. Each place runs all of it.
//!
//! Left out: what only one place has, such as faults.

mod documents;
mod failures;
mod indexes;
mod queries;

use std::time::Duration;

use psdb::{Client, Cluster};

use super::deadline::eventually;
use super::processes::Processes;

/// Everything that has to hold for a client of a PSDB.
async fn conforms(client: &Client) {
    eventually("the cluster serves", Duration::from_mins(1), || async {
        client.create_database("ready").await
    })
    .await;
    documents::are_written_and_read_back_exactly(client).await;
    documents::are_changed_by_merging_and_replacing(client).await;
    documents::change_only_at_the_version_required(client).await;
    documents::succeed_or_fail_each_by_itself(client).await;
    documents::of_one_client_are_seen_by_another_at_once(client).await;
    queries::give_all_documents_in_order_over_pages(client).await;
    queries::skip_and_limit_after_merging(client).await;
    queries::filter_sort_and_count(client).await;
    queries::count_what_they_skip(client).await;
    queries::group_select_and_change_many(client).await;
    queries::take_built_lambdas_and_explain_themselves(client).await;
    indexes::are_created_listed_and_dropped(client).await;
    indexes::refuse_scans_where_that_is_wanted(client).await;
    indexes::pages_add_up(client).await;
    failures::of_databases_have_their_kinds(client).await;
    failures::of_documents_change_nothing(client).await;
    failures::of_queries_have_a_column(client).await;
    failures::end_with_the_time_given(client).await;
}

#[tokio::test]
async fn in_memory() {
    let cluster = Cluster::memory().await.expect("it opens");
    conforms(&cluster.client()).await;
    cluster.close().await.expect("it closes");
}

#[tokio::test]
async fn in_a_directory() {
    let directory = tempfile::tempdir().expect("a directory for the test");
    let cluster = Cluster::open(directory.path()).await.expect("it opens");
    conforms(&cluster.client()).await;
    cluster.close().await.expect("it closes");
}

#[tokio::test]
async fn in_a_cluster_within_this_process() {
    let cluster = Cluster::builder().masters(3).workers(3).shards(4).start().await;
    let cluster = cluster.expect("it starts");
    conforms(&cluster.client()).await;
    cluster.close().await.expect("it closes");
}

#[tokio::test]
async fn in_a_cluster_of_processes() {
    let cluster = Processes::start(3, 3, 4).await;
    conforms(&cluster.client(&["w2"]).await).await;
}
