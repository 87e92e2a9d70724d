//! Proves who is welcome and who is not, and that what was noted survives a restart.

use std::path::Path;

use super::*;
use crate::env::Env;

fn master(directory: u64, incarnation: u64, stage: Stage) -> Introduction {
    Introduction {
        name: "m1".into(),
        address: "m1".into(),
        directory,
        incarnation,
        start: incarnation,
        cluster: None,
        stage,
        reached: LogIndex(90),
        applied: LogIndex(80),
        joins: false,
    }
}

/// A roll of one that has entered and knows directory 7 at its fifth start.
fn page(entered: bool, stage: Stage) -> Page {
    let applied = LogIndex(80);
    let known =
        Known { address: "m1".into(), directory: 7, incarnation: 5, start: 5, stage, applied };
    let known = BTreeMap::from([("m1".to_owned(), known)]);
    Page { entered, known, ..Page::default() }
}

fn refusal(page: &Page, cluster: Option<u64>, who: &Introduction) -> Option<String> {
    judge(page, cluster, who).err().map(|error| {
        assert!(matches!(error, Error::WrongIdentity { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("under a new name") && text.contains("master 'm1'"), "{text}");
        text
    })
}

#[test]
fn a_restart_is_welcome_and_amnesia_is_not() {
    let known = page(true, Stage::Member);
    assert_eq!(refusal(&known, None, &master(7, 6, Stage::Member)), None);
    // The same start asks again.
    assert_eq!(refusal(&known, None, &master(7, 5, Stage::Member)), None);
    for (who, why) in [
        (master(8, 1, Stage::New), "its data was lost"),
        (master(8, 9, Stage::Member), "its data was lost"),
        (master(7, 4, Stage::Member), "restored from an older copy"),
        (Introduction { start: 99, ..master(7, 5, Stage::Member) }, "restored from an older copy"),
        (
            Introduction { reached: LogIndex(79), ..master(7, 6, Stage::Member) },
            "its log ends at 79, but it had applied 80",
        ),
        (master(7, 6, Stage::New), "its log was lost"),
        (master(7, 6, Stage::Entered), "its log was lost"),
        (Introduction { joins: true, ..master(8, 1, Stage::New) }, "its data was lost"),
    ] {
        let refusal = refusal(&known, None, &who).expect("refused");
        assert!(refusal.contains(why), "{refusal}");
    }
}

#[test]
fn a_name_that_nobody_knows_joins_but_founds_nothing_beside_a_cluster() {
    let (old, new) = (Page { entered: true, ..Page::default() }, Page::default());
    let stranger = master(7, 1, Stage::New);
    assert_eq!(refusal(&new, None, &stranger), None);
    assert!(refusal(&old, None, &stranger).expect("refused").contains("founded without it"));
    let joining = Introduction { joins: true, ..stranger.clone() };
    assert_eq!(refusal(&old, None, &joining), None);
    // A founder that had not introduced itself to all when the first of them began.
    let awaited = Page { awaited: BTreeSet::from(["m1".into()]), ..old.clone() };
    assert_eq!(refusal(&awaited, None, &stranger), None);
    // Its roll may be younger than its log.
    assert_eq!(refusal(&old, None, &master(7, 1, Stage::Member)), None);
}

#[test]
fn before_anybody_has_voted_a_directory_may_change() {
    assert_eq!(refusal(&page(false, Stage::New), None, &master(8, 1, Stage::New)), None);
    assert!(refusal(&page(true, Stage::New), None, &master(8, 1, Stage::New)).is_some());
    assert!(refusal(&page(false, Stage::Entered), None, &master(8, 1, Stage::New)).is_some());
}

#[test]
fn another_cluster_and_a_name_that_was_removed_are_refused() {
    let ours = Introduction { cluster: Some(1), ..master(7, 6, Stage::Member) };
    let known = page(true, Stage::Member);
    assert_eq!(refusal(&known, Some(1), &ours), None);
    assert!(refusal(&known, Some(2), &ours).expect("refused").contains("belongs to cluster"));
    let removed = Page { used_up: BTreeSet::from([NodeId::from_name("m1")]), ..known };
    assert!(refusal(&removed, Some(1), &ours).expect("refused").contains("used up"));
}

#[tokio::test]
async fn what_was_noted_is_there_after_a_restart() {
    let env = Env::memory();
    let open = || async {
        let directory = Directory::open(&env, Path::new("/m2"), "m2").await.expect("opens");
        (Roll::open(directory.clone()).await.expect("reads"), directory)
    };
    let (roll, directory) = open().await;
    roll.admit(&master(7, 5, Stage::Member)).await.expect("welcome");
    let founders = BTreeSet::from(["m1".into(), "m3".into()]);
    roll.note_entered(&founders).await.expect("notes");
    assert_eq!(roll.page.lock().awaited, BTreeSet::from(["m3".into()]));
    directory.release();
    let (roll, directory) = open().await;
    assert!(roll.has_entered());
    roll.admit(&master(7, 4, Stage::Member)).await.expect_err("it went back");
    let voters = BTreeMap::from([(NodeId(1), Address::from("m3"))]);
    assert_eq!(roll.names().into_values().collect::<Vec<_>>(), ["m1"]);
    roll.follow(&voters, &BTreeSet::from([NodeId::from_name("m1")])).await.expect("notes");
    directory.release();
    let (roll, _directory) = open().await;
    assert_eq!((roll.voters(), roll.names().len()), (voters, 0));
    roll.admit(&master(7, 6, Stage::Member)).await.expect_err("its name is used up");
}
