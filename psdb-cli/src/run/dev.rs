//! The commands that break and mend the cluster of `psdb dev`.
//!
//! Left out: what each fault does to a cluster, which `psdb_core::Cluster` documents.

use super::{Done, Runner};
use crate::command::Fault;
use crate::failure::Failure;
use crate::output::Json;

impl Runner {
    pub(super) async fn fault(&mut self, fault: Fault) -> Done {
        let command = fault.name();
        let Some(faults) = self.backend.faults() else {
            return Err(Failure::usage(format!("'{command}' is a command of 'psdb dev' only")));
        };
        let (text, fields) = match fault {
            Fault::Kill(node) => {
                faults.kill(&node).await?;
                (format!("Killed {node}"), node_fields(&node))
            }
            Fault::Restart(node) => {
                faults.restart(&node).await?;
                (format!("Restarted {node}"), node_fields(&node))
            }
            Fault::Pause(node) => {
                faults.pause(&node).await?;
                (format!("Paused {node}; 'heal' wakes it"), node_fields(&node))
            }
            Fault::Partition(left, right) => {
                faults.partition(&borrowed(&left), &borrowed(&right)).await?;
                let text = format!("Partitioned {} from {}", left.join(","), right.join(","));
                (text, vec![("left", texts(&left)), ("right", texts(&right))])
            }
            Fault::Heal => {
                faults.heal();
                ("Healed".to_string(), Vec::new())
            }
            Fault::Drop(percent) => {
                faults.drop_percent(percent);
                let fields = vec![("percent", u64::from(percent).into())];
                (format!("Dropping {percent} % of messages"), fields)
            }
        };
        self.output.answer(command, &text, fields)
    }
}

fn node_fields(node: &str) -> Vec<(&'static str, Json)> {
    vec![("node", Json::text(node))]
}

fn borrowed(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

fn texts(names: &[String]) -> Json {
    Json::List(names.iter().map(Json::text).collect())
}
