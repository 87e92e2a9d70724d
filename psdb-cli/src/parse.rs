//! From a line or from arguments to a [`Command`].
//!
//! One function reads both: a [`Tokens`] hides where the parts come from. Parsing decides the form
//! of a command only (its words, numbers and options); documents, names and lambdas pass through
//! as written.
//!
//! A mistake is a [`Failure::Usage`] that says what is wrong, and how the command is written.
//!
//! Left out: where a line of the shell ends when a document spans several (`statement`).

mod indexes;
mod members;

use std::time::Duration;

use crate::command::{Aggregate, Change, Command, Fault, Group, Lambda, Lock, Query};
use crate::failure::Failure;
use crate::help;
use crate::settings;
use crate::tokens::Tokens;

/// Parses one line; `None` if it is empty or a comment.
pub(crate) fn line(text: &str) -> Result<Option<Command>, Failure> {
    let text = text.trim_ascii();
    if text.is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    command(Tokens::Line(text)).map(Some)
}

/// Parses the arguments of a one-shot command, of which there is at least one.
pub(crate) fn arguments(arguments: &[String]) -> Result<Command, Failure> {
    command(Tokens::Arguments(arguments))
}

/// The word a line starts with, by which an answer names even a command that does not parse.
pub(crate) fn first_word(text: &str) -> &str {
    text.split_ascii_whitespace().next().unwrap_or("")
}

fn command(mut tokens: Tokens<'_>) -> Result<Command, Failure> {
    let name = tokens.word().map_err(Failure::usage)?.unwrap_or("");
    let mut parser = Parser { name, tokens };
    let command = parser.command().map_err(|message| parser.mistake(message))?;
    if !parser.tokens.is_empty() {
        let is_argument = matches!(parser.tokens, Tokens::Arguments(_));
        let next = parser.tokens.rest().unwrap_or("");
        let misplaced = is_argument && next.starts_with('-');
        let hint = if misplaced { "; options stand before the command" } else { "" };
        return Err(parser.mistake(format!("unexpected '{next}'{hint}")));
    }
    Ok(command)
}

/// What is being parsed: the command's name and the parts after it.
struct Parser<'a> {
    name: &'a str,
    tokens: Tokens<'a>,
}

type Parsed<T> = Result<T, String>;

impl Parser<'_> {
    fn command(&mut self) -> Parsed<Command> {
        Ok(match self.name {
            "create" => self.create()?,
            "use" => Command::Use { name: self.word("a database's name")? },
            "list" => Command::List,
            "configure" => self.configure()?,
            "index" => Command::Index(self.index()?),
            "delete" => {
                let before = self.flag("--yes")?;
                let name = self.word("a database's name")?;
                Command::Delete { name, yes: before || self.flag("--yes")? }
            }
            "clear" => Command::Clear { yes: self.flag("--yes")? },
            "insert" => Command::Insert { document: self.document()? },
            "read" => Command::Read { id: self.word("a document's id")? },
            "readall" => self.read_all()?,
            "query" => Command::Query(self.query()?),
            "explain" => self.explain()?,
            "count" => Command::Count { filter: self.tokens.lambda()? },
            "distinct" | "group" => self.group()?,
            "update_many" => self.update_many()?,
            "delete_many" => Command::DeleteMany { filter: self.lambda()? },
            "update" => Command::Update(self.change()?),
            "replace" => Command::Replace(self.change()?),
            "delete_doc" => {
                let id = self.word("a document's id")?;
                Command::DeleteDocument { id, if_version: self.if_version()? }
            }
            "import" => Command::Import { file: self.file()? },
            "export" => Command::Export { file: self.file()? },
            "workers" => Command::Workers,
            "masters" => Command::Masters,
            "shards" => Command::Shards,
            "status" => Command::Status,
            "worker" => Command::Order(self.worker()?),
            "master" => Command::Order(self.master()?),
            "shard" => Command::Order(self.shard()?),
            "lock" => Command::Lock(self.lock()?),
            "help" => Command::Help { topic: self.tokens.word()?.map(str::to_string) },
            "exit" | "quit" => Command::Exit,
            "kill" | "restart" | "pause" | "partition" | "heal" | "drop" => {
                Command::Fault(self.fault()?)
            }
            unknown => return Err(format!("unknown command '{unknown}'")),
        })
    }

    /// A mistake in this command, with the way it is written, or where to find that.
    fn mistake(&self, message: String) -> Failure {
        match help::topic_of(self.name) {
            Some(topic) => Failure::Usage { message, usage: Some(topic.usage) },
            None => Failure::usage(format!("{message}; 'help' lists all commands")),
        }
    }

    fn word(&mut self, what: &str) -> Parsed<String> {
        match self.tokens.word()? {
            Some(word) => Ok(word.to_string()),
            None => Err(format!("'{}' needs {what}", self.name)),
        }
    }

    fn document(&mut self) -> Parsed<String> {
        match self.tokens.document() {
            Some(document) => Ok(document.to_string()),
            None => Err(format!("'{}' needs a document, such as {{\"name\": \"Ada\"}}", self.name)),
        }
    }

    fn file(&mut self) -> Parsed<String> {
        match self.tokens.file() {
            Some(option) if option.starts_with("--") => {
                Err(format!("option '{option}' is not available yet in this version"))
            }
            Some(file) => Ok(file.to_string()),
            None => Err(format!("'{}' needs a file; '-' is a pipe", self.name)),
        }
    }

    fn lambda(&mut self) -> Parsed<Lambda> {
        match self.tokens.lambda()? {
            Some(lambda) => Ok(lambda),
            None => Err("a lambda is missing, such as lambda d: d[\"age\"] > 30".to_string()),
        }
    }

    /// Takes `flag` if it comes next.
    fn flag(&mut self, flag: &str) -> Parsed<bool> {
        let mut ahead = self.tokens;
        if ahead.word()? == Some(flag) {
            self.tokens = ahead;
            return Ok(true);
        }
        Ok(false)
    }

    fn number(&mut self, keyword: &str) -> Parsed<u64> {
        let text = self.tokens.word()?.ok_or_else(|| format!("'{keyword}' needs a number"))?;
        number(keyword, text)
    }

    fn create(&mut self) -> Parsed<Command> {
        let name = self.word("a name for the database")?;
        let mut indexes = None;
        let (mut shards, mut deny) = (None, None);
        while !self.tokens.is_empty() {
            if let Some(list) = self.tokens.array()? {
                let fields = list.iter().map(index_fields).collect::<Parsed<_>>()?;
                once(&mut indexes, fields, "the list of indexes")?;
                continue;
            }
            let word = self.tokens.word()?.unwrap_or("");
            if let Some(value) = word.strip_prefix("deny_full_scan=") {
                once(&mut deny, truth("deny_full_scan", value)?, "'deny_full_scan'")?;
                continue;
            }
            let Some(count) = word.strip_prefix("shards=") else {
                return Err(format!(
                    "unexpected '{word}'; indexes are a JSON array such as [\"name\"]"
                ));
            };
            let count = number("shards", count)?;
            let count = u32::try_from(count).map_err(|_| format!("{count} shards are too many"))?;
            once(&mut shards, count, "'shards'")?;
        }
        let (indexes, deny_full_scan) = (indexes.unwrap_or_default(), deny.unwrap_or(false));
        Ok(Command::Create { name, indexes, shards, deny_full_scan })
    }

    fn read_all(&mut self) -> Parsed<Command> {
        let limit = if self.flag("limit")? { Some(self.number("limit")?) } else { None };
        let page = if self.flag("page")? { Some(self.page()?) } else { None };
        Ok(Command::ReadAll { limit, page })
    }

    fn query(&mut self) -> Parsed<Query> {
        let filter = self.lambda()?;
        let (mut sort, mut skip, mut limit, mut select) = (None, None, None, None);
        let (mut descending, mut strict, mut page) = (false, false, None);
        while let Some(word) = self.tokens.word()? {
            match word {
                "sort" => {
                    once(&mut sort, self.lambda()?, "'sort'")?;
                    descending = self.flag("desc")?;
                }
                "skip" => once(&mut skip, self.number("skip")?, "'skip'")?,
                "limit" => once(&mut limit, self.number("limit")?, "'limit'")?,
                "select" => once(&mut select, self.lambda()?, "'select'")?,
                "strict" => strict = true,
                "page" => once(&mut page, self.page()?, "'page'")?,
                other => {
                    return Err(format!(
                        "unexpected '{other}'; after the lambda come sort, skip, limit, select, \
                         strict and page"
                    ));
                }
            }
        }
        let skip = skip.unwrap_or(0);
        Ok(Query { filter, sort, descending, skip, limit, select, strict, page })
    }

    fn explain(&mut self) -> Parsed<Command> {
        let analyze = self.flag("analyze")?;
        match self.query()? {
            Query { page: Some(_), .. } => Err("a plan has no pages".to_string()),
            query => Ok(Command::Explain { query, analyze }),
        }
    }

    /// `group`, or `distinct`, which is the same without an aggregate.
    fn group(&mut self) -> Parsed<Command> {
        let (key, is_group) = (self.lambda()?, self.name == "group");
        let (mut aggregate, mut filter, mut strict) = (None, None, false);
        while let Some(word) = self.tokens.word()? {
            let computed = match word {
                "where" => {
                    once(&mut filter, self.lambda()?, "'where'")?;
                    continue;
                }
                "strict" => {
                    strict = true;
                    continue;
                }
                "count" if is_group => None,
                "sum" if is_group => Some(Aggregate::Sum),
                "avg" if is_group => Some(Aggregate::Average),
                "min" if is_group => Some(Aggregate::Min),
                "max" if is_group => Some(Aggregate::Max),
                "collect" if is_group => Some(Aggregate::Collect),
                other if is_group => {
                    return Err(format!(
                        "unexpected '{other}'; after the lambda come count, sum, avg, min, max or \
                         collect, where and strict"
                    ));
                }
                other => {
                    return Err(format!(
                        "unexpected '{other}'; after the lambda come where and strict"
                    ));
                }
            };
            let computed = match computed {
                None => None,
                Some(computed) => Some((computed, self.lambda()?)),
            };
            once(&mut aggregate, computed, "what to compute")?;
        }
        let group = Group { key, aggregate: aggregate.flatten(), filter, strict };
        Ok(if is_group { Command::Group(group) } else { Command::Distinct(group) })
    }

    fn update_many(&mut self) -> Parsed<Command> {
        let (filter, patch) = match self.tokens.lambda_before_document()? {
            Some((filter, document)) => (filter, document),
            None => (self.lambda()?, self.document()?),
        };
        Ok(Command::UpdateMany { filter, patch })
    }

    fn change(&mut self) -> Parsed<Change> {
        let id = self.word("a document's id")?;
        let mut if_version = match self.tokens.trailing_option("if_version") {
            Some(value) => Some(number("if_version", value)?),
            None => None,
        };
        let document = self.document()?;
        if let Some(version) = self.if_version()? {
            once(&mut if_version, version, "'if_version'")?;
        }
        Ok(Change { id, document, if_version })
    }

    fn if_version(&mut self) -> Parsed<Option<u64>> {
        let Some(word) = self.tokens.word()? else { return Ok(None) };
        match word.strip_prefix("if_version=") {
            Some(value) => number("if_version", value).map(Some),
            None => Err(format!("unexpected '{word}'")),
        }
    }

    fn lock(&mut self) -> Parsed<Lock> {
        let action = self.word("acquire, renew, release or list")?;
        if action == "list" {
            return Ok(Lock::List);
        }
        if !matches!(action.as_str(), "acquire" | "renew" | "release") {
            return Err(format!("unexpected '{action}'; a lock is acquired, renewed or released"));
        }
        let name = self.word("the lock's name")?;
        if action == "acquire" {
            let [ttl, wait] = self.durations(["ttl", "wait"])?;
            return Ok(Lock::Acquire { name, ttl, wait });
        }
        let token = number("token", &self.word("the token that 'lock acquire' told")?)?;
        if action == "release" {
            return Ok(Lock::Release { name, token });
        }
        let [ttl] = self.durations(["ttl"])?;
        Ok(Lock::Renew { name, token, ttl })
    }

    /// Takes options such as `ttl=30s` to the end, in any order, each at most once.
    fn durations<const N: usize>(&mut self, names: [&str; N]) -> Parsed<[Option<Duration>; N]> {
        let mut found = [None; N];
        while let Some(word) = self.tokens.word()? {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            let Some(place) = names.iter().position(|known| *known == name) else {
                return Err(format!("unexpected '{word}'"));
            };
            // Nothing else may last no time at all, so the reader of durations refuses it.
            let value = match value {
                "0" | "0s" | "0ms" if name == "wait" => Duration::ZERO,
                _ => settings::duration(value).map_err(|failure| failure.message())?,
            };
            once(&mut found[place], value, &format!("'{name}'"))?;
        }
        Ok(found)
    }

    fn fault(&mut self) -> Parsed<Fault> {
        const NODE: &str = "a node's name; 'status' lists them";
        Ok(match self.name {
            "kill" => Fault::Kill(self.word(NODE)?),
            "restart" => Fault::Restart(self.word(NODE)?),
            "pause" => Fault::Pause(self.word(NODE)?),
            "partition" => self.partition()?,
            "heal" => Fault::Heal,
            _ => Fault::Drop(self.percent()?),
        })
    }

    fn partition(&mut self) -> Parsed<Fault> {
        let text = self.tokens.rest().unwrap_or("");
        let names = |side: &str| -> Vec<String> {
            side.split(',').map(|name| name.trim_ascii().to_string()).collect()
        };
        let sides: Vec<Vec<String>> = text.split('|').map(names).collect();
        if sides.iter().flatten().any(String::is_empty) {
            return Err("a partition needs nodes on both sides of '|'".to_string());
        }
        match <[Vec<String>; 2]>::try_from(sides) {
            Ok([left, right]) => Ok(Fault::Partition(left, right)),
            Err(_) => Err("a partition has two sides with one '|' between them".to_string()),
        }
    }

    fn percent(&mut self) -> Parsed<u8> {
        let text = self.word("how many of a hundred messages to lose")?;
        let percent = number("drop", text.strip_suffix('%').unwrap_or(&text))?;
        match u8::try_from(percent) {
            Ok(percent @ 0..=100) => Ok(percent),
            _ => Err(format!("{percent} is not a percentage; 0 to 100 are")),
        }
    }
}

/// `true` or `false`.
fn truth(keyword: &str, text: &str) -> Parsed<bool> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        other => Err(format!("'{keyword}' is true or false, not '{other}'")),
    }
}

fn number(keyword: &str, text: &str) -> Parsed<u64> {
    // `parse` alone would take a leading '+'.
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("'{keyword}' needs a whole number, not '{text}'"));
    }
    text.parse().map_err(|_| format!("{text} is too large for '{keyword}'"))
}

/// Fills `slot`, once.
fn once<T>(slot: &mut Option<T>, value: T, what: &str) -> Parsed<()> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("{what} is given twice")),
    }
}

/// The fields of one index: `"name"` alone, or `["last", "first"]` for one over several.
fn index_fields(value: &serde_json::Value) -> Parsed<Vec<String>> {
    let field = |value: &serde_json::Value| match value {
        serde_json::Value::String(field) => Ok(field.clone()),
        other => Err(format!("an index names fields, which are strings, not {other}")),
    };
    match value {
        serde_json::Value::Array(fields) if fields.is_empty() => {
            Err("an index needs at least one field".to_string())
        }
        serde_json::Value::Array(fields) => fields.iter().map(field).collect(),
        other => Ok(vec![field(other)?]),
    }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
