//! The stream that small messages share, and the replies that wait for theirs.
//!
//! Whoever has something to say puts it into a bounded queue; the stream takes what has gathered
//! there, at most [`BATCH`] messages or [`BATCH_BYTES`], as one HTTP/2 message. Under load that is
//! batching without a timer; an idle stream sends at once.
//!
//! Invariants:
//! 1. A reply goes to the request whose number it bears, once; unknown numbers are ignored, since
//!    their callers have given up.
//! 2. When the stream ends, everybody who waits is told.
//!
//! Left out: order. Replies come as they are ready.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::stream::{Stream, unfold};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use crate::proto::internal as proto;

/// A message with a larger body travels by itself.
pub const LARGE_BYTES: usize = 64 << 10;
/// The largest message of all: a batch, or a document of the largest size with its surroundings.
pub const MESSAGE_LIMIT_BYTES: usize = 64 << 20;
/// How many messages wait for a place in a batch before their senders have to wait, too.
pub const QUEUE: usize = 1_024;
/// How many messages one batch carries at most.
const BATCH: usize = 256;
/// A batch that has so many bytes is full.
const BATCH_BYTES: usize = 1 << 20;

/// Turns a queue into a stream of batches made by `wrap`; it ends when all senders are gone.
///
/// `size` says how many bytes a message has. Nothing waits for a batch to fill.
pub fn in_batches<T: Send, B>(
    queue: mpsc::Receiver<T>,
    size: fn(&T) -> usize,
    wrap: fn(Vec<T>) -> B,
) -> impl Stream<Item = B> + Send {
    unfold(queue, move |mut queue| async move {
        let first = queue.recv().await?;
        let mut bytes = size(&first);
        let mut batch = vec![first];
        while batch.len() < BATCH && bytes < BATCH_BYTES {
            let Ok(next) = queue.try_recv() else { break };
            bytes += size(&next);
            batch.push(next);
        }
        Some((wrap(batch), queue))
    })
}

/// What became of one message.
#[derive(Debug)]
pub(super) enum Answer {
    Body(Bytes),
    /// The receiver did not look at it.
    Refused(String),
    /// The receiver may have done something.
    Failed(String),
}

impl Answer {
    pub(super) fn of(reply: Option<proto::reply::Result>) -> Answer {
        match reply {
            Some(proto::reply::Result::Body(body)) => Answer::Body(body),
            Some(proto::reply::Result::Refused(reason)) => Answer::Refused(reason),
            Some(proto::reply::Result::Failed(reason)) => Answer::Failed(reason),
            None => Answer::Failed("the reply is empty".into()),
        }
    }
}

/// The callers that wait on one stream.
#[derive(Debug, Default)]
pub(super) struct Pending {
    last: AtomicU64,
    /// `None` once the stream has ended.
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    ended: bool,
    callers: BTreeMap<u64, oneshot::Sender<Answer>>,
}

/// A place among the waiting; dropping it gives the place up.
pub(super) struct Place<'a> {
    pending: &'a Pending,
    pub(super) id: u64,
    pub(super) answer: oneshot::Receiver<Answer>,
}

impl Pending {
    /// Waits for a reply from now on; `None` when the stream has ended.
    pub(super) fn wait(&self) -> Option<Place<'_>> {
        let id = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let (answered, answer) = oneshot::channel();
        let mut waiting = self.waiting.lock();
        if waiting.ended {
            return None;
        }
        waiting.callers.insert(id, answered);
        Some(Place { pending: self, id, answer })
    }

    pub(super) fn settle(&self, reply: proto::Reply) {
        let caller = self.waiting.lock().callers.remove(&reply.id);
        if let Some(caller) = caller {
            let _gave_up = caller.send(Answer::of(reply.result));
        }
    }

    /// The stream has ended: nobody gets a reply any more.
    pub(super) fn end(&self) {
        let mut waiting = self.waiting.lock();
        waiting.ended = true;
        waiting.callers.clear();
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.pending.waiting.lock().callers.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    //! Proves that replies find their callers in any order, and that the end of a stream is told.

    use futures_util::StreamExt as _;

    use super::*;

    fn reply(id: u64, body: &'static [u8]) -> proto::Reply {
        proto::Reply { id, result: Some(proto::reply::Result::Body(Bytes::from_static(body))) }
    }

    #[tokio::test]
    async fn replies_find_their_callers_in_any_order() {
        let pending = Pending::default();
        let mut first = pending.wait().expect("the stream runs");
        let mut second = pending.wait().expect("the stream runs");
        pending.settle(reply(second.id, b"two"));
        pending.settle(reply(first.id, b"one"));
        pending.settle(reply(99, b"nobody's"));
        let body = |answer| match answer {
            Ok(Answer::Body(body)) => body,
            other => panic!("{other:?}"),
        };
        assert_eq!(body((&mut first.answer).await), "one");
        assert_eq!(body((&mut second.answer).await), "two");
    }

    #[tokio::test]
    async fn the_end_of_the_stream_is_told_to_all_who_wait() {
        let pending = Pending::default();
        let mut place = pending.wait().expect("the stream runs");
        pending.end();
        assert!((&mut place.answer).await.is_err());
        assert!(pending.wait().is_none());
    }

    #[tokio::test]
    async fn what_has_gathered_travels_together() {
        let (sender, queue) = mpsc::channel(QUEUE);
        for number in 0..300 {
            sender.send(number).await.expect("the queue is open");
        }
        drop(sender);
        let batches: Vec<Vec<i32>> = in_batches(queue, |_| 1, |batch| batch).collect().await;
        let sizes: Vec<usize> = batches.iter().map(Vec::len).collect();
        assert_eq!(sizes, [BATCH, 300 - BATCH]);
    }

    #[tokio::test]
    async fn a_batch_of_large_messages_stays_under_the_limit() {
        let (sender, queue) = mpsc::channel(QUEUE);
        for number in 0..7_usize {
            sender.send(number).await.expect("the queue is open");
        }
        drop(sender);
        let batches = in_batches(queue, |_| BATCH_BYTES / 2, |batch| batch.len());
        assert_eq!(batches.collect::<Vec<_>>().await, [2, 2, 2, 1]);
    }
}
