//! Proves that a request is applied at most once under duplicates, reordering and eviction, by
//! specific stories and by a random model that remembers everything.

use std::collections::BTreeSet;

use bytes::Bytes;
use proptest::prelude::*;

use super::{SessionLimits, Sessions, Verdict};
use crate::types::{ClientId, LogIndex, RequestId};

const LIMITS: SessionLimits = SessionLimits { clients: 2, answers: 3 };

fn request(client: u64, sequence: u64, settled_below: u64, observed: u64) -> RequestId {
    RequestId { client: ClientId(client), sequence, settled_below, observed: LogIndex(observed) }
}

fn apply(sessions: &mut Sessions, request: &RequestId, index: u64) -> Verdict {
    let verdict = sessions.check(request);
    if verdict == Verdict::New {
        sessions.record(request, Bytes::from(index.to_string()), LogIndex(index), LIMITS);
    }
    verdict
}

#[test]
fn a_retry_gets_the_first_answer() {
    let mut sessions = Sessions::default();
    let first = request(1, 1, 0, 0);
    assert_eq!(apply(&mut sessions, &first, 10), Verdict::New);
    assert_eq!(apply(&mut sessions, &first, 11), Verdict::Duplicate(Bytes::from("10")));
}

#[test]
fn a_retry_by_someone_who_has_observed_nothing_gets_the_first_answer_after_evictions() {
    let mut sessions = Sessions::default();
    apply(&mut sessions, &request(1, 1, 1, 0), 10);
    apply(&mut sessions, &request(2, 1, 1, 0), 11);
    apply(&mut sessions, &request(3, 1, 1, 0), 12);
    let named = |observed| request(4, 1, 1, observed);
    assert_eq!(apply(&mut sessions, &named(0), 13), Verdict::Evicted(LogIndex(12)));
    assert_eq!(apply(&mut sessions, &named(12), 14), Verdict::New);
    assert_eq!(apply(&mut sessions, &named(0), 15), Verdict::Duplicate(Bytes::from("14")));
}

#[test]
fn a_settled_request_is_never_run_again() {
    let mut sessions = Sessions::default();
    apply(&mut sessions, &request(1, 1, 0, 0), 10);
    apply(&mut sessions, &request(1, 2, 2, 10), 11);
    assert!(matches!(apply(&mut sessions, &request(1, 1, 0, 0), 12), Verdict::Evicted(_)));
}

#[test]
fn an_evicted_client_is_refused_until_it_has_seen_the_eviction() {
    let mut sessions = Sessions::default();
    apply(&mut sessions, &request(1, 1, 0, 0), 10);
    apply(&mut sessions, &request(2, 1, 0, 0), 11);
    apply(&mut sessions, &request(3, 1, 0, 0), 12);
    assert_eq!(apply(&mut sessions, &request(1, 1, 0, 0), 13), Verdict::Evicted(LogIndex(12)));
    assert_eq!(apply(&mut sessions, &request(1, 2, 2, 12), 14), Verdict::New);
    // The old message arrives once more, after the client has a new session.
    assert!(matches!(apply(&mut sessions, &request(1, 1, 0, 0), 15), Verdict::Evicted(_)));
}

proptest! {
    #[test]
    fn no_request_is_applied_twice(
        messages in prop::collection::vec((0u64..5, 1u64..12, 0u64..12, 0u64..40), 1..80),
    ) {
        let mut sessions = Sessions::default();
        let mut applied = BTreeSet::new();
        let mut first_observed = std::collections::BTreeMap::new();
        for (index, (client, sequence, settled, observed)) in (1u64..).zip(messages) {
            // A client numbers a request once: `observed` is what it knew at the first sending,
            // which cannot lie in the future of the log.
            let observed = *first_observed
                .entry((client, sequence))
                .or_insert(observed.min(index - 1));
            let request = request(client, sequence, settled.min(sequence), observed);
            if apply(&mut sessions, &request, index) == Verdict::New {
                prop_assert!(applied.insert((client, sequence)), "applied {request:?} twice");
            }
            prop_assert!(sessions.clients.len() <= LIMITS.clients);
            prop_assert_eq!(sessions.clients.len(), sessions.by_use.len());
        }
    }
}
