//! Documents and lists as tables and as CSV.
//!
//! A table shows up to [`TABLE_ROWS`] documents; more follow as further tables, so that any number
//! of them needs little memory. CSV has one head for all, so it must know all documents first.
//!
//! Left out: how a table is laid out (`simple`), how CSV is quoted (`csv`).

use std::io::{self, Write};

use serde_json::Value;

use super::Json;
use super::simple::table;
use crate::columns::{Columns, Fields, fields};
use crate::csv;

/// How many documents one table shows.
pub(super) const TABLE_ROWS: usize = 1_000;
/// A longer value is cut in a table.
const CELL_CHARACTERS: usize = 40;

/// Writes documents as one table.
pub(super) fn write_table(out: &mut (dyn Write + Send), documents: &[String]) -> io::Result<()> {
    let (names, rows) = rows(documents);
    let head: Vec<&str> = names.iter().map(String::as_str).collect();
    let row = |row: &Fields| names.iter().map(|name| cell(row.get(name))).collect();
    writeln!(out, "{}", table(&head, &rows.iter().map(row).collect::<Vec<_>>()))
}

/// Writes documents as CSV.
pub(super) fn write_csv(out: &mut (dyn Write + Send), documents: &[String]) -> io::Result<()> {
    let (names, rows) = rows(documents);
    csv::write_names(out, &names)?;
    rows.iter().try_for_each(|row| csv::write_record(out, names.iter().map(|name| row.get(name))))
}

/// The list of objects that an answer consists of, each as the text of an object.
pub(super) fn objects(answer: &[(&'static str, Json)]) -> Option<Vec<String>> {
    match answer {
        [(_, Json::List(list))]
            if !list.is_empty() && list.iter().all(|item| matches!(item, Json::Object(_))) =>
        {
            Some(list.iter().map(ToString::to_string).collect())
        }
        _ => None,
    }
}

fn rows(documents: &[String]) -> (Vec<String>, Vec<Fields>) {
    let rows: Vec<Fields> = documents.iter().map(|document| fields(document)).collect();
    let mut columns = Columns::default();
    for row in &rows {
        columns.add(row);
    }
    (columns.in_order(), rows)
}

/// A value in a table: one line, not too long, without control characters.
fn cell(value: Option<&Value>) -> String {
    let text = match value {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    if text.chars().count() <= CELL_CHARACTERS {
        return text.chars().map(plain).collect();
    }
    text.chars().take(CELL_CHARACTERS - 1).map(plain).chain(['\u{2026}']).collect()
}

#[cfg(test)]
mod tests {
    //! Proves that documents of different fields make one table.

    use super::{write_csv, write_table};

    #[test]
    fn documents_of_different_fields() {
        let documents = [
            r#"{"_id": "a", "n": 7, "s": "two\nlines", "_version": 1}"#.to_owned(),
            format!(r#"{{"_id": "b", "s": "{}", "l": [1], "_version": 12}}"#, "x".repeat(50)),
        ];
        let mut out = Vec::new();
        write_table(&mut out, &documents).expect("memory");
        let cut = "x".repeat(39) + "\u{2026}";
        let wide = format!("{:40}", "two lines");
        let expected = format!(
            "_id  n  {:40}  l    _version\na    7  {wide}              1\nb       {cut}  [1]        12\n",
            "s"
        );
        assert_eq!(String::from_utf8(out).expect("text"), expected);
        let mut out = Vec::new();
        write_csv(&mut out, &documents).expect("memory");
        let expected = format!(
            "_id,n,s,l,_version\na,7,\"two\nlines\",,1\nb,,{},\"[1]\",12\n",
            "x".repeat(50)
        );
        assert_eq!(String::from_utf8(out).expect("text"), expected);
    }
}
