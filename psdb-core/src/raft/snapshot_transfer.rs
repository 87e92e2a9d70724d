//! Sends a snapshot to a follower as one ordered, checksummed stream.
//!
//! The sender writes the trees of its last checkpoint into a file, which costs memory for one frame
//! and holds up nobody, and removes the file afterwards. It travels in chunks, each acknowledged before the next is sent, so a slow follower
//! slows its sender and nothing else. The follower writes a chunk only where its file ends:
//! a duplicate or late chunk changes nothing, a gap is answered with the offset that is wanted.
//! When the last byte is there, the file's own checksum is verified before the engine installs it.
//! (The engine's default receiver seeks to any offset and was measured to leave damaged snapshots
//! under duplicated and late chunks; see decision 0001.)
//!
//! Invariants:
//! 1. A follower has at most one transfer under way; a newer one replaces it.
//! 2. The received file grows only at its end, and holds bytes of one transfer only.
//! 3. Nothing is installed whose checksum does not hold.
//!
//! Left out: resuming after the sender restarted. The next transfer starts from the beginning.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use openraft::error::{Fatal, NetworkError, ReplicationClosed, StreamingError};
use openraft::raft::SnapshotResponse;
use tokio::sync::Mutex;

use super::engine::{Engine, Raft, Snapshot, SnapshotMeta, Vote};
use super::message::{Chunk, ChunkReply, RaftReply, RaftRequest};
use super::network::Link;
use super::replica::ReplicaPlace;
use super::snapshot::{self, SnapshotBody, SnapshotFile};
use super::tree_stream;
use crate::env::{Disk, File, OpenMode};
use crate::types::NodeId;

/// How long one chunk may take; the last one includes the installation.
const CHUNK_TIMEOUT: Duration = Duration::from_secs(30);
/// How often one chunk is sent again before the transfer is given up.
const CHUNK_ATTEMPTS: u32 = 5;

type SendError = StreamingError<Engine, Fatal<NodeId>>;

/// Sends `snapshot` over `link`, until it is installed, fails, or `cancel` resolves.
pub(crate) async fn send(
    link: &Link,
    vote: Vote,
    snapshot: Snapshot,
    chunk_bytes: usize,
    cancel: impl Future<Output = ReplicationClosed>,
) -> Result<SnapshotResponse<NodeId>, SendError> {
    let transfer = link.env().random_u64();
    let outgoing = write_file(link, &snapshot, transfer).await.map_err(|e| network(&e))?;
    tokio::select! {
        biased;
        closed = cancel => Err(StreamingError::Closed(closed)),
        sent = send_chunks(link, vote, snapshot.meta, (transfer, &outgoing.file), chunk_bytes) => sent,
    }
}

/// A file that is removed when it is not sent any more.
struct Outgoing {
    file: SnapshotFile,
    disk: Arc<dyn Disk>,
    is_ours: bool,
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        if let (true, Err(error)) = (self.is_ours, self.disk.remove(&self.file.path)) {
            tracing::debug!(%error, "could not remove a snapshot that was sent; a restart will");
        }
    }
}

/// Writes what is to be sent into a file.
async fn write_file(link: &Link, snapshot: &Snapshot, transfer: u64) -> io::Result<Outgoing> {
    let place = link.place().clone();
    let (meta, disk) = (snapshot.meta.clone(), place.env.disk().clone());
    let trees = match &*snapshot.snapshot {
        SnapshotBody::Received(file) => {
            return Ok(Outgoing { file: file.clone(), disk, is_ours: false });
        }
        SnapshotBody::Kept(trees) => trees.clone(),
    };
    let work = move || {
        let part = place.dir.join(format!("g{}-{transfer:016x}.sending.part", place.group.0));
        let body =
            |sink: &mut dyn io::Write| tree_stream::save(&trees, sink).map_err(io::Error::other);
        let file = snapshot::write(&*disk, &part, &meta, body)?;
        Ok(Outgoing { file, disk, is_ours: true })
    };
    link.place().env.blocking(work).await
}

async fn send_chunks(
    link: &Link,
    vote: Vote,
    meta: SnapshotMeta,
    (transfer, file): (u64, &SnapshotFile),
    chunk_bytes: usize,
) -> Result<SnapshotResponse<NodeId>, SendError> {
    let mut offset = 0;
    let mut failures = 0;
    loop {
        let bytes = read_chunk(link, file, offset, chunk_bytes).await.map_err(|e| network(&e))?;
        let (meta, total) = (meta.clone(), file.length);
        let chunk = Chunk { vote, meta, transfer, offset, total, bytes };
        match link.request(RaftRequest::Chunk(chunk), CHUNK_TIMEOUT).await {
            Ok(RaftReply::Chunk(ChunkReply::Wants(next))) if next <= file.length => {
                failures = if next > offset { 0 } else { failures + 1 };
                offset = next;
            }
            Ok(RaftReply::Chunk(ChunkReply::Installed(vote))) => {
                return Ok(SnapshotResponse::new(vote));
            }
            Ok(RaftReply::Chunk(ChunkReply::Failed(reason)) | RaftReply::Refused(reason)) => {
                return Err(network(&io::Error::other(reason)));
            }
            Ok(_) => return Err(network(&io::Error::other("the reply is not to a chunk"))),
            Err(error) => {
                failures += 1;
                if failures >= CHUNK_ATTEMPTS {
                    return Err(network(&error));
                }
                link.pause().await;
            }
        }
        if failures >= CHUNK_ATTEMPTS {
            return Err(network(&io::Error::other("the follower asks for the same chunk again")));
        }
    }
}

fn network(error: &(impl std::error::Error + 'static)) -> SendError {
    StreamingError::Network(NetworkError::new(error))
}

async fn read_chunk(
    link: &Link,
    file: &SnapshotFile,
    offset: u64,
    chunk_bytes: usize,
) -> io::Result<Bytes> {
    let wanted = (file.length - offset).min(chunk_bytes as u64) as usize;
    let handle = file.file.clone();
    let read = link.env().blocking(move || {
        let mut bytes = vec![0; wanted];
        let mut filled = 0;
        while filled < wanted {
            match handle.read_at(&mut bytes[filled..], offset + filled as u64)? {
                0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
                n => filled += n,
            }
        }
        Ok(Bytes::from(bytes))
    });
    read.await
}

/// The receiving half, one per replica.
pub(crate) struct Receiver {
    place: ReplicaPlace,
    incoming: Mutex<Option<Incoming>>,
}

struct Incoming {
    transfer: u64,
    total: u64,
    received: u64,
    file: Arc<dyn File>,
    path: std::path::PathBuf,
    /// The follower's vote once the snapshot was installed.
    installed: Option<Vote>,
}

impl Receiver {
    pub(crate) fn new(place: ReplicaPlace) -> Receiver {
        Receiver { place, incoming: Mutex::new(None) }
    }

    /// Takes one chunk; the last one installs the snapshot.
    pub(crate) async fn take(&self, chunk: Chunk, raft: &Raft) -> ChunkReply {
        // Held across the whole step: chunks of one replica are taken one after another.
        let mut incoming = self.incoming.lock().await;
        match self.step(&mut incoming, chunk, raft).await {
            Ok(reply) => reply,
            Err(error) => {
                self.discard(incoming.take()).await;
                ChunkReply::Failed(error.to_string())
            }
        }
    }

    async fn step(
        &self,
        slot: &mut Option<Incoming>,
        chunk: Chunk,
        raft: &Raft,
    ) -> io::Result<ChunkReply> {
        let known = slot.as_ref().is_some_and(|incoming| incoming.transfer == chunk.transfer);
        if !known {
            if chunk.offset != 0 {
                return Ok(ChunkReply::Wants(0));
            }
            self.discard(slot.take()).await;
            *slot = Some(self.begin(&chunk).await?);
        }
        let Some(incoming) = slot else { return Ok(ChunkReply::Wants(0)) };
        if let Some(vote) = incoming.installed {
            return Ok(ChunkReply::Installed(vote));
        }
        let end = chunk.offset + chunk.bytes.len() as u64;
        if chunk.total != incoming.total || end > incoming.total {
            return Err(io::Error::other("chunks of one transfer disagree about its length"));
        }
        if chunk.offset == incoming.received {
            let (file, bytes, offset) = (incoming.file.clone(), chunk.bytes, chunk.offset);
            self.place.env.blocking(move || file.write_at(&bytes, offset)).await?;
            incoming.received = end;
        }
        if incoming.received < incoming.total {
            return Ok(ChunkReply::Wants(incoming.received));
        }
        let file = SnapshotFile {
            path: incoming.path.clone(),
            file: incoming.file.clone(),
            length: incoming.total,
        };
        let vote = install(&self.place, raft, chunk.vote, file).await?;
        incoming.installed = Some(vote);
        Ok(ChunkReply::Installed(vote))
    }

    /// Removes the file of a transfer that will not be finished.
    async fn discard(&self, incoming: Option<Incoming>) {
        let Some(incoming) = incoming.filter(|incoming| incoming.installed.is_none()) else {
            return;
        };
        let disk = self.place.env.disk().clone();
        let removed = self.place.env.blocking(move || disk.remove(&incoming.path)).await;
        if let Err(error) = removed {
            tracing::warn!(%error, "could not remove a part of a snapshot; a restart will");
        }
    }

    async fn begin(&self, chunk: &Chunk) -> io::Result<Incoming> {
        let name = format!("g{}-{:016x}.part", self.place.group.0, chunk.transfer);
        let path = self.place.dir.join(name);
        let (disk, at) = (self.place.env.disk().clone(), path.clone());
        let opened = self.place.env.blocking(move || disk.open(&at, OpenMode::Create));
        let (transfer, total) = (chunk.transfer, chunk.total);
        Ok(Incoming { transfer, total, received: 0, file: opened.await?, path, installed: None })
    }
}

/// Verifies the complete file and hands it to the engine.
async fn install(
    place: &ReplicaPlace,
    raft: &Raft,
    vote: Vote,
    file: SnapshotFile,
) -> io::Result<Vote> {
    let to_verify = file.clone();
    let meta = place.env.blocking(move || to_verify.verified_meta()).await?;
    let snapshot = Snapshot { meta, snapshot: Box::new(SnapshotBody::Received(file)) };
    let response = raft
        .install_full_snapshot(vote, snapshot)
        .await
        .map_err(|fatal| io::Error::other(fatal.to_string()))?;
    Ok(response.vote)
}
