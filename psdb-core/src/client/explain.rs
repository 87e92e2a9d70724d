//! How a query would be run on all shards of a database, as one tree.
//!
//! Every shard says how it would run its part; parts of the same steps become one branch, which
//! expects what all of them expect together. What a shard has measured (`analyzed`) stays a branch
//! of its own, however alike it looks to another's. Above them stands what the client does with
//! their results.
//!
//! Left out: how a shard decides (`query`).

use crate::query::PlanTree;
use crate::transport::message::Query;
use crate::types::{ShardId, Value};

/// The tree of a query whose shards would do `parts`.
pub(super) fn merged(
    query: &Query,
    skip: u64,
    limit: Option<u64>,
    parts: Vec<(ShardId, PlanTree)>,
) -> PlanTree {
    let number = |number: u64| Value::Int(i128::from(number));
    let mut tree = merge(query).over(branches(parts));
    if skip > 0 {
        tree = PlanTree::new("skip", format!("skip {skip}"))
            .fact("results", number(skip))
            .over([tree]);
    }
    if let Some(limit) = limit {
        tree = PlanTree::new("limit", format!("first {limit}"))
            .fact("results", number(limit))
            .over([tree]);
    }
    tree
}

fn merge(query: &Query) -> PlanTree {
    let (by, descending) = match &query.order {
        Some(order) => (order.key.as_str(), order.descending),
        None => ("_id", false),
    };
    let largest = if descending { ", largest first" } else { "" };
    PlanTree::new("merge", format!("merge by {by}{largest}"))
        .fact("by", Value::String(by.to_owned()))
        .fact("descending", Value::Bool(descending))
}

/// One branch for all shards that would do the same, in the order of their first shards.
fn branches(parts: Vec<(ShardId, PlanTree)>) -> Vec<PlanTree> {
    let mut branches: Vec<(Vec<ShardId>, PlanTree)> = Vec::new();
    for (shard, tree) in parts {
        let text = tree.to_string();
        let is_measured = tree.find("analyzed").is_some();
        match branches.iter_mut().find(|(_, known)| known.to_string() == text) {
            Some((shards, known)) if !is_measured => {
                shards.push(shard);
                known.add_estimates(&tree);
            }
            _ => branches.push((vec![shard], tree)),
        }
    }
    branches.into_iter().map(|(shards, tree)| branch(&shards, tree)).collect()
}

fn branch(shards: &[ShardId], tree: PlanTree) -> PlanTree {
    let names: Vec<String> = shards.iter().map(ToString::to_string).collect();
    let word = if shards.len() == 1 { "shard" } else { "shards" };
    let numbers = shards.iter().map(|shard| Value::Int(i128::from(shard.0))).collect();
    PlanTree::new("shards", format!("{word} {}", names.join(", ")))
        .fact("shards", Value::Array(numbers))
        .over([tree])
}

#[cfg(test)]
mod tests {
    //! Proves that equal parts are one branch, and that others and all that was measured stay apart.

    use super::merged;
    use crate::query::PlanTree;
    use crate::transport::message::{Order, Query};
    use crate::types::ShardId;

    #[test]
    fn equal_parts_are_one_branch() {
        let part = |shard, text| (ShardId(shard), PlanTree::new("x", text));
        let order = Some(Order { key: "lambda d: d['n']".into(), descending: true });
        let query = Query { order, ..Query::default() };
        let parts = vec![part(1, "scan"), part(4, "index n"), part(6, "scan")];
        let expected = "\
first 3
└─ skip 2
   └─ merge by lambda d: d['n'], largest first
      ├─ shards 1, 6
      │  └─ scan
      └─ shard 4
         └─ index n
";
        assert_eq!(merged(&query, 2, Some(3), parts).to_string(), expected);
    }

    #[test]
    fn what_was_measured_stays_apart_though_it_looks_alike() {
        let scan = PlanTree::new("scan", "scan (2 results)");
        let part = PlanTree::new("analyzed", "took 0.2 ms").over([scan]);
        let parts = vec![(ShardId(0), part.clone()), (ShardId(1), part)];
        let expected = "\
merge by _id
├─ shard 0
│  └─ took 0.2 ms
│     └─ scan (2 results)
└─ shard 1
   └─ took 0.2 ms
      └─ scan (2 results)
";
        assert_eq!(merged(&Query::default(), 0, None, parts).to_string(), expected);
    }
}
