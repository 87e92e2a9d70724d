//! Proves that `select`, `distinct`, `group`, `update_many` and `delete_many` answer in each form, and on
//! the films what another program computes of the same file.

mod support;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use support::films::{COUNT, films};
use support::{Conversation, run};

/// The films themselves, to compute by other means.
fn originals() -> Vec<Value> {
    let text = std::fs::read_to_string(films().path).expect("the films");
    text.lines().map(|line| serde_json::from_str(line).expect("a film")).collect()
}

/// Runs `script` on the imported films and returns the objects after the import's.
fn on_films(script: &str) -> Vec<Value> {
    let films = films();
    let script = format!("create films shards=4\nuse films\nimport {}\n{script}", films.path);
    let ran = run(&["-o", "json", "--keep-going"], script);
    let mut objects = ran.objects();
    assert_eq!(objects[2]["imported"], COUNT, "{}", ran.err);
    objects.drain(..3);
    objects
}

fn director(film: &Value) -> Option<String> {
    film["Director"].as_str().map(str::to_owned)
}

#[test]
fn groups_and_values_of_the_films() {
    let answers = on_films(
        "group 'lambda d: d[\"Director\"]' where 'lambda d: d[\"Director\"] is not None'\n\
         group 'lambda d: d[\"Director\"]' max 'lambda d: d[\"IMDB Rating\"]' where 'lambda d: \
         d[\"Director\"] is not None and d[\"IMDB Rating\"] is not None'\n\
         distinct lambda d: d[\"Director\"]\n\
         distinct lambda d: d[\"Nothing\"]\n\
         distinct 'lambda d: d[\"Nothing\"]' strict\n",
    );
    let films = originals();
    let (mut sizes, mut best): (BTreeMap<String, u64>, BTreeMap<String, f64>) = Default::default();
    for film in &films {
        let Some(director) = director(film) else { continue };
        *sizes.entry(director.clone()).or_default() += 1;
        let Some(rating) = film["IMDB Rating"].as_f64() else { continue };
        let best = best.entry(director).or_insert(rating);
        *best = best.max(rating);
    }
    let groups = |answer: &Value| -> Vec<(String, Value)> {
        let groups = answer["groups"].as_array().unwrap_or_else(|| panic!("{answer}"));
        let pair = |group: &Value| {
            (group["key"].as_str().expect("a name").to_owned(), group["value"].clone())
        };
        groups.iter().map(pair).collect()
    };
    let sizes: Vec<_> = sizes.into_iter().map(|(name, size)| (name, json!(size))).collect();
    assert_eq!(groups(&answers[0]), sizes);
    let found = groups(&answers[1])
        .into_iter()
        .map(|(name, value)| (name, value.as_f64().expect("a rating")));
    assert_eq!(found.collect::<Vec<_>>(), best.into_iter().collect::<Vec<_>>());
    let mut names: Vec<Value> = sizes.iter().map(|(name, _)| json!(name)).collect();
    if films.iter().any(|film| film["Director"].is_null()) {
        names.insert(0, Value::Null);
    }
    assert_eq!(answers[2]["values"], json!(names));
    assert_eq!((&answers[3]["values"], &answers[3]["skipped"]), (&json!([]), &json!(COUNT)));
    assert_eq!(answers[4]["ok"], false, "{}", answers[4]);
    let message = answers[4]["error"]["message"].as_str().expect("a message");
    assert!(message.contains("KeyError: 'Nothing'"), "{message}");
}

#[test]
fn many_films_are_updated_and_deleted() {
    let answers = on_films(
        "update_many lambda d: d[\"IMDB Rating\"] > 8.5 {\"loved\": true}\n\
         count lambda d: d.get(\"loved\") and d[\"_version\"] == 2\n\
         count lambda d: d[\"_version\"] > 1\n\
         delete_many lambda d: d[\"IMDB Rating\"] is None or d[\"IMDB Rating\"] <= 8.5\n\
         count\n\
         query 'lambda d: True' sort 'lambda d: d[\"IMDB Rating\"]' desc limit 3 select 'lambda d: d[\"IMDB Rating\"]'\n",
    );
    let films = originals();
    let rating = |film: &Value| film["IMDB Rating"].as_f64();
    let mut loved: Vec<f64> = films.iter().filter_map(rating).filter(|r| *r > 8.5).collect();
    loved.sort_by(|a, b| b.total_cmp(a));
    let rated = films.iter().filter(|film| rating(film).is_some()).count();
    let answer = &answers[0];
    assert_eq!(answer["matched"], loved.len(), "{answer}");
    assert_eq!(answer["modified"], loved.len(), "{answer}");
    assert_eq!(answer["skipped"], COUNT - rated, "a film without a rating raises: {answer}");
    assert_eq!(
        (&answers[1]["count"], &answers[2]["count"]),
        (&json!(loved.len()), &json!(loved.len()))
    );
    assert_eq!(answers[3]["deleted"], COUNT - loved.len(), "{}", answers[3]);
    assert_eq!(answers[4]["count"], loved.len());
    let best: Vec<f64> = loved.iter().copied().take(3).collect();
    let found = answers[5]["documents"].as_array().expect("values").iter();
    assert_eq!(found.filter_map(Value::as_f64).collect::<Vec<_>>(), best);
}

const TOUR: &str = r#"create c shards=2
use c
insert {"_id": "a", "k": "x", "n": 1}
insert {"_id": "b", "k": "y", "n": 2}
insert {"_id": "c", "k": "x", "n": 4}
insert {"_id": "d", "n": 8}
group 'lambda d: d["k"]' sum 'lambda d: d["n"]'
distinct lambda d: d["k"]
query 'lambda d: d["n"] < 8' select 'lambda d: {"double": d["n"] * 2}'
query 'lambda d: d["n"] < 4' select 'lambda d: d["n"]'
update_many 'lambda d: d["k"] == "x"' {"seen": true}
delete_many lambda d: d["k"] == "y"
"#;

/// What the tour prints after the inserts.
fn told(format: &str) -> (String, String) {
    let ran = run(&["-o", format], TOUR);
    assert_eq!(ran.code, 0, "{}", ran.err);
    (ran.out.split_inclusive('\n').skip(6).collect(), ran.err)
}

#[test]
fn every_form_has_its_answers() {
    let (simple, notes) = told("simple");
    let expected = "\"x\": 5\n\"y\": 2\n\"x\"\n\"y\"\n{\"double\": 2}\n{\"double\": 4}\n{\"double\": 8}\n\
                    1\n2\nUpdated 2 of 2 matching documents\nDeleted 1 of 1 matching documents\n";
    assert_eq!(simple, expected);
    assert!(notes.contains("skipped 1 documents"), "{notes}");
    let (ndjson, _) = told("ndjson");
    assert!(ndjson.starts_with("{\"key\": \"x\", \"value\": 5}\n"), "{ndjson}");
    let (json, _) = told("json");
    let first = r#"{"ok":true,"command":"group","groups":[{"key": "x", "value": 5},{"key": "y", "value": 2}],"skipped":1,"first_error":{"id":"d","message":"KeyError: 'k'"}}"#;
    let lines: Vec<&str> = json.lines().collect();
    assert_eq!(lines[0], first);
    assert!(
        lines[4].starts_with(r#"{"ok":true,"command":"update_many","matched":2,"modified":2,"#),
        "{json}"
    );
    assert!(
        lines[5].starts_with(r#"{"ok":true,"command":"delete_many","matched":1,"deleted":1,"#),
        "{json}"
    );
    let (csv, _) = told("csv");
    assert!(
        csv.starts_with("key,value\nx,5\ny,2\nvalue\nx\ny\ndouble\n2\n4\n8\nvalue\n1\n2\n"),
        "{csv}"
    );
    let (table, _) = told("table");
    assert!(table.starts_with("key  value\nx        5\ny        2\nvalue\nx\ny\n"), "{table}");
}

/// A minute of work, on threads that a process cannot leave behind, is over as soon as it is not
/// wanted.
#[cfg(unix)]
#[test]
fn an_interrupt_stops_the_query_on_the_shards() {
    let (films, directory) = (films(), tempfile::tempdir().expect("a directory"));
    let path = directory.path().to_str().expect("a UTF-8 path");
    let mut shell = Conversation::start(&["-o", "json", "--data-dir", path]);
    for line in ["create films", "use films", &format!("import {}", films.path)] {
        shell.done(line);
    }
    shell.send("count lambda d: sum(x * x for x in range(50000)) < 0");
    shell.interrupt();
    let interrupted = Instant::now();
    let ran = shell.end();
    assert_eq!(ran.code, 130, "{}{}", ran.out, ran.err);
    assert!(interrupted.elapsed() < Duration::from_secs(8), "{:?}", interrupted.elapsed());
}
