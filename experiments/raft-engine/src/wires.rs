//! The network between the nodes of one scenario: messages are calls, and rules lose them.
//!
//! A lost message is never answered; the engines' own time-outs must deal with that, as on a real
//! network. A node that was never started loses everything sent to it.
//!
//! Invariant: a rule holds for answers too: an answer is lost when its way was cut meanwhile.
//!
//! Left out: delay and reordering. Where a scenario needs a duplicate, it sends one by itself.

use std::collections::BTreeMap;
use std::future::pending;

use parking_lot::Mutex;

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Append,
    Vote,
}

/// A rule that loses messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Everything from and to this node.
    Node(u64),
    /// AppendEntries to this node; it still hears of elections.
    AppendsTo(u64),
}

impl Cut {
    fn loses(self, from: u64, to: u64, kind: Kind) -> bool {
        match self {
            Cut::Node(node) => node == from || node == to,
            Cut::AppendsTo(node) => node == to && kind == Kind::Append,
        }
    }
}

/// The nodes of one scenario and the ways between them.
pub(crate) struct Wires<E> {
    nodes: Mutex<BTreeMap<u64, E>>,
    cuts: Mutex<Vec<Cut>>,
}

impl<E> Wires<E> {
    pub(crate) fn new() -> Wires<E> {
        Wires { nodes: Mutex::new(BTreeMap::new()), cuts: Mutex::new(Vec::new()) }
    }

    /// Makes `node` reachable under `id`.
    pub(crate) fn attach(&self, id: u64, node: E) {
        self.nodes.lock().insert(id, node);
    }

    /// Loses messages by `cut` from now on.
    pub(crate) fn cut(&self, cut: Cut) {
        self.cuts.lock().push(cut);
    }

    fn open(&self, from: u64, to: u64, kind: Kind) -> bool {
        !self.cuts.lock().iter().any(|cut| cut.loses(from, to, kind))
    }
}

impl<E: Clone> Wires<E> {
    /// Delivers one message through `call` and returns its answer; waits for ever when it is lost.
    pub(crate) async fn deliver<A, F: Future<Output = A>>(
        &self,
        from: u64,
        to: u64,
        kind: Kind,
        call: impl FnOnce(E) -> F,
    ) -> A {
        let node = self.nodes.lock().get(&to).cloned();
        if let Some(node) = node.filter(|_| self.open(from, to, kind)) {
            let answer = call(node).await;
            if self.open(from, to, kind) {
                return answer;
            }
        }
        pending().await
    }
}
