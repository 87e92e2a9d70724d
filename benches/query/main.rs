//! Lambdas on encoded documents beside SQLite's JSON functions, in one run, taking turns.
//!
//! All look at the same documents of about 1 KB:
//! - `psdb`: an embedded database in a folder, asked through its client, as an application would;
//!   its four shards are scanned side by side, on as many cores as there are.
//! - `psdb, one thread`: the same lambdas over encoded documents in memory, through `query::count`
//!   and `query::group`, without shards, storage or client.
//! - `sqlite, text` and `sqlite, binary`: tables in memory of JSON texts and of SQLite's own binary
//!   JSON, of which the faster one counts as the rival. SQLite runs a query on one thread.
//!
//! Then the same with indexes (`indexed`): one shard on pages in memory beside SQLite's expression
//! indexes, one thread each.
//!
//! `--quick` takes under two minutes and says less; `--check` exits with 1 when a goal is missed.
//! `--alone PART` asks only the questions with indexes whose names hold `PART`, in some seconds.
//! The last line is `goals met: N of M`. The page is written by full runs only.

mod documents;
mod embedded;
mod indexed;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;

use documents::Table;
use embedded::Embedded;
use psdb_benches::{Rate, Report, load, machine, median_rate, rate, rate_of_many};
use psdb_core::query::{Aggregate, Grouping, Meter, Program, count, group};
use rusqlite::Connection;

const HEAD: &str = "# Queries beside SQLite

Written by `cargo bench --manifest-path benches/Cargo.toml --bench query`; do not edit above the last
heading. Documents of about 1 KB. `psdb` is an embedded database in a folder, asked through its client,
with four shards that are scanned side by side; `psdb, one thread` is the query engine alone, over
documents in memory; SQLite's tables are in memory. Every figure is the median of rounds in which all
engines took turns. Documents looked at per second, and in brackets CPU-µs per document. Rows with
`index` are queries per second unless they say documents: one shard on pages in memory, one thread,
beside SQLite with an index on `json_extract` of the field.
";

const EQUALITY: &str = "count: d[\"role\"] == \"Dev\"";
const RANGE: &str = "count: d[\"age\"] > 30 and d[\"score\"] < 0.5";
const NESTED: &str = "count: d[\"address\"][\"city\"] == \"Oslo\"";
const GROUPS: &str = "group d[\"role\"] sum d[\"age\"]";

/// A question, as each engine is asked.
struct Question {
    name: &'static str,
    lambda: &'static str,
    sql: &'static str,
}

const COUNTS: [Question; 3] = [
    Question {
        name: EQUALITY,
        lambda: "lambda d: d[\"role\"] == \"Dev\"",
        sql: "SELECT count(*) FROM docs WHERE json_extract(doc, '$.role') = 'Dev'",
    },
    Question {
        name: RANGE,
        lambda: "lambda d: d[\"age\"] > 30 and d[\"score\"] < 0.5",
        sql: "SELECT count(*) FROM docs WHERE json_extract(doc, '$.age') > 30 \
              AND json_extract(doc, '$.score') < 0.5",
    },
    Question {
        name: NESTED,
        lambda: "lambda d: d[\"address\"][\"city\"] == \"Oslo\"",
        sql: "SELECT count(*) FROM docs WHERE json_extract(doc, '$.address.city') = 'Oslo'",
    },
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    if let [flag, part, ..] = &arguments[..]
        && flag == "--alone"
    {
        return indexed::alone(part, &documents::texts(20_000), 9);
    }
    let (size, rounds) = if has("--quick") { (20_000, 3) } else { (100_000, 7) };
    let load_before = load();
    let texts = documents::texts(size);
    let table = Table::new(&texts);
    let embedded = Embedded::new(&texts);
    let (text, binary) = (sqlite(&texts, "?2"), sqlite(&texts, "jsonb(?2)"));
    let mut report = Report::default();
    for question in &COUNTS {
        let program = Program::compile(question.lambda).expect("a lambda");
        let ours = || count(&table, Some(&program)).expect("no limit is met").count;
        let theirs = |connection: &Connection| {
            connection.query_row(question.sql, [], |row| row.get::<_, u64>(0)).expect("a query")
        };
        assert_eq!(ours(), theirs(&text), "both count the same");
        assert_eq!(ours(), theirs(&binary), "both count the same");
        assert_eq!(ours(), embedded.count(question.lambda), "both count the same");
        let engines: [(&str, &dyn Fn() -> u64); 4] = [
            ("psdb", &|| embedded.count(question.lambda)),
            ("psdb, one thread", &ours),
            ("sqlite, text", &|| theirs(&text)),
            ("sqlite, binary", &|| theirs(&binary)),
        ];
        report.rates(question.name, in_turns(&engines, rounds, |_| size as u64));
    }
    groups(&mut report, &table, &embedded, (&text, &binary), rounds);
    goals(&mut report, &table);
    indexed::run(&mut report, &texts, rounds);
    report.print_goals();
    if !has("--quick") {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/benchmarks/query.md");
        let mut machine = machine(&load_before);
        machine
            .push(("documents".into(), format!("{size}, {} bytes of JSON each", texts[0].len())));
        machine.push(("sqlite".into(), rusqlite::version().to_owned()));
        report.write(&page, HEAD, &machine);
    }
    let (met, all) = report.met();
    println!("goals met: {met} of {all}");
    if has("--check") && met < all {
        std::process::exit(1);
    }
}

/// Runs every engine once per round and takes the medians; `work` says how much one answer is.
fn in_turns(
    engines: &[(&'static str, &dyn Fn() -> u64)],
    rounds: usize,
    work: impl Fn(u64) -> u64,
) -> BTreeMap<&'static str, Rate> {
    let mut rates: BTreeMap<&'static str, Vec<Rate>> = BTreeMap::new();
    for _ in 0..rounds {
        for (name, engine) in engines {
            let measured = rate_of_many(|| work(black_box(engine())));
            rates.entry(name).or_default().push(measured);
        }
    }
    rates.into_iter().map(|(name, rates)| (name, median_rate(rates))).collect()
}

fn groups(
    report: &mut Report,
    table: &Table,
    embedded: &Embedded,
    (text, binary): (&Connection, &Connection),
    rounds: usize,
) {
    let sum = Aggregate::Sum("lambda d: d[\"age\"]".to_owned());
    let grouping = Grouping::compile("lambda d: d[\"role\"]", sum.clone()).expect("lambdas");
    let ours = || {
        let (groups, _) =
            group(table, None, &grouping, &Meter::default()).expect("no limit is met");
        groups.finish(&sum).len() as u64
    };
    let sql =
        "SELECT json_extract(doc, '$.role'), sum(json_extract(doc, '$.age')) FROM docs GROUP BY 1";
    let theirs = |connection: &Connection| {
        let mut statement = connection.prepare_cached(sql).expect("a statement");
        let rows = statement.query_map([], |row| row.get::<_, i64>(1)).expect("a query");
        rows.map(|row| row.expect("a row")).filter(|sum| *sum >= 0).count() as u64
    };
    let key = "lambda d: d[\"role\"]";
    assert_eq!(ours(), theirs(text), "both find the same groups");
    assert_eq!(ours(), embedded.groups(key, &sum), "both find the same groups");
    let engines: [(&str, &dyn Fn() -> u64); 4] = [
        ("psdb", &|| embedded.groups(key, &sum)),
        ("psdb, one thread", &ours),
        ("sqlite, text", &|| theirs(text)),
        ("sqlite, binary", &|| theirs(binary)),
    ];
    report.rates(GROUPS, in_turns(&engines, rounds, |_| table.len() as u64));
}

/// A table in memory whose documents are stored as `form` makes them.
fn sqlite(texts: &[String], form: &str) -> Connection {
    let mut connection = Connection::open_in_memory().expect("a database");
    connection.execute_batch("CREATE TABLE docs (id INTEGER PRIMARY KEY, doc)").expect("a table");
    let transaction = connection.transaction().expect("a transaction");
    {
        let insert = format!("INSERT INTO docs VALUES (?1, {form})");
        let mut insert = transaction.prepare(&insert).expect("a statement");
        for (id, text) in texts.iter().enumerate() {
            insert.execute((id as i64, text)).expect("an insert");
        }
    }
    transaction.commit().expect("a commit");
    connection
}

fn goals(report: &mut Report, table: &Table) {
    let ratio = |report: &Report, question| {
        let rival =
            report.rate(question, "sqlite, text").max(report.rate(question, "sqlite, binary"));
        report.rate(question, "psdb") / rival
    };
    for (question, goal) in [(EQUALITY, 5.0), (GROUPS, 3.0)] {
        let ratio = ratio(report, question);
        report.at_least(&format!("{question}, times the faster SQLite"), ratio, goal);
    }
    // The comparison by itself: the same predicate on the same document again and again.
    let program = Program::compile("lambda d: d[\"age\"] > 30").expect("a lambda");
    let (document, turns) = (table.first(), 1_000_000);
    let single = rate(|| {
        for _ in 0..turns {
            black_box(program.matches(black_box(document)).is_ok_and(|matches| matches));
        }
        turns
    });
    report.figure("one comparison on one document", format!("{:.3} CPU-µs", single.cpu_micros));
    report.at_most("CPU-µs of a comparison on a document of 1 KB", single.cpu_micros, 0.5);
}
