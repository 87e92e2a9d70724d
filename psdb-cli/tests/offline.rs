//! Proves that a directory can be looked at, mended and read while no node has it open: damage leaves
//! with 65 and names file and offset, and what is not damaged can be read.

mod support;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use support::run;

const DOCUMENTS: usize = 300;
const PAGE_BYTES: usize = 8_192;

/// A directory with a database of some documents, closed in good order.
fn directory() -> (tempfile::TempDir, String) {
    let place = tempfile::tempdir().expect("a temporary directory");
    let path = place.path().join("data").to_str().expect("UTF-8").to_owned();
    let mut script = "create notes [\"n\"] shards=1\nuse notes\n".to_owned();
    for n in 0..DOCUMENTS {
        let text = "x".repeat(200);
        let document = serde_json::json!({"_id": format!("{n:04}"), "n": n, "text": text});
        writeln!(script, "insert {document}").expect("a string takes everything");
    }
    let ran = run(&["--data-dir", &path], &script);
    assert_eq!(ran.code, 0, "{}", ran.err);
    (place, path)
}

/// The page file of the shard that has the documents: the largest.
fn largest(path: &str) -> PathBuf {
    let files = fs::read_dir(Path::new(path).join("groups")).expect("a folder of groups");
    let files = files.map(|file| file.expect("an entry").path());
    let size = |file: &PathBuf| fs::metadata(file).expect("a file").len();
    files.max_by_key(size).expect("there are page files")
}

/// Damages a page of documents, but not the one that leads to all others; says where.
fn damage(path: &str) -> (PathBuf, usize) {
    let file = largest(path);
    let whole = fs::read(&file).expect("readable");
    for page in 2..whole.len() / PAGE_BYTES {
        let mut bytes = whole.clone();
        bytes[page * PAGE_BYTES + 6_000] ^= 0x40;
        fs::write(&file, &bytes).expect("writable");
        let ran = run(&["-d", "notes", "export", "--offline", path], "");
        if ran.code == 65 && ran.out.lines().count() > DOCUMENTS / 2 {
            return (file, page * PAGE_BYTES);
        }
    }
    panic!("no page of {} matters", file.display());
}

#[test]
fn a_sound_directory_leaves_with_0() {
    let (_place, path) = directory();
    let ran = run(&["-o", "json", "check", &path], "");
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let answer = &ran.objects()[0];
    assert_eq!(answer["ok"], true);
    assert_eq!(answer["files"].as_array().expect("a list").len(), 5);
    assert_eq!(answer["log"]["sealed"], true);
    let ran = run(&["-o", "simple", "check", "--repair", &path], "");
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("no damage found"), "{}", ran.out);
}

#[test]
fn damage_is_named_and_the_rest_can_be_read() {
    let (place, path) = directory();
    let (file, offset) = damage(&path);
    let ran = run(&["check", &path], "");
    assert_eq!(ran.code, 65, "{}{}", ran.out, ran.err);
    let (name, place_in_file) = (file.display().to_string(), format!("offset {offset}"));
    assert!(ran.err.contains(&name) && ran.err.contains(&place_in_file), "{}", ran.err);
    let json = run(&["-o", "json", "check", &path], "");
    let answer = &json.objects()[0];
    assert_eq!(answer["error"]["code"], "DATA_LOSS");
    assert_eq!(answer["damages"][0]["offset"], offset);

    let target = place.path().join("saved.ndjson");
    let target = target.to_str().expect("UTF-8");
    let ran = run(&["-d", "notes", "export", "--offline", &path, target], "");
    assert_eq!(ran.code, 65, "{}{}", ran.out, ran.err);
    let saved = fs::read_to_string(target).expect("it was written").lines().count();
    assert!(saved > DOCUMENTS / 2 && saved <= DOCUMENTS, "{saved} documents saved");

    let ran = run(&["-o", "json", "-d", "notes", "export", "--offline", &path, target], "");
    let answers = ran.objects();
    assert_eq!((ran.code, answers.len()), (65, 1), "{}", ran.out);
    assert_eq!((&answers[0]["ok"], &answers[0]["exported"]), (&false.into(), &saved.into()));
    assert_eq!(answers[0]["damages"][0]["offset"], offset);

    // Documents cannot be made again, and nothing pretends that they were.
    let ran = run(&["-o", "json", "check", "--repair", &path], "");
    let answer = &ran.objects()[0];
    assert_eq!((ran.code, &answer["repaired"]), (65, &serde_json::json!([])), "{answer}");
    let left = answer["unrepaired"].as_array().expect("a list");
    assert!(left.len() == 1 && left[0].to_string().contains("cannot be repaired"), "{answer}");
}

#[test]
fn a_target_stays_as_it_was_when_nothing_can_be_read() {
    let (place, path) = directory();
    fs::write(largest(&path), vec![0x5a; 4 * PAGE_BYTES]).expect("writable");
    let (folder, target) = (place.path().join("out"), place.path().join("out/saved.ndjson"));
    fs::create_dir(&folder).expect("writable");
    fs::write(&target, "of yesterday").expect("writable");
    let target = target.to_str().expect("UTF-8");
    let ran = run(&["-d", "notes", "export", "--offline", &path, target], "");
    assert_eq!(ran.code, 65, "{}{}", ran.out, ran.err);
    assert_eq!(fs::read_to_string(target).expect("it is there"), "of yesterday", "{}", ran.err);
    assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 1, "nothing else was left");
}

#[cfg(unix)]
#[test]
fn a_pipe_takes_an_export() {
    let (place, path) = directory();
    let pipe = place.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo can be run").success());
    let name = pipe.to_str().expect("UTF-8").to_owned();
    let reader = std::thread::spawn(move || fs::read_to_string(pipe).expect("readable"));
    let ran = run(&["-o", "simple", "-d", "notes", "export", "--offline", &path, &name], "");
    assert_eq!((ran.code, &*ran.out), (0, "Exported 300 documents\n"), "{}", ran.err);
    assert_eq!(reader.join().expect("it was read").lines().count(), DOCUMENTS);
}

#[test]
fn an_export_has_the_form_it_was_asked_for() {
    let (place, path) = directory();
    let export = ["-o", "json", "-d", "notes", "export", "--offline", &path];
    let target = place.path().join("saved.json");
    let target = target.to_str().expect("UTF-8");
    let ran = run(&[&export[..], &[target]].concat(), "");
    let answers = ran.objects();
    assert_eq!((ran.code, answers.len()), (0, 1), "{}", ran.err);
    assert_eq!(answers[0]["exported"], DOCUMENTS);
    let array = fs::read(target).expect("it was written");
    let array: Vec<serde_json::Value> = serde_json::from_slice(&array).expect("an array");
    assert_eq!((array.len(), &array[7]["n"]), (DOCUMENTS, &7.into()));
    // One object an answer, and documents are none.
    for file in [&[][..], &["-"], &["saved.csv"]] {
        let ran = run(&[&export[..], file].concat(), "");
        assert_eq!((ran.code, ran.objects().len()), (2, 1), "{file:?}: {}", ran.out);
    }
}

#[test]
fn a_whole_database_is_exported() {
    let (_place, path) = directory();
    let ran = run(&["-d", "notes", "export", "--offline", &path], "");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let objects = ran.objects();
    assert_eq!(objects.len(), DOCUMENTS);
    assert_eq!(objects[7]["n"], 7);
    let ran = run(&["export", "--offline", &path], "");
    assert_eq!(ran.code, 2, "which database?");
    assert!(ran.err.contains("notes"), "{}", ran.err);
    // It starts again, and nothing was changed.
    let ran = run(&["--data-dir", &path, "-d", "notes", "-o", "simple", "count"], "");
    assert_eq!((ran.code, ran.out.trim()), (0, "300"), "{}", ran.err);
}

#[test]
fn slips_are_refused() {
    for (words, said) in [
        (&["check"][..], "a directory is missing"),
        (&["check", "--repair"], "a directory is missing"),
        (&["check", "a", "b"], "unexpected 'b'"),
        (&["check", "a", "--repair", "b"], "unexpected 'b'"),
        (&["export", "--offline", "a", "b", "c"], "unexpected 'c'"),
    ] {
        let ran = run(words, "");
        assert!(ran.code == 2 && ran.err.contains(said), "{words:?}: {}", ran.err);
    }
    assert_eq!(run(&["check", "/no/such/directory"], "").code, 3);
    assert_eq!(run(&["export", "--offline"], "").code, 2);
}
