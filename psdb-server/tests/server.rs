//! The program as its users run it: real processes on loopback.
//!
//! - `processes` starts, kills and restarts them; `deadline` waits for conditions.
//! - `six` proves that nothing acknowledged is lost over crashes of a whole cluster.
//! - `program` proves what scripts rely on: the ready line, exit codes, draining.
//! - `api` proves the protocol's edges: details of errors, limits, retries, versions.
//! - `querying` proves that every kind of query is there for programs without our client.
//! - `indexing` proves the same of indexes, policies and pages.
//! - `building` proves that an index whose builders were killed is completed.
//! - `conformance` proves that a database behaves the same wherever it is.
//! - `python` proves the same of a client that knows nothing of PSDB but reflection.
//! - `shell` proves that the shell answers the same on a cluster as embedded.
//! - `members` proves that workers and masters come and go by orders over gRPC.
//! - `story` proves that nothing is lost while workers die and return, too.
//! - `partition` proves what happens when the network is cut.
//!
//! Left out: seeded faults, which the core's simulated clusters have.

#[path = "server/api.rs"]
mod api;
#[path = "server/building.rs"]
mod building;
#[path = "server/conformance/mod.rs"]
mod conformance;
#[path = "server/deadline.rs"]
mod deadline;
#[path = "server/indexing.rs"]
mod indexing;
#[path = "server/members.rs"]
mod members;
#[path = "server/partition.rs"]
mod partition;
#[path = "server/processes.rs"]
mod processes;
#[path = "server/program.rs"]
mod program;
#[path = "server/python.rs"]
mod python;
#[path = "server/querying.rs"]
mod querying;
#[path = "server/shell.rs"]
mod shell;
#[path = "server/six.rs"]
mod six;
#[path = "server/story.rs"]
mod story;
