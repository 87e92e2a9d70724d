//! Finds out that a node's directory belongs to another cluster than the masters it was told of.
//!
//! Such a node is refused at every handshake, and would wait for ever: a master for the members of a
//! group that are gone, a worker for masters that listen to it. So it asks the masters it was told of
//! which cluster they are of, as a stranger that every node answers:
//!
//! ```text
//! one of them is of our cluster     ─► all is well, nobody asks again
//! most masters are of another one   ─► stop, and say so
//! they do not answer, or know none  ─► ask again
//! ```
//! Invariant: a node of whose masters one is of its cluster never stops because of the others.
//!
//! Left out: nodes that were removed from their cluster, which the masters tell them.

use std::time::Duration;

use futures_util::future::join_all;
use psdb::Address;
use psdb::proto::internal::HandshakeRequest;
use psdb::proto::internal::transport_service_client::TransportServiceClient;
use psdb::transport::{PROTOCOL, VERSION};
use tonic::transport::Endpoint;

use super::local::Local;
use crate::exit::Failure;
use crate::settings::Role;

/// Between two rounds of questions.
const EVERY: Duration = Duration::from_secs(2);
/// How long one master may take to answer.
const LIMIT: Duration = Duration::from_secs(2);

/// What the answers of the masters come to.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Kin,
    Unknown,
    /// Most masters are of this cluster.
    Stranger(u64),
}

/// The masters that a node was told of.
struct Told {
    /// Where the others of them are.
    others: Vec<Address>,
    /// How many they are, this node included if it is one.
    count: usize,
    /// The setting that named them.
    setting: &'static str,
    /// How a node starts anew.
    anew: &'static str,
}

impl Told {
    fn of(role: &Role, own_name: &str) -> Told {
        match role {
            Role::Master { peers, .. } => {
                let others = peers.iter().filter(|(name, _)| *name != own_name);
                let others: Vec<_> = others.map(|(_, address)| address.clone()).collect();
                let (count, anew) = (others.len() + 1, " and --join");
                Told { others, count, setting: "the other masters in --peers", anew }
            }
            Role::Worker { masters, .. } => Told {
                others: masters.clone(),
                count: masters.len(),
                setting: "the masters in --masters",
                anew: "",
            },
            Role::Dev { .. } => Told { others: Vec::new(), count: 1, setting: "", anew: "" },
        }
    }
}

/// Returns when the masters that `role` names turn out to be of another cluster than this node.
pub(super) async fn estranged(local: &Local, role: &Role) -> Failure {
    let told = Told::of(role, &local.entry().name);
    if told.others.is_empty() {
        return std::future::pending().await;
    }
    loop {
        if let Some(own) = local.directory().identity().cluster {
            let clusters = join_all(told.others.iter().map(cluster_of)).await;
            let clusters: Vec<u64> = clusters.into_iter().flatten().collect();
            match judge(own, &clusters, told.count) {
                Verdict::Kin => return std::future::pending().await,
                Verdict::Unknown => {}
                Verdict::Stranger(theirs) => return refused(local, own, theirs, &told),
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

fn judge(own: u64, clusters: &[u64], masters: usize) -> Verdict {
    if clusters.contains(&own) {
        return Verdict::Kin;
    }
    let most =
        |cluster: &&u64| clusters.iter().filter(|other| other == cluster).count() > masters / 2;
    clusters.iter().find(most).map_or(Verdict::Unknown, |cluster| Verdict::Stranger(*cluster))
}

fn refused(local: &Local, own: u64, theirs: u64, told: &Told) -> Failure {
    let Told { setting, anew, .. } = told;
    Failure::configuration(format!(
        "directory {} belongs to cluster {own:016x}, but {setting} are of cluster {theirs:016x}; \
         point the node to its own masters, or start it under a new name with an empty \
         directory{anew}",
        local.directory().path().display()
    ))
}

/// The cluster that the node at `address` belongs to; `None` if it does not answer or know.
async fn cluster_of(address: &Address) -> Option<u64> {
    let asked = async {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).ok()?;
        let channel = endpoint.connect_timeout(LIMIT).connect().await.ok()?;
        let request = HandshakeRequest {
            protocol: PROTOCOL,
            version: VERSION.to_owned(),
            node: None,
            cluster: None,
            wanted: String::new(),
        };
        let answer = TransportServiceClient::new(channel).handshake(request).await.ok()?;
        answer.into_inner().cluster
    };
    tokio::time::timeout(LIMIT, asked).await.ok().flatten()
}

#[cfg(test)]
mod tests {
    //! Proves that a minority of foreign masters stops nobody, and a majority of them does.

    use super::*;

    #[test]
    fn a_majority_of_all_masters_decides() {
        for (clusters, masters, verdict) in [
            (&[][..], 3, Verdict::Unknown),
            (&[], 1, Verdict::Unknown),
            (&[2], 1, Verdict::Stranger(2)),
            (&[2], 2, Verdict::Unknown),
            (&[2], 3, Verdict::Unknown),
            (&[2, 1], 3, Verdict::Kin),
            (&[2, 2], 3, Verdict::Stranger(2)),
            (&[2, 3], 3, Verdict::Unknown),
            (&[2, 2, 1, 2], 5, Verdict::Kin),
            (&[3, 2, 2, 2], 5, Verdict::Stranger(2)),
        ] {
            assert_eq!(judge(1, clusters, masters), verdict, "{clusters:?} of {masters}");
        }
    }
}
