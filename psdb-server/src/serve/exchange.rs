//! The receiving end of the stream that small messages share.
//!
//! Messages are taken as they come and answered side by side, at most [`QUEUE`] of one stream at a
//! time; a sender with more is held back by HTTP/2. Replies that are ready together leave together.
//!
//! Invariant: when the process is stopping the stream ends after the replies that are under way.
//!
//! Left out: answering (`transport_service`).

use std::sync::Arc;

use futures_util::{Stream, StreamExt as _};
use psdb::proto::internal as proto;
use psdb::transport::{QUEUE, in_batches};
use tokio::sync::{Semaphore, mpsc, watch};
use tonic::{Status, Streaming};

use super::transport_service::TransportDoor;
use crate::signals::stopped;

/// Answers what comes in; returns the stream of replies.
pub(super) fn start(
    door: TransportDoor,
    incoming: Streaming<proto::ExchangeRequest>,
    stopping: watch::Receiver<bool>,
) -> impl Stream<Item = Result<proto::ExchangeResponse, Status>> + Send {
    let (replies, queue) = mpsc::channel(QUEUE);
    tokio::spawn(take(door, incoming, replies, stopping));
    in_batches(queue, size, |replies| proto::ExchangeResponse { replies }).map(Ok)
}

fn size(reply: &proto::Reply) -> usize {
    match &reply.result {
        Some(proto::reply::Result::Body(body)) => body.len(),
        _ => 0,
    }
}

async fn take(
    door: TransportDoor,
    mut incoming: Streaming<proto::ExchangeRequest>,
    replies: mpsc::Sender<proto::Reply>,
    stopping: watch::Receiver<bool>,
) {
    let under_way = Arc::new(Semaphore::new(QUEUE));
    let mut stopping = std::pin::pin!(stopped(stopping));
    loop {
        let batch = tokio::select! {
            biased;
            () = &mut stopping => return,
            () = replies.closed() => return,
            batch = incoming.message() => batch,
        };
        let Ok(Some(batch)) = batch else { return };
        for message in batch.messages {
            let Ok(permit) = under_way.clone().acquire_owned().await else { return };
            let (door, replies) = (door.clone(), replies.clone());
            tokio::spawn(async move {
                let reply = door.answer(message).await;
                // If the stream is gone, so is whoever waited.
                let _gone = replies.send(reply).await;
                drop(permit);
            });
        }
    }
}
