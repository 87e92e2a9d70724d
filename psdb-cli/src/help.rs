//! What the shell can do, in one table.
//!
//! The same entries make `help`, `help COMMAND`, the end of `psdb --help`, the usage line of a
//! mistake and the completion of command names, so that they cannot disagree.
//!
//! Left out: options of the command line, which `args` documents.

use std::fmt::Write as _;

/// One command's help.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: &'static str,
    /// How it is written.
    pub(crate) usage: &'static str,
    /// What it does, in a line.
    pub(crate) summary: &'static str,
    /// More to know, and examples; empty if the summary says it all.
    pub(crate) detail: &'static str,
    /// Whether only `psdb dev` has it.
    pub(crate) dev: bool,
}

const fn topic(
    name: &'static str,
    usage: &'static str,
    summary: &'static str,
    detail: &'static str,
) -> Topic {
    Topic { name, usage, summary, detail, dev: false }
}

const fn dev(
    name: &'static str,
    usage: &'static str,
    summary: &'static str,
    detail: &'static str,
) -> Topic {
    Topic { name, usage, summary, detail, dev: true }
}

const LAMBDA: &str = "\
A LAMBDA is a Python lambda over one document. Without quotes it goes to the end of the line; put \
it in single or double quotes when something follows. A document on which it raises (KeyError, \
TypeError, ...) does not match and is counted as skipped.

  query lambda d: d[\"IMDB Rating\"] > 8.5
  query 'lambda d: d.get(\"Director\") == \"Steven Spielberg\"' sort 'lambda d: d[\"Title\"]' limit 10";

/// Every command, in the order `help` lists them.
pub(crate) const TOPICS: &[Topic] = &[
    topic(
        "create",
        "create NAME [[\"FIELD\", ...]] [shards=N] [deny_full_scan=true]",
        "create a database, with an index on each field",
        "A list inside the list is one index over several fields. Names are 1 to 64 of A-Z a-z 0-9 \
         _ -. With deny_full_scan, queries that would look at every document are refused; \
         'configure' changes that.\n\n  create films\n  create films [\"Director\", [\"Distributor\", \"MPAA Rating\"]] shards=4",
    ),
    topic("use", "use NAME", "work on this database from here on", ""),
    topic("list", "list", "name all databases", ""),
    topic(
        "configure",
        "configure deny_full_scan=true|false",
        "refuse queries that would look at every document, or take them again",
        "Refused are queries with a lambda for which no index narrows the documents down; 'explain' \
         shows which do. 'readall', 'export' and 'count' without a lambda are always possible.",
    ),
    topic(
        "index",
        "index create FIELD[,FIELD] [name=NAME] [--no-wait] | list | drop NAME",
        "make queries faster that compare a field with a constant",
        "A field is a path such as addr.city; elements of an array count each. 'create' waits until \
         the index is built, while the database serves; Ctrl-C ends the waiting only. An index is \
         called after its fields unless it gets a name.\n\n  index create Director\n  index create \
         'Major Genre,IMDB Rating' name=genre\n  index drop genre",
    ),
    topic("delete", "delete NAME [--yes]", "delete a database for ever", ""),
    topic("clear", "clear [--yes]", "delete all documents of the database", ""),
    topic(
        "insert",
        "insert JSON",
        "store a new document",
        "PSDB adds _id (unless you give one), _version, _created_at and _updated_at.\n\n  insert \
         {\"name\": \"Ada\", \"role\": \"Dev\"}",
    ),
    topic("read", "read ID", "show one document", ""),
    topic(
        "readall",
        "readall [limit N] [page N [after TOKEN]]",
        "show all documents, in the order of their ids",
        "'page N' shows N of them and says after which token the next ones come.",
    ),
    topic(
        "query",
        "query LAMBDA [sort LAMBDA [desc]] [skip N] [limit N] [select LAMBDA] [strict] [page N [after TOKEN]]",
        "show the documents a lambda matches, or what 'select' makes of them",
        LAMBDA,
    ),
    topic(
        "explain",
        "explain [analyze] LAMBDA [sort LAMBDA [desc]] [skip N] [limit N] [select LAMBDA] [strict]",
        "show how a query would be run, or, with 'analyze', what came of running it",
        "The plan is a tree, the last step first. Shards that would do the same are one branch. With \
         'analyze' the query runs on every shard; what was read, how many results there were and how \
         long it took is shown in place of the results.\n\n  \
         explain lambda d: d[\"Director\"] == \"Steven Spielberg\"",
    ),
    topic("count", "count [LAMBDA]", "count the documents a lambda matches, or all", LAMBDA),
    topic(
        "distinct",
        "distinct LAMBDA [where LAMBDA] [strict]",
        "show the different values a lambda gives",
        "The values are sorted: null, numbers, strings, arrays, objects. 'where' looks at the \
         documents that a second lambda matches only; with 'strict' a lambda that raises is an \
         error.\n\n  distinct lambda d: d[\"Major Genre\"]\n  distinct 'lambda d: d[\"Director\"]' \
         where 'lambda d: d[\"IMDB Rating\"] > 8.5'",
    ),
    topic(
        "group",
        "group LAMBDA [count | sum LAMBDA | avg LAMBDA | min LAMBDA | max LAMBDA | collect LAMBDA] [where LAMBDA] [strict]",
        "count the documents of each value a lambda gives, or compute something of them",
        "Groups are sorted by their keys. A document on which a lambda raises is in no group and \
         is counted as skipped; with 'strict' it is an error.\n\n  group lambda d: d[\"Major \
         Genre\"]\n  group 'lambda d: d[\"Director\"]' avg 'lambda d: d[\"IMDB Rating\"]' where \
         'lambda d: d[\"Director\"] is not None'",
    ),
    topic(
        "update",
        "update ID JSON [if_version=N]",
        "set the given top-level fields of a document",
        "With if_version nothing happens unless the document has that version.\n\n  update a1 \
         {\"role\": \"Lead\"} if_version=1",
    ),
    topic(
        "update_many",
        "update_many LAMBDA JSON",
        "set the given top-level fields of all documents a lambda matches",
        "Each document is updated once, in a version in which it matches. Others may see some \
         documents updated before the rest is.\n\n  update_many 'lambda d: d[\"IMDB Rating\"] > 8.5' \
         {\"loved\": true}",
    ),
    topic(
        "delete_many",
        "delete_many LAMBDA",
        "delete all documents a lambda matches",
        "  delete_many lambda d: d.get(\"Title\") is None",
    ),
    topic("replace", "replace ID JSON [if_version=N]", "replace all fields of a document", ""),
    topic("delete_doc", "delete_doc ID [if_version=N]", "delete one document", ""),
    topic(
        "import",
        "import FILE",
        "insert the documents of a file: NDJSON, a JSON array or CSV; '-' is a pipe",
        "The form goes by the ending: *.csv is CSV with a head, *.json a JSON array (or NDJSON), \
         anything else and a pipe NDJSON, a document a line. In CSV an empty value is left out, \
         numbers, true, false and null are what they are in JSON, and quoted values are text.\n\n\
         An _id is kept; _version, _created_at and _updated_at are dropped, so that an export can \
         be imported. A document that fails is reported with its line and the import goes on. \
         With -v every acknowledged batch is reported.\n\n  import films.ndjson",
    ),
    topic(
        "export",
        "export FILE",
        "write all documents to a file: NDJSON, a JSON array or CSV; '-' is a pipe",
        "The form goes by the ending, as for import. The file appears only when it is complete; \
         one of that name is replaced.",
    ),
    topic("workers", "workers", "show the workers and what they carry", ""),
    topic("masters", "masters", "show the masters and who leads", ""),
    topic("shards", "shards", "show the shards, their leaders and replicas", ""),
    topic(
        "worker",
        "worker drain ID [--no-wait] | undrain ID | remove ID [--yes]",
        "empty a worker, end that, or forget an empty one",
        "'drain' moves every replica to other workers and waits until the worker is empty; then it \
         is safe to stop. Ctrl-C ends the waiting only (--no-wait does not begin it): the order \
         stands until 'undrain'. 'remove' is for a worker that holds nothing and has stopped for \
         good.\n\n  worker drain w3\n  worker remove w3 --yes",
    ),
    topic(
        "master",
        "master add ID=HOST:PORT | remove ID [--yes]",
        "add a master, or take one out for ever",
        "The new one must run already, started with --join; HOST:PORT is where other nodes reach \
         it. 'add' returns when it votes. The name of a removed master is used up.\n\n  master add \
         m4=10.0.1.4:50060\n  master remove m1 --yes",
    ),
    topic(
        "shard",
        "shard move SHARD FROM TO [--no-wait]",
        "move one replica of a shard from a worker to another",
        "It returns when the replica on TO votes and the one on FROM is gone. Ctrl-C ends the \
         waiting only.\n\n  shard move 7 w1 w4",
    ),
    topic(
        "lock",
        "lock acquire NAME [ttl=30s] [wait=0s] | renew NAME TOKEN [ttl=30s] | release NAME TOKEN | list",
        "hold a lock that one at a time may have, for a while",
        "The answer is a token, larger than any before; the lock is free again when its ttl is \
         over, unless it is renewed. What the lock protects should refuse a token below the \
         highest it has seen. With wait, claims are granted in the order they came. Names are 1 to \
         256 of A-Z a-z 0-9 _ - / . :\n\n  lock acquire reports/nightly ttl=2m wait=10s\n  lock \
         renew reports/nightly 17 ttl=2m\n  lock release reports/nightly 17",
    ),
    topic("status", "status", "show whether the cluster is healthy, in short", ""),
    dev("kill", "kill NODE", "stop a node as a crash does", ""),
    dev("restart", "restart NODE", "start a killed node again", ""),
    dev("pause", "pause NODE", "freeze a node until 'heal'", ""),
    dev(
        "partition",
        "partition NODE,NODE|NODE",
        "cut the network between two sets of nodes",
        "  partition master-1|master-2,master-3",
    ),
    dev("heal", "heal", "end all partitions, pauses and losses of messages", ""),
    dev("drop", "drop PERCENT", "lose so many of a hundred messages", ""),
    topic("help", "help [COMMAND]", "explain the commands, or one of them", ""),
    topic("exit", "exit", "leave", ""),
    topic("quit", "quit", "leave", ""),
];

/// The entry of the command called `name`.
pub(crate) fn topic_of(name: &str) -> Option<&'static Topic> {
    TOPICS.iter().find(|topic| topic.name == name)
}

/// All commands, a line each; those of `psdb dev` only if `dev`.
pub(crate) fn overview(dev: bool) -> String {
    let shown = || TOPICS.iter().filter(|topic| dev || !topic.dev);
    let width = shown().map(|topic| topic.usage.len()).filter(|w| *w <= 40).max().unwrap_or(0);
    let mut text = String::new();
    for topic in shown() {
        // A usage wider than the column gets a line of its own. Writing to a String cannot fail.
        let separator = if topic.usage.len() > width {
            format!("\n  {:width$}  ", "")
        } else {
            "  ".to_string()
        };
        let _ = writeln!(text, "  {:width$}{separator}{}", topic.usage, topic.summary);
    }
    text.truncate(text.trim_end().len());
    text
}

/// The full help of one command.
pub(crate) fn page(topic: &Topic) -> String {
    let mut text = format!("{}\n  {}", topic.usage, topic.summary);
    if topic.dev {
        text.push_str(" (only in 'psdb dev')");
    }
    if !topic.detail.is_empty() {
        text.push_str("\n\n");
        text.push_str(topic.detail);
    }
    text
}

#[cfg(test)]
mod tests {
    //! Proves that the table covers exactly the commands that parse.

    use super::{TOPICS, overview, page, topic_of};

    #[test]
    fn every_topic_is_a_command_that_parses() {
        for topic in TOPICS {
            let result = crate::parse::line(topic.name);
            let unknown = matches!(&result, Err(e) if e.message().contains("unknown command"));
            assert!(!unknown, "{}", topic.name);
            assert!(topic.usage.starts_with(topic.name), "{}", topic.usage);
            assert!(page(topic).contains(topic.summary));
        }
    }

    #[test]
    fn dev_commands_are_listed_only_there() {
        assert!(!overview(false).contains("partition"));
        assert!(overview(true).contains("partition NODE,NODE|NODE"));
        assert!(topic_of("nonsense").is_none());
    }
}
