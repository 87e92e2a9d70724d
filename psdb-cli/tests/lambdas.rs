//! Proves that lambdas given to the shell find what Python would find in the films, with an index
//! and without, and that one outside the language is refused with its column and changes nothing.

mod support;

use serde_json::Value;

use support::films::{COUNT, films};
use support::run;

/// The films themselves, to count by other means.
fn originals() -> Vec<Value> {
    let text = std::fs::read_to_string(films().path).expect("the films");
    text.lines().map(|line| serde_json::from_str(line).expect("a film")).collect()
}

/// Runs `script` on the imported films and returns the objects after the import's.
fn on_films(index: &str, script: &str) -> Vec<Value> {
    let films = films();
    let script = format!("create films {index}\nuse films\nimport {}\n{script}", films.path);
    let ran = run(&["-o", "json", "--keep-going"], script);
    let mut objects = ran.objects();
    assert_eq!(objects[2]["imported"], COUNT, "{}", ran.err);
    objects.drain(..3);
    objects
}

#[test]
fn the_tour_of_the_films() {
    let films = films();
    let script = format!(
        "create films [\"Director\"]\nuse films\nimport {}\ncount\n\
         count lambda d: d[\"IMDB Rating\"] > 8.5\n\
         count lambda d: d.get(\"Director\") == \"Steven Spielberg\"\n",
        films.path
    );
    let ran = run(&["-o", "simple"], script);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let originals = originals();
    let rated = originals.iter().filter(|f| f["IMDB Rating"].as_f64().is_some_and(|r| r > 8.5));
    let by_spielberg = originals.iter().filter(|film| film["Director"] == "Steven Spielberg");
    let expected = format!("{COUNT}\n{}\n{}\n", rated.count(), by_spielberg.count());
    assert!(ran.out.ends_with(&expected), "{} should end with {expected}", ran.out);
    if films.is_real() {
        assert!(ran.out.ends_with("3201\n35\n23\n"), "{}", ran.out);
    }
}

#[test]
fn an_index_changes_no_answer() {
    let director = originals().iter().find_map(|f| f["Director"].as_str().map(str::to_owned));
    let director = director.expect("a film with a director");
    let script = format!(
        "count lambda d: d.get(\"Director\") == \"{director}\"\n\
         count lambda d: d[\"Director\"] == \"{director}\" and d[\"IMDB Rating\"] > 5\n\
         count lambda d: d[\"Director\"] is None\n\
         count lambda d: d.get(\"Director\") != \"{director}\"\n\
         count lambda d: d[\"Director\"] > \"S\"\n\
         count lambda d: \"A\" <= d[\"Director\"] < \"C\"\n"
    );
    let (with, without) = (on_films("[\"Director\"]", &script), on_films("", &script));
    let counts = |objects: &[Value]| objects.iter().map(|o| o["count"].clone()).collect::<Vec<_>>();
    assert_eq!(counts(&with), counts(&without));
    assert!(with[0]["count"].as_u64() > Some(0), "{}", with[0]);
}

#[test]
fn results_are_sorted_skipped_and_limited_across_shards() {
    let lines: Vec<String> = (0..100)
        .map(|n| format!("insert {{\"_id\": \"{n:03}\", \"n\": {}}}", (n * 37) % 100))
        .collect();
    let script = format!(
        "create c shards=4\nuse c\n{}\n\
         query 'lambda d: d[\"n\"] >= 10' sort 'lambda d: d[\"n\"]' skip 5 limit 3\n\
         query \"lambda d: True\" sort 'lambda d: d[\"n\"] % 10' desc limit 2\n\
         query lambda d: d[\"n\"] < 3\n",
        lines.join("\n")
    );
    let ran = run(&["-o", "json"], script);
    assert_eq!(ran.code, 0, "{}", ran.out);
    let objects = ran.objects();
    let numbers = |at: usize| -> Vec<u64> {
        let documents = objects[at]["documents"].as_array().expect("documents");
        documents.iter().filter_map(|d| d["n"].as_u64()).collect()
    };
    assert_eq!(numbers(102), [15, 16, 17]);
    // Equal keys come in the order of their ids.
    assert_eq!(numbers(103).iter().map(|n| n % 10).collect::<Vec<_>>(), [9, 9]);
    // Without an order, by id: 000 has 0, 027 has 99, ... so the three stand as their ids do.
    let mut by_id: Vec<(u64, u64)> =
        (0..100).map(|n| (n, (n * 37) % 100)).filter(|(_, n)| *n < 3).collect();
    by_id.sort_unstable();
    assert_eq!(numbers(104), by_id.iter().map(|(_, n)| *n).collect::<Vec<_>>());
}

#[test]
fn documents_on_which_a_lambda_raises_are_counted() {
    let script = "create c\nuse c\ninsert {\"_id\": \"a\", \"n\": 1}\ninsert {\"_id\": \"b\"}\n\
                  insert {\"_id\": \"c\", \"n\": null}\ncount lambda d: d[\"n\"] > 0\n";
    let json = run(&["-o", "json"], script);
    let answer = &json.objects()[5];
    assert_eq!((&answer["count"], &answer["skipped"]), (&1.into(), &2.into()), "{answer}");
    assert_eq!(answer["first_error"]["id"], "b");
    let message = answer["first_error"]["message"].as_str().expect("a message");
    assert!(message.contains("KeyError"), "{message}");
    let simple = run(&["-o", "simple"], script);
    assert!(simple.out.ends_with("\n1\n"), "{}", simple.out);
    assert!(simple.err.contains("skipped 2 documents"), "{}", simple.err);
}

#[test]
fn spaces_inside_a_lambda_are_kept() {
    let script = "create c\nuse c\ninsert {\"s\": \"a   b\"}\ncount lambda d: d[\"s\"] == \"a   b\"\n\
                  count 'lambda d: d[\"s\"] == \"a   b\"'\ncount lambda d: d[\"s\"] == \"a b\"\n";
    let ran = run(&["-o", "simple"], script);
    assert!(ran.out.ends_with("\n1\n1\n0\n"), "{}{}", ran.out, ran.err);
}

#[test]
fn a_lambda_outside_the_language_is_refused_with_its_column() {
    for lambda in [
        "lambda d: d[",
        "lambda d: d[\"x\"] >",
        "lambda d: d[\"x]",
        "lambda d: (1",
        "lambda d: 1 2",
        "lambda d:",
        "lambda: True",
        "lambda a, b: True",
        "lambda d: other",
        "lambda d: open(\"/etc/passwd\")",
        "lambda d: __import__(\"os\")",
        "lambda d: d.__class__.__mro__",
        "lambda d: (x := 1)",
        "d[\"x\"] > 1",
        "True",
        "import os",
        "lambda d: d[\"x\"] && True",
        "lambda d: \u{1f600}",
        "lambda d: d[\"x\"] = 1",
    ] {
        let ran = run(
            &["-o", "json", "--keep-going"],
            format!(
                "create c\nuse c\ninsert {{\"x\": 1}}\ncount {lambda}\nquery {lambda}\ncount\n"
            ),
        );
        let objects = ran.objects();
        assert_eq!(ran.code, 2, "{lambda}: {}", ran.out);
        for refused in &objects[3..5] {
            assert_eq!(refused["error"]["code"], "INVALID_ARGUMENT", "{lambda}: {refused}");
            let message = refused["error"]["message"].as_str().expect("a message");
            assert!(message.contains("invalid query: "), "{lambda}: {message}");
            assert!(message.contains("column "), "{lambda}: {message}");
        }
        assert_eq!(objects[5]["count"], 1, "{lambda}");
        assert!(!ran.err.contains("panicked"), "{lambda}: {}", ran.err);
    }
    let shown = run(&["-o", "simple"], "create c\nuse c\ncount lambda d: d[\"x\"] >\n");
    assert_eq!(shown.code, 2);
    let lines: Vec<&str> = shown.err.lines().skip(1).collect();
    assert!(lines[0].starts_with("error: line 3: invalid query: "), "{}", shown.err);
    assert_eq!(lines[1], "  lambda d: d[\"x\"] >");
    assert_eq!(lines[2].trim_start(), "^", "{}", shown.err);
}

#[test]
fn a_bare_lambda_with_options_after_it_is_told_to_be_quoted() {
    let ran = run(&[], "create c\nuse c\nquery lambda d: True limit 3\n");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("put the lambda in quotes"), "{}", ran.err);
}
