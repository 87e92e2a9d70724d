//! Indexes beside SQLite's expression indexes: one shard on pages in memory, one thread.
//!
//! The shard is driven as a replica drives it, by commands, and asked through a view of one database,
//! as its leader is asked. SQLite has the same documents, as texts, in a table in memory, with an index
//! on `json_extract` of each field; its statements are prepared once, as lambdas are compiled once.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;

use bytes::Bytes;
use psdb_benches::{Rate, Report, median_rate, rate};
use psdb_core::codec::EncodedDocument;
use psdb_core::env::Env;
use psdb_core::query::{Aggregate, Execution, Grouping, Meter, Program, count, group};
use psdb_core::raft::{Position, StateMachine};
use psdb_core::shard::{Command, DatabaseView, Response, Shard};
use psdb_core::storage::{PageCache, Store};
use psdb_core::transport::message::{IndexDefinition, WriteOp};
use psdb_core::{DatabaseId, DocumentId, Limits, LogIndex, Term, Timestamp};
use rusqlite::{Connection, params};

use crate::in_turns;

const DATABASE: DatabaseId = DatabaseId(1);
const CACHE_BYTES: usize = 1 << 30;
const BATCH: usize = 100;
/// As the builder of a worker has it.
const BUILD_BATCH: u32 = 2_000;
const FIELDS: [&str; 3] = ["role", "age", "name"];

pub const COUNT: &str = "index, count: d[\"role\"] == \"Dev\"";
pub const LOOKUP: &str = "index, find: d[\"name\"] == \"Person 7777\"";
pub const FETCH: &str = "index, find: d[\"role\"] == \"Dev\" (documents)";
pub const FIRST: &str = "index, find: d[\"age\"] > 30, sort d[\"age\"], limit 10";
pub const DISTINCT: &str = "index, distinct: d[\"role\"]";
pub const BUILD: &str = "index, build on d[\"age\"] (documents)";
pub const INSERT_PLAIN: &str = "insert, no index (documents)";
pub const INSERT_INDEXED: &str = "insert, index on d[\"age\"] (documents)";

/// A shard with one database.
struct OneShard {
    shard: Shard,
    trees: Store,
    index: u64,
}

impl OneShard {
    fn new() -> OneShard {
        let env = Env::memory();
        let cache = PageCache::new(CACHE_BYTES);
        let opened = Store::open(&**env.disk(), Path::new("/shard"), cache);
        let trees = opened.expect("a store in memory").0;
        let shard = Shard::open(&trees.snapshot()).expect("an empty shard");
        OneShard { shard, trees, index: 0 }
    }

    fn with_database(fields: &[&str]) -> OneShard {
        let mut shard = OneShard::new();
        let indexes = fields.iter().map(|field| definition(field)).collect();
        shard.apply(Command::Open { database: DATABASE, indexes });
        shard
    }

    fn apply(&mut self, command: Command) {
        self.index += 1;
        let time = Timestamp(1_700_000_000_000 + self.index);
        let position = Position { term: Term(1), index: LogIndex(self.index), time };
        let response = self.shard.apply(&mut self.trees, position, command).expect("applies");
        match response {
            Response::Written(results) => assert!(results.iter().all(Result::is_ok)),
            Response::Refused(error) => panic!("{error}"),
            Response::Changed { .. } => {}
        }
    }

    fn insert(&mut self, bodies: &[(DocumentId, Bytes)]) {
        for batch in bodies.chunks(BATCH) {
            let insert = |(id, body): &(DocumentId, Bytes)| WriteOp::Insert {
                id: id.clone(),
                body: body.clone(),
            };
            let operations = batch.iter().map(insert).collect();
            self.apply(Command::Write { database: DATABASE, operations });
        }
    }

    fn set_indexes(&mut self, version: u64, fields: &[&str]) {
        let definitions = fields.iter().map(|field| definition(field)).collect();
        self.apply(Command::SetIndexes { database: DATABASE, version, definitions });
    }

    fn build(&mut self) {
        while let Some(command) = self.shard.next_build(BUILD_BATCH) {
            self.apply(command);
        }
    }

    fn view(&self) -> DatabaseView {
        self.shard.view(&self.trees).database(DATABASE).expect("it is open")
    }
}

fn definition(field: &str) -> IndexDefinition {
    IndexDefinition { name: field.into(), fields: vec![field.to_owned()] }
}

/// Ids and encoded bodies of documents.
fn bodies(texts: &[String]) -> Vec<(DocumentId, Bytes)> {
    let body = |(n, text): (usize, &String)| {
        let mut value: serde_json::Value = serde_json::from_str(text).expect("JSON");
        value.as_object_mut().expect("an object").remove("_id");
        let json = value.to_string();
        let body = EncodedDocument::from_json(json.as_bytes(), &Limits::DEFAULT);
        let id = DocumentId::from(format!("person-{n:08}"));
        (id, body.expect("a document").bytes().clone())
    };
    texts.iter().enumerate().map(body).collect()
}

fn table() -> Connection {
    let connection = Connection::open_in_memory().expect("a database");
    let sql = "CREATE TABLE docs (id INTEGER PRIMARY KEY, doc)";
    connection.execute_batch(sql).expect("a table");
    connection
}

fn index_sql(field: &str) -> String {
    format!("CREATE INDEX docs_{field} ON docs (json_extract(doc, '$.{field}'))")
}

fn fill(connection: &mut Connection, texts: &[String]) {
    let transaction = connection.transaction().expect("a transaction");
    {
        let sql = "INSERT INTO docs VALUES (?1, ?2)";
        let mut insert = transaction.prepare(sql).expect("a statement");
        for (id, text) in texts.iter().enumerate() {
            insert.execute(params![id as i64, text]).expect("an insert");
        }
    }
    transaction.commit().expect("a commit");
}

/// Asks everything, engine beside engine, and notes the goals.
pub fn run(report: &mut Report, texts: &[String], rounds: usize) {
    queries(report, texts, rounds, |_| true);
    writes(report, texts, rounds);
    for (question, goal) in [(COUNT, 5.0), (LOOKUP, 5.0), (FIRST, 5.0), (BUILD, 3.0)] {
        let ratio =
            report.rate(question, "psdb, one thread") / report.rate(question, "sqlite, text");
        report.at_least(&format!("{question}, times SQLite"), ratio, goal);
    }
    let engine = "psdb, one thread";
    let cost = report.rate(INSERT_PLAIN, engine) / report.rate(INSERT_INDEXED, engine);
    report.at_most("time of an insert with one index, times that with none", cost, 1.4);
    let theirs =
        report.rate(INSERT_PLAIN, "sqlite, text") / report.rate(INSERT_INDEXED, "sqlite, text");
    report.figure(
        "time of an insert with one index, times that with none, SQLite",
        format!("{theirs:.2}"),
    );
}

/// Asks the questions about documents with indexes whose names hold `part`.
pub fn alone(part: &str, texts: &[String], rounds: usize) {
    queries(&mut Report::default(), texts, rounds, |question| question.contains(part));
}

fn queries(
    report: &mut Report,
    texts: &[String],
    rounds: usize,
    is_asked: impl Fn(&str) -> bool,
) {
    let mut shard = OneShard::with_database(&FIELDS);
    shard.insert(&bodies(texts));
    let view = shard.view();
    let mut sqlite = table();
    fill(&mut sqlite, texts);
    for field in FIELDS {
        sqlite.execute_batch(&index_sql(field)).expect("an index");
    }
    let compile = |text: &str| Program::compile(text).expect("a lambda");
    let (dev, name) =
        (compile("lambda d: d['role'] == 'Dev'"), compile("lambda d: d['name'] == 'Person 7777'"));
    let (older, age, role) =
        (compile("lambda d: d['age'] > 30"), compile("lambda d: d['age']"), "lambda d: d['role']");
    let find = |filter: &Program, order: Option<&Program>, limit: Option<u64>| {
        let order = order.map(|key| (key.clone(), false));
        let mut execution = Execution::new(view.clone(), Some(filter.clone()), order, limit);
        let (mut found, mut bytes) = (0, 0);
        loop {
            let page = execution.next_page(1_000, 1 << 20).expect("no limit is met");
            found += page.found.len() as u64;
            bytes += page.found.iter().map(|found| found.document.bytes().len()).sum::<usize>();
            if page.finished {
                black_box(bytes);
                return found;
            }
        }
    };
    let rows = |sql: &str| {
        let mut statement = sqlite.prepare_cached(sql).expect("a statement");
        let mut rows = statement.query([]).expect("a query");
        let (mut found, mut bytes) = (0, 0);
        while let Some(row) = rows.next().expect("a row") {
            bytes += row.get_ref(0).expect("a column").as_str().expect("a text").len();
            found += 1;
        }
        black_box(bytes);
        found
    };
    let number = |sql: &str| {
        let mut statement = sqlite.prepare_cached(sql).expect("a statement");
        statement.query_row([], |row| row.get::<_, u64>(0)).expect("a query")
    };
    let grouping = Grouping::compile(role, Aggregate::Count).expect("a lambda");
    let distinct =
        || group(&view, None, &grouping, &Meter::default()).expect("no limit").0.len() as u64;
    let count_sql = "SELECT count(*) FROM docs WHERE json_extract(doc, '$.role') = 'Dev'";
    let name_sql = "SELECT doc FROM docs WHERE json_extract(doc, '$.name') = 'Person 7777'";
    let dev_sql = "SELECT doc FROM docs WHERE json_extract(doc, '$.role') = 'Dev'";
    let first_sql = "SELECT doc FROM docs WHERE json_extract(doc, '$.age') > 30 \
                     ORDER BY json_extract(doc, '$.age') LIMIT 10";
    let distinct_sql = "SELECT DISTINCT json_extract(doc, '$.role') FROM docs";
    let counted = || count(&view, Some(&dev)).expect("no limit is met").count;
    assert_eq!(counted(), number(count_sql), "both count the same");
    assert_eq!(find(&dev, None, None), rows(dev_sql), "both find the same");
    assert_eq!(find(&name, None, None), rows(name_sql), "both find the same");
    assert_eq!(find(&older, Some(&age), Some(10)), rows(first_sql), "both find the same");
    assert_eq!(distinct(), rows(distinct_sql), "both find the same");
    let one = |count: u64| {
        black_box(count);
        1
    };
    let cases: [(&'static str, &dyn Fn() -> u64, &dyn Fn() -> u64); 5] = [
        (COUNT, &|| one(counted()), &|| one(number(count_sql))),
        (LOOKUP, &|| one(find(&name, None, None)), &|| one(rows(name_sql))),
        (FETCH, &|| find(&dev, None, None), &|| rows(dev_sql)),
        (FIRST, &|| one(find(&older, Some(&age), Some(10))), &|| one(rows(first_sql))),
        (DISTINCT, &|| one(distinct()), &|| one(rows(distinct_sql))),
    ];
    for (question, ours, theirs) in cases.into_iter().filter(|(question, ..)| is_asked(question)) {
        let engines = [("psdb, one thread", ours), ("sqlite, text", theirs)];
        report.rates(question, in_turns(&engines, rounds, |answers| answers));
    }
}

fn medians(rates: BTreeMap<&'static str, Vec<Rate>>) -> BTreeMap<&'static str, Rate> {
    rates.into_iter().map(|(name, rates)| (name, median_rate(rates))).collect()
}

/// Inserts without and with an index, and builds one; each round on fresh data.
fn writes(report: &mut Report, texts: &[String], rounds: usize) {
    let (bodies, size) = (bodies(texts), texts.len() as u64);
    let questions = [INSERT_PLAIN, INSERT_INDEXED, BUILD];
    let mut all: BTreeMap<&'static str, BTreeMap<&'static str, Vec<Rate>>> = BTreeMap::new();
    let mut note = |question: &'static str, engine: &'static str, rate: Rate| {
        all.entry(question).or_default().entry(engine).or_default().push(rate);
    };
    for _ in 0..rounds {
        for (question, fields) in [(INSERT_PLAIN, &[][..]), (INSERT_INDEXED, &["age"][..])] {
            let mut shard = OneShard::with_database(fields);
            note(
                question,
                "psdb, one thread",
                rate(|| {
                    shard.insert(&bodies);
                    size
                }),
            );
            if question == INSERT_PLAIN {
                shard.set_indexes(1, &["age"]);
                note(
                    BUILD,
                    "psdb, one thread",
                    rate(|| {
                        shard.build();
                        size
                    }),
                );
            }
            let mut sqlite = table();
            for field in fields {
                sqlite.execute_batch(&index_sql(field)).expect("an index");
            }
            note(
                question,
                "sqlite, text",
                rate(|| {
                    fill(&mut sqlite, texts);
                    size
                }),
            );
            if question == INSERT_PLAIN {
                let sql = index_sql("age");
                note(
                    BUILD,
                    "sqlite, text",
                    rate(|| {
                        sqlite.execute_batch(&sql).expect("an index");
                        size
                    }),
                );
            }
        }
    }
    for question in questions {
        report.rates(question, medians(all.remove(question).unwrap_or_default()));
    }
}
