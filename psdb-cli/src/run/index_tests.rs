//! Proves that `index create` waits until an index is built, says how far it is, and that neither a
//! failure to ask nor `--no-wait` takes it back; and what is asked for by policies and pages.

use psdb::client::IndexInfo;
use psdb::transport::message::IndexState;
use psdb::{Error, Outcome};

use super::tests::{Ran, films, run, state};
use crate::session::double::Double;
use crate::session::double::samples;

/// A database whose index on `role` has so many of 7 documents, one answer after the other.
fn building(done: &[u64]) -> Double {
    let double = films();
    let answer = |done: &u64| {
        let state = if *done < 7 { IndexState::Building } else { IndexState::Ready };
        vec![IndexInfo { state, documents_done: *done, entries: *done, ..samples::index() }]
    };
    state(&double).indexes = done.iter().map(answer).collect();
    double
}

async fn told(double: &Double, format: &str, script: &str) -> Ran {
    run(double, &["-d", "films", "-o", format], script).await
}

#[tokio::test]
async fn creation_waits_until_the_index_is_built() {
    let double = building(&[0, 3, 7]);
    let ran = told(&double, "simple", "index create role").await;
    let answer = ("Index 'role' is ready: 7 entries\n", "", 0);
    assert_eq!((ran.out.as_str(), ran.err.as_str(), ran.exit), answer);
    let asked = state(&double).calls.iter().filter(|call| *call == "indexes films").count();
    assert_eq!(asked, 3);
    let ran = told(&building(&[3, 7]), "json", "index create role --no-wait").await;
    let index = r#"{"name":"role","fields":["role"],"state":"building","entries":3,"documents_done":3,"documents":7}"#;
    let expected = format!("{{\"ok\":true,\"command\":\"index\",\"indexes\":[{index}]}}\n");
    assert_eq!((ran.out, ran.exit), (expected, 0));
    let ran = told(&building(&[3]), "table", "index list").await;
    assert!(ran.out.contains("role") && ran.out.contains("building"), "{}", ran.out);
    let ran = told(&building(&[3]), "simple", "index list").await;
    assert!(ran.out.contains("building (3 of 7)"), "{}", ran.out);
}

#[tokio::test]
async fn a_failure_to_ask_does_not_take_the_index_back() {
    let double = building(&[0]);
    let (what, reason) = ("shard 3".into(), "nobody answers".into());
    let error = Error::Unavailable { what, reason, outcome: Outcome::NotApplied };
    state(&double).failures = [None, Some(error)].into();
    let ran = told(&double, "simple", "index create role").await;
    assert_eq!((ran.out.as_str(), ran.exit), ("", 5));
    assert!(ran.err.contains("the index is being built all the same"), "{}", ran.err);
    let dropped = building(&[0]);
    state(&dropped).indexes.push_back(Vec::new());
    let ran = told(&dropped, "simple", "index create role").await;
    assert_eq!(ran.exit, 3, "{}", ran.err);
}

#[tokio::test]
async fn what_is_asked_for_arrives_as_written() {
    let double = building(&[7]);
    let script = "index create 'Major Genre,addr.city' name=genre\nindex drop role\n\
                  configure deny_full_scan=true\ncreate more deny_full_scan=true\n\
                  readall limit 9 page 1\nquery 'lambda d: True' page 1 after 1\n";
    let ran = told(&double, "json", script).await;
    assert_eq!(ran.exit, 0, "{}{}", ran.out, ran.err);
    let calls = state(&double).calls.clone();
    for call in [
        "index films [\"Major Genre\", \"addr.city\"] Some(\"genre\")",
        "drop role of films",
        "deny_full_scan films true",
        "create more [] None deny_full_scan",
    ] {
        assert!(calls.iter().any(|known| known == call), "{call}: {calls:?}");
    }
    assert!(calls.iter().any(|call| call.starts_with("Page { size: 1, token: Some(\"1\") } of")));
}
