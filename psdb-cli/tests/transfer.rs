//! Proves that imports and exports keep every document, report what failed, and cost few syncs.

mod support;

use std::collections::BTreeMap;

use support::films::{COUNT, films};
use support::{Conversation, run};

/// An import may sync so often, opening and closing the database included.
const MAX_SYNCS: u64 = 300;

#[test]
fn importing_the_films_costs_few_syncs_and_loses_none() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("data");
    let place = ["--data-dir", path.to_str().expect("UTF-8"), "-o", "simple", "-v"];
    let films = films();
    let import = &films.path;
    let script = format!("create films [\"Director\"]\nuse films\nimport {import}\ncount\n");
    let ran = run(&place, script);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.ends_with(&format!("Imported {COUNT} documents\n{COUNT}\n")), "{}", ran.out);
    let syncs = syncs(&ran.err);
    assert!((10..=MAX_SYNCS).contains(&syncs), "{syncs} syncs; at most {MAX_SYNCS} are allowed");
    let again = run(&[&place[..], &["-d", "films", "count"]].concat(), "");
    assert_eq!(again.out, format!("{COUNT}\n"), "{}", again.err);
}

/// How often the disk was synced, as `-v` tells it at the end.
fn syncs(err: &str) -> u64 {
    let told = err.lines().find_map(|line| line.strip_prefix("disk: ")).expect("a line about it");
    told.split(' ').next().and_then(|count| count.parse().ok()).expect("a number")
}

/// Documents by id, as text.
fn documents(text: &str) -> BTreeMap<String, serde_json::Value> {
    let parse = |line: &str| {
        let document: serde_json::Value = serde_json::from_str(line).expect("a document");
        (document["_id"].as_str().expect("an id").to_owned(), document)
    };
    text.lines().map(parse).collect()
}

#[test]
fn an_import_of_an_export_is_identical() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let films = films();
    let (one, two) = (directory.path().join("1.ndjson"), directory.path().join("2.ndjson"));
    let script = format!(
        "create a\nuse a\nimport {films}\nexport {one}\ncreate b\nuse b\nimport {one}\nexport {two}\n",
        films = films.path,
        one = one.display(),
        two = two.display()
    );
    let ran = run(&["-o", "json"], script);
    assert_eq!(ran.code, 0, "{}", ran.out);
    let (one, two) =
        [one, two].map(|path| std::fs::read_to_string(path).expect("an export")).into();
    // Times are new, everything else is the same: ids, the order of fields, every digit.
    let without_times = |text: &str| -> Vec<String> {
        let cut = |line: &str| line[..line.find("\"_created_at\"").expect("a time")].to_owned();
        text.lines().map(cut).collect()
    };
    assert_eq!(without_times(&one).len(), COUNT);
    assert_eq!(without_times(&one), without_times(&two));
}

#[test]
fn every_field_of_the_films_survives() {
    let films = films();
    let script = format!("create a\nuse a\nimport {}\nexport -\n", films.path);
    let ran = run(&["-o", "ndjson"], script);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let stored: Vec<&str> = ran.out.lines().filter(|line| line.contains("\"_version\"")).collect();
    let mut bare: Vec<serde_json::Value> = documents(&stored.join("\n")).into_values().collect();
    for document in &mut bare {
        let fields = document.as_object_mut().expect("an object");
        let metadata = ["_id", "_version", "_created_at", "_updated_at"];
        assert!(metadata.iter().all(|name| fields.contains_key(*name)), "{fields:?}");
        // Not `remove`, which does not keep the order of the others.
        fields.retain(|name, _| !metadata.contains(&name.as_str()));
    }
    let original = std::fs::read_to_string(&films.path).expect("the films");
    let mut given: Vec<String> = original
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a film").to_string())
        .collect();
    let mut kept: Vec<String> = bare.iter().map(ToString::to_string).collect();
    given.sort_unstable();
    kept.sort_unstable();
    assert_eq!(kept.len(), COUNT);
    assert!(given == kept, "a film was changed on its way");
}

#[test]
fn an_import_keeps_ids_and_drops_other_metadata() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("in.ndjson");
    let text = "{\"_id\": \"x\", \"_version\": 9, \"_created_at\": 1, \"_updated_at\": null, \"n\": 1}\n\
                {\"n\": 2}\r\n\
                \n\
                not json\n\
                {\"_id\": \"x\"}\n\
                {\"_id\": 7}\n";
    std::fs::write(&path, text).expect("a file");
    let script = format!("create c\nuse c\nimport {}\nread x\ncount\n", path.display());
    let ran = run(&["-o", "json", "--keep-going"], script);
    let objects = ran.objects();
    let import = &objects[2];
    assert_eq!((&import["imported"], &import["failed"]), (&2.into(), &3.into()), "{import}");
    let lines: Vec<_> = import["failures"].as_array().expect("a list").iter().collect();
    assert_eq!(
        lines.iter().map(|line| line["line"].as_u64()).collect::<Vec<_>>(),
        [4, 5, 6].map(Some)
    );
    assert_eq!(lines[1]["code"], "ALREADY_EXISTS");
    assert_eq!(
        (&objects[3]["document"]["_version"], &objects[3]["document"]["n"]),
        (&1.into(), &1.into())
    );
    assert_eq!(objects[4]["count"], 2);
    // The first failure is what the exit code tells.
    assert_eq!(ran.code, 2);
}

#[test]
fn an_import_streams_from_a_pipe() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("data");
    let place = ["--data-dir", path.to_str().expect("UTF-8"), "-d", "c", "-o", "json"];
    assert_eq!(run(&[&place[..], &["create", "c"]].concat(), "").code, 0);
    let mut import = Conversation::start(&[&place[..], &["-v", "import", "-"]].concat());
    for batch in 1..=2 {
        for n in 0..1_000 {
            import.send(&format!("{{\"batch\": {batch}, \"n\": {n}}}"));
        }
        // Acknowledged while the pipe is still open: nothing waits for the end of the input.
        assert_eq!(import.error_line(), format!("imported {}", batch * 1_000));
    }
    let ran = import.end();
    assert_eq!((ran.code, ran.objects()[0]["imported"].as_u64()), (0, Some(2_000)), "{}", ran.err);
}

#[test]
fn a_json_array_goes_out_and_in() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let films = films();
    let (array, csv) = (directory.path().join("f.json"), directory.path().join("f.csv"));
    let script = format!(
        "create a\nuse a\nimport {films}\nexport {array}\nexport {csv}\n\
         create b\nuse b\nimport {array}\ncount\ncreate c\nuse c\nimport {csv}\ncount\n",
        films = films.path,
        array = array.display(),
        csv = csv.display(),
    );
    let ran = run(&["-o", "json"], script);
    assert_eq!(ran.code, 0, "{}", ran.out);
    let objects = ran.objects();
    assert_eq!((&objects[8]["count"], &objects[12]["count"]), (&COUNT.into(), &COUNT.into()));
    let text = std::fs::read_to_string(&array).expect("the array");
    let parsed: Vec<serde_json::Value> = serde_json::from_str(&text).expect("a JSON array");
    assert_eq!(parsed.len(), COUNT);
    let head = std::fs::read_to_string(&csv).expect("the CSV");
    assert!(head.starts_with("_id,"), "{}", &head[..80]);
}

#[test]
fn every_form_keeps_values_and_their_types() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let documents = r#"{"_id": "a", "n": 18446744073709551615, "f": -1.5e-7, "t": true, "z": null}
{"_id": "b", "n": "7", "e": "", "q": "say \"hi\",\nbye", "l": [1, {"x": "y"}], "o": {}}
{"_id": "c", "u": "caf\u00e9 \ud83d\ude00", "s": "  x  "}
"#;
    let source = directory.path().join("in.ndjson");
    std::fs::write(&source, documents).expect("a file");
    let mut expected: Option<Vec<String>> = None;
    for form in ["ndjson", "json", "csv"] {
        let file = directory.path().join(format!("out.{form}"));
        let script = format!(
            "create a\nuse a\nimport {}\nexport {file}\ncreate b\nuse b\nimport {file}\nreadall\n",
            source.display(),
            file = file.display()
        );
        let ran = run(&["-o", "json"], script);
        assert_eq!(ran.code, 0, "{form}: {}", ran.out);
        let objects = ran.objects();
        let all = objects[7]["documents"].as_array().expect("documents");
        // CSV has its columns in one order for all, so the order of fields is not compared.
        let sorted = |document: &serde_json::Value| {
            let fields = document.as_object().expect("an object").iter();
            let mut fields: Vec<_> = fields
                .filter(|(name, _)| !name.ends_with("_at"))
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            fields.sort_unstable();
            fields.join(" ")
        };
        let found: Vec<String> = all.iter().map(sorted).collect();
        assert_eq!(found.len(), 3, "{form}");
        assert_eq!(&found, expected.get_or_insert_with(|| found.clone()), "{form}");
    }
    let first = &expected.expect("three forms")[0];
    assert_eq!(first, "_id=\"a\" _version=1 f=-1.5e-7 n=18446744073709551615 t=true z=null");
}

#[test]
fn what_is_wrong_in_an_array_or_in_csv_is_told_with_its_line() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for (name, text, lines) in [
        ("a.json", "[{\"a\": 1},\n7,\n{\"a\": 2}\n, {\"n\": 1e400}]", &[2, 4][..]),
        ("b.json", "[{\"a\": 1}, {\"a\": 2},\n", &[2]),
        ("c.csv", "a,b\n1,2\n3\n4,5\n1e400,1\n", &[3, 5]),
    ] {
        let path = directory.path().join(name);
        std::fs::write(&path, text).expect("a file");
        let script = format!("create c\nuse c\nimport {}\ncount\n", path.display());
        let ran = run(&["-o", "json", "--keep-going"], script);
        let objects = ran.objects();
        assert_eq!((ran.code, &objects[2]["imported"]), (2, &2.into()), "{name}: {}", ran.out);
        let failures = objects[2]["failures"].as_array().expect("failures");
        let told: Vec<u64> = failures.iter().filter_map(|f| f["line"].as_u64()).collect();
        assert_eq!(told, lines, "{name}: {}", ran.out);
        assert_eq!(objects[3]["count"], 2, "{name}");
    }
}
