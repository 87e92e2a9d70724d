//! Finds out that a master's directory belongs to another cluster than its peers do.
//!
//! Such a master is a member of a group whose other members are gone; its peers refuse it at every
//! handshake, and it would wait for ever. So it asks the peers it was told of which cluster they are
//! of, as a stranger that every node answers:
//!
//! ```text
//! one of them is of our cluster     ─► all is well, nobody asks again
//! most masters are of another one   ─► stop, and say so
//! they do not answer, or know none  ─► ask again
//! ```
//! Invariant: a master whose peers are of its cluster never stops because of one that is not.
//!
//! Left out: workers, which learn it from the masters' answer to a heartbeat.

use std::collections::BTreeMap;
use std::time::Duration;

use psdb::Address;
use psdb::proto::internal::HandshakeRequest;
use psdb::proto::internal::transport_service_client::TransportServiceClient;
use psdb::transport::{PROTOCOL, VERSION};
use tonic::transport::Endpoint;

use super::local::Local;
use crate::exit::Failure;

/// Between two rounds of questions.
const EVERY: Duration = Duration::from_secs(2);
/// How long one peer may take to answer.
const LIMIT: Duration = Duration::from_secs(2);

/// What the answers of the peers come to.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Kin,
    Unknown,
    /// Most masters are of this cluster.
    Stranger(u64),
}

/// Returns when the masters called `peers` turn out to be of another cluster than this node.
pub(super) async fn estranged(local: &Local, peers: &BTreeMap<String, Address>) -> Failure {
    let own_name = &local.entry().name;
    let others: Vec<&Address> =
        peers.iter().filter(|(name, _)| *name != own_name).map(|(_, address)| address).collect();
    loop {
        if let Some(own) = local.directory().identity().cluster {
            let mut clusters = Vec::new();
            for address in &others {
                clusters.extend(cluster_of(address).await);
            }
            match judge(own, &clusters, others.len() + 1) {
                Verdict::Kin => return std::future::pending().await,
                Verdict::Unknown => {}
                Verdict::Stranger(theirs) => return refused(local, own, theirs),
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

fn refused(local: &Local, own: u64, theirs: u64) -> Failure {
    Failure::configuration(format!(
        "directory {} belongs to cluster {own:016x}, but the other masters in --peers are of cluster \
         {theirs:016x}; point the node to its own masters, or start it under a new name with an \
         empty directory and --join",
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
    //! Proves that one foreign peer stops nobody, and a majority of them does.

    use super::*;

    #[test]
    fn a_majority_of_all_masters_decides() {
        for (clusters, masters, verdict) in [
            (&[][..], 3, Verdict::Unknown),
            (&[], 1, Verdict::Unknown),
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
