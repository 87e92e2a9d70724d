//! `psdb check`, `psdb check --repair` and `psdb export --offline`: work on a data directory that no
//! node has open, and that may not start any more.
//!
//! Checking changes nothing. Repairing makes again what follows from something else, and says of the
//! rest what cannot be made again. Exporting reads what can be read, page by page, and applies the log
//! on top of it where that is possible.
//!
//! Left out: directories of several nodes at once; each is looked at by itself.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use psdb::codec::EncodedDocument;
use psdb::env::Env;
use psdb::metadata::Metadata;
use psdb::raft::{Findings, Mended, Offline, StateError};
use psdb::shard::{Shard, ShardView};
use psdb::storage::{Snapshot, StorageError};
use psdb::{DatabaseId, Error, GroupId};

use crate::failure::Failure;
use crate::output::{Json, Output};
use crate::settings::Format;

/// What is to be done with a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Find damage, and mend it if asked to.
    Check { directory: String, repair: bool },
    /// Write the documents of a database into a file, or to standard output.
    Export { directory: String, file: String },
}

const CHECK: &str = "check [--repair] DIR";
const EXPORT: &str = "export --offline DIR [FILE]";

impl Task {
    /// The work that these words ask for; `None` if they are another command.
    pub(crate) fn of(words: &[String]) -> Option<Result<Task, Failure>> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let wrong =
            |usage| Failure::Usage { message: "a directory is missing".into(), usage: Some(usage) };
        match words[..] {
            ["check", "--repair", directory] | ["check", directory, "--repair"] => {
                Some(Ok(Task::Check { directory: directory.into(), repair: true }))
            }
            ["check", directory] if directory != "--repair" => {
                Some(Ok(Task::Check { directory: directory.into(), repair: false }))
            }
            ["check", ..] => Some(Err(wrong(CHECK))),
            ["export", "--offline", directory] => {
                Some(Ok(Task::Export { directory: directory.into(), file: "-".into() }))
            }
            ["export", "--offline", directory, file] => {
                Some(Ok(Task::Export { directory: directory.into(), file: file.into() }))
            }
            ["export", "--offline", ..] => Some(Err(wrong(EXPORT))),
            _ => None,
        }
    }

    /// Does it.
    ///
    /// # Errors
    ///
    /// The first damage that is left, and whatever the system refuses.
    pub(crate) fn run(&self, output: &mut Output, database: Option<&str>) -> Result<(), Failure> {
        match self {
            Task::Check { directory, repair } => check(output, Path::new(directory), *repair),
            Task::Export { directory, file } => {
                export(output, Path::new(directory), file, database)
            }
        }
    }
}

fn open(directory: &Path) -> Result<Offline, Failure> {
    if !directory.is_dir() {
        let error = std::io::ErrorKind::NotFound.into();
        let path = directory.display().to_string();
        return Err(Failure::File { action: "open", path, error });
    }
    Ok(Offline::open(&Env::real(), directory).map_err(Error::from)?)
}

/// Something that is wrong, and where.
struct Damage {
    file: String,
    offset: u64,
    reason: String,
}

impl Damage {
    fn of(error: &StorageError) -> Option<Damage> {
        match error {
            StorageError::Corrupt { path, offset, reason } => Some(Damage {
                file: path.display().to_string(),
                offset: *offset,
                reason: reason.clone(),
            }),
            _ => None,
        }
    }

    fn line(&self) -> String {
        format!("{} is damaged at offset {}: {}", self.file, self.offset, self.reason)
    }

    fn json(&self) -> Json {
        Json::Object(vec![
            ("file", Json::text(&*self.file)),
            ("offset", self.offset.into()),
            ("reason", Json::text(&*self.reason)),
        ])
    }
}

/// Lists damage; passes other errors on.
fn admit<T>(
    found: Result<T, StorageError>,
    damages: &mut Vec<Damage>,
) -> Result<Option<T>, Failure> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) => match Damage::of(&error) {
            Some(damage) => {
                damages.push(damage);
                Ok(None)
            }
            None => Err(Error::from(error).into()),
        },
    }
}

fn check(output: &mut Output, directory: &Path, repair: bool) -> Result<(), Failure> {
    let offline = open(directory)?;
    let (mut damages, mut lines, mut files, mut mended) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for group in offline.groups().map_err(Error::from)? {
        let path = offline.path(group).display().to_string();
        if repair && let Some(done) = admit(mend(&offline, group), &mut damages)? {
            let (line, is_change) = mended_line(&path, &done);
            if is_change {
                mended.push(Json::text(&*line));
                lines.push(line);
            }
        }
        let findings = admit(find(&offline, group), &mut damages)?;
        let Some(findings) = findings else { continue };
        let entries: u64 = findings.store.trees.iter().map(|tree| tree.entries).sum();
        lines.push(format!(
            "{path}: {} pages, {} used, {} trees, {entries} entries, up to entry {} of the log",
            findings.store.pages,
            findings.store.used_pages,
            findings.store.trees.len(),
            findings.applied,
        ));
        files.push(Json::Object(vec![
            ("file", Json::text(&*path)),
            ("pages", findings.store.pages.into()),
            ("used_pages", findings.store.used_pages.into()),
            ("trees", (findings.store.trees.len() as u64).into()),
            ("entries", entries.into()),
            ("applied", findings.applied.0.into()),
        ]));
        damages.extend(damages_of(&path, findings));
    }
    let mut fields = vec![("files", Json::List(files)), ("repaired", Json::List(mended))];
    if let Some((log, _)) = admit(offline.log(), &mut damages)? {
        let end = if log.is_sealed { "closed in good order" } else { "not closed" };
        lines.push(format!(
            "the log: {} segments, {} entries, {end}, {} torn bytes",
            log.segments, log.entries, log.torn_bytes
        ));
        fields.push((
            "log",
            Json::Object(vec![
                ("segments", log.segments.into()),
                ("entries", log.entries.into()),
                ("torn_bytes", log.torn_bytes.into()),
                ("sealed", Json::Bool(log.is_sealed)),
            ]),
        ));
    }
    finish(output, lines, fields, &damages)
}

/// Says what was found; with damage, as a failure.
fn finish(
    output: &mut Output,
    mut lines: Vec<String>,
    mut fields: Vec<(&'static str, Json)>,
    damages: &[Damage],
) -> Result<(), Failure> {
    fields.push(("damages", Json::List(damages.iter().map(Damage::json).collect())));
    let Some(first) = damages.first() else {
        lines.push("no damage found".into());
        return output.answer("check", &lines.join("\n"), fields);
    };
    lines.extend(damages.iter().map(Damage::line));
    let failure = Failure::from(Error::Corrupt {
        path: first.file.clone(),
        offset: first.offset,
        reason: first.reason.clone(),
    });
    output.failed_answer("check", &lines.join("\n"), &failure, fields)?;
    if output.format() != Format::Json {
        output.error_text(None, &failure);
    }
    Err(Failure::Reported(failure.exit()))
}

fn find(offline: &Offline, group: GroupId) -> Result<Findings, StorageError> {
    match group {
        GroupId::METADATA => offline.check::<Metadata>(group),
        _ => offline.check::<Shard>(group),
    }
}

fn mend(offline: &Offline, group: GroupId) -> Result<Mended, StorageError> {
    match group {
        GroupId::METADATA => offline.repair::<Metadata>(group),
        _ => offline.repair::<Shard>(group),
    }
}

/// What is said of a repair, and whether something was changed.
fn mended_line(path: &str, mended: &Mended) -> (String, bool) {
    match mended {
        Mended::Sound => (String::new(), false),
        Mended::UsedPages => (format!("{path}: its list of used pages was made again"), true),
        Mended::Anew(kept) => {
            let kept = kept.display();
            (
                format!("{path}: its indexes were made again in a new file; the old one is {kept}"),
                true,
            )
        }
        Mended::Impossible(reason) => (
            format!(
                "{path}: it cannot be repaired ({reason}); rebuild this node from its peers, or \
                 save what can be read with: psdb -d NAME export --offline DIR FILE"
            ),
            true,
        ),
    }
}

fn damages_of(path: &str, findings: Findings) -> Vec<Damage> {
    let pages = findings.store.damages.into_iter().map(|damage| (damage.offset, damage.reason));
    let content = findings.content.into_iter().map(|reason| (0, reason));
    let damage = |(offset, reason)| Damage { file: path.to_owned(), offset, reason };
    pages.chain(content).map(damage).collect()
}

/// Where the documents of a database are to be found.
struct Sought {
    id: DatabaseId,
    /// What the tree of its documents is called.
    tree: String,
}

fn export(
    output: &mut Output,
    directory: &Path,
    file: &str,
    database: Option<&str>,
) -> Result<(), Failure> {
    let offline = open(directory)?;
    let mut damages = Vec::new();
    let (log, mut streams) = match admit(offline.log(), &mut damages)? {
        Some((_, streams)) => (true, streams),
        None => (false, std::collections::BTreeMap::new()),
    };
    let groups = offline.groups().map_err(Error::from)?;
    let mut groups: Vec<GroupId> = groups.into_iter().chain(streams.keys().copied()).collect();
    groups.sort_unstable();
    groups.dedup();
    let stream = streams.remove(&GroupId::METADATA).unwrap_or_default();
    let names = offline.salvage::<Metadata>(GroupId::METADATA, &stream);
    let sought = sought(names.ok().and_then(|found| found.state.ok()).as_ref(), database)?;
    let mut sink = Sink::open(output, file)?;
    for group in groups.into_iter().filter(|group| *group != GroupId::METADATA) {
        let stream = streams.remove(&group).unwrap_or_default();
        match offline.salvage::<Shard>(group, &stream) {
            Ok(salvaged) => {
                let path = offline.path(group).display().to_string();
                let pages = salvaged.store.damages.into_iter();
                damages.extend(pages.map(|damage| Damage {
                    file: path.clone(),
                    offset: damage.offset,
                    reason: damage.reason,
                }));
                match salvaged.state {
                    Ok(view) => of_state(&view, &sought, &mut sink)?,
                    Err((trees, reason)) => {
                        damages.push(Damage { file: path, offset: 0, reason });
                        of_trees(&trees, &sought, &mut sink)?;
                    }
                }
            }
            Err(StateError::Storage(error)) => drop(admit::<()>(Err(error), &mut damages)?),
            Err(error) => damages.push(Damage {
                file: offline.path(group).display().to_string(),
                offset: 0,
                reason: error.to_string(),
            }),
        }
    }
    let written = sink.close()?;
    if damages.is_empty() {
        let fields = vec![("exported", written.into()), ("file", Json::text(file))];
        let said = format!("Exported {written} documents");
        if file == "-" {
            output.note(&said);
            return Ok(());
        }
        return output.answer("export", &said, fields);
    }
    for damage in &damages {
        output.note(&damage.line());
    }
    let missing =
        if log { "what stood there is missing" } else { "what only the log had is missing" };
    output.note(&format!("Exported {written} documents; {missing}"));
    let first = &damages[0];
    let (path, offset, reason) = (first.file.clone(), first.offset, first.reason.clone());
    Err(Error::Corrupt { path, offset, reason }.into())
}

/// Finds out which database is meant.
fn sought(names: Option<&Metadata>, wanted: Option<&str>) -> Result<Sought, Failure> {
    let of = |id: DatabaseId| Sought { id, tree: format!("documents/{:016x}", id.0) };
    let wanted = wanted.ok_or_else(|| {
        let known = names.map(|names| {
            let known = names.databases().map(|record| record.info.name.clone());
            known.collect::<Vec<_>>().join(", ")
        });
        Failure::usage(match known {
            Some(known) => format!("name the database with -d; there are: {known}"),
            None => "the directory holds no names of databases; give a number with -d".to_owned(),
        })
    })?;
    let by_name = names.and_then(|names| names.database(wanted)).map(|record| record.info.id);
    match by_name.or_else(|| wanted.parse().ok().map(DatabaseId)) {
        Some(id) => Ok(of(id)),
        None => Err(Error::DatabaseNotFound { name: wanted.to_owned() }.into()),
    }
}

fn of_state(view: &ShardView, sought: &Sought, sink: &mut Sink<'_>) -> Result<(), Failure> {
    let Ok(database) = view.database(sought.id) else { return Ok(()) };
    for document in database.documents(None) {
        sink.put(&document?)?;
    }
    Ok(())
}

/// The documents of trees that are no whole state any more.
fn of_trees(trees: &Snapshot, sought: &Sought, sink: &mut Sink<'_>) -> Result<(), Failure> {
    for entry in trees.iter(sought.tree.as_bytes()) {
        let (_, value) = entry.map_err(Error::from)?;
        if let Ok(document) = EncodedDocument::from_bytes(value) {
            sink.put(&document)?;
        }
    }
    Ok(())
}

/// Where exported documents go, one a line.
enum Sink<'a> {
    Standard(&'a mut Output, u64),
    File(BufWriter<File>, String, u64),
}

impl<'a> Sink<'a> {
    fn open(output: &'a mut Output, file: &str) -> Result<Sink<'a>, Failure> {
        if file == "-" {
            return Ok(Sink::Standard(output, 0));
        }
        let opened = File::create(file);
        let failed = |error| Failure::File { action: "write", path: file.to_owned(), error };
        Ok(Sink::File(BufWriter::new(opened.map_err(failed)?), file.to_owned(), 0))
    }

    fn put(&mut self, document: &EncodedDocument) -> Result<(), Failure> {
        let line = document.to_json();
        match self {
            Sink::Standard(output, written) => {
                writeln!(output.raw(), "{line}")?;
                *written += 1;
            }
            Sink::File(target, path, written) => {
                let put = writeln!(target, "{line}");
                put.map_err(|error| Failure::File { action: "write", path: path.clone(), error })?;
                *written += 1;
            }
        }
        Ok(())
    }

    fn close(self) -> Result<u64, Failure> {
        match self {
            Sink::Standard(output, written) => {
                output.flush()?;
                Ok(written)
            }
            Sink::File(target, path, written) => {
                let file = target.into_inner().map_err(std::io::IntoInnerError::into_error);
                let synced = file.and_then(|file| file.sync_all());
                synced.map_err(|error| Failure::File { action: "write", path, error })?;
                Ok(written)
            }
        }
    }
}
