//! `export --offline`: the documents of a database, as far as they can be read.
//!
//! What is damaged is named, and everything else is written. A file takes its target's place when all
//! is written; if nothing of a damaged directory could be read, the target stays as it was.
//!
//! Left out: CSV, for which everything would have to be read twice.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use psdb::codec::EncodedDocument;
use psdb::metadata::Metadata;
use psdb::raft::{Offline, Salvaged, StateError};
use psdb::shard::{Shard, documents_tree};
use psdb::storage::RecoveredStream;
use psdb::{DatabaseId, Error, GroupId};

use super::{Damage, admit, answer, open};
use crate::failure::Failure;
use crate::output::{Json, Output};
use crate::records::Form;
use crate::settings::Format;
use crate::shape::{Shape, Sink};
use crate::target::Target;

pub(super) fn export(
    output: &mut Output,
    directory: &Path,
    file: &str,
    database: Option<&str>,
) -> Result<(), Failure> {
    if file == "-" && output.format() == Format::Json {
        return Err(Failure::documents_as_json());
    }
    let shape = match Form::of(file) {
        Form::Csv => {
            return Err(Failure::usage(
                "what is read offline is not written as CSV: name a file that ends in .ndjson or \
                 .json",
            ));
        }
        Form::Ndjson => Shape::Lines,
        Form::JsonArray => Shape::Array,
    };
    let mut source = Source::open(directory, database)?;
    if file == "-" {
        let written = source.write(&mut Sink::new(output.raw(), &shape, &Failure::from))?;
        output.flush()?;
        return source.tell(output, written);
    }
    let failed = |error| Failure::file("write", file, error);
    let mut target = Target::open(file).map_err(failed)?;
    let written = source.write(&mut Sink::new(&mut target, &shape, &failed))?;
    let mut lines = vec![source.summary(written)];
    if written > 0 || source.damages.is_empty() {
        target.finish().map_err(failed)?;
    } else {
        lines.push(format!("{file} stays as it was"));
    }
    let fields = vec![("exported", written.into()), ("file", Json::text(file))];
    answer(output, "export", lines, fields, &source.damages)
}

/// A directory, and what is to be read of it.
struct Source {
    offline: Offline,
    database: DatabaseId,
    /// What the log has of each group.
    log: BTreeMap<GroupId, RecoveredStream>,
    /// Whether the log could be read.
    has_log: bool,
    damages: Vec<Damage>,
}

impl Source {
    fn open(directory: &Path, database: Option<&str>) -> Result<Source, Failure> {
        let offline = open(directory)?;
        let mut damages = Vec::new();
        let log = admit(offline.log(), &mut damages)?.map(|(_, streams)| streams);
        let (has_log, mut log) = (log.is_some(), log.unwrap_or_default());
        let stream = log.remove(&GroupId::METADATA).unwrap_or_default();
        let names = offline.salvage::<Metadata>(GroupId::METADATA, &stream);
        let names = names.ok().and_then(|found| found.state.ok());
        let database = sought(names.as_ref(), database)?;
        Ok(Source { offline, database, log, has_log, damages })
    }

    /// Writes the documents of all shards; returns how many there were.
    fn write(&mut self, sink: &mut Sink<'_>) -> Result<u64, Failure> {
        sink.begin()?;
        let groups = self.offline.groups().map_err(Error::from)?;
        let groups: BTreeSet<GroupId> =
            groups.into_iter().chain(self.log.keys().copied()).collect();
        for group in groups.into_iter().filter(|group| *group != GroupId::METADATA) {
            let stream = self.log.remove(&group).unwrap_or_default();
            let path = self.offline.path(group).display().to_string();
            match self.offline.salvage::<Shard>(group, &stream) {
                Ok(salvaged) => self.shard(&path, salvaged, sink)?,
                Err(StateError::Storage(error)) => {
                    admit::<()>(Err(error), &mut self.damages)?;
                }
                Err(error) => self.damages.push(Damage::new(&path, 0, error.to_string())),
            }
        }
        sink.end()
    }

    fn shard(
        &mut self,
        path: &str,
        salvaged: Salvaged<Shard>,
        sink: &mut Sink<'_>,
    ) -> Result<(), Failure> {
        self.damages.extend(Damage::of_pages(path, salvaged.store.damages));
        match salvaged.state {
            Ok(view) => {
                let Ok(database) = view.database(self.database) else { return Ok(()) };
                database.documents(None).try_for_each(|document| sink.put(&document?.to_json()))
            }
            // Trees that are no whole state any more.
            Err((trees, reason)) => {
                self.damages.push(Damage::new(path, 0, reason));
                for entry in trees.iter(&documents_tree(self.database)) {
                    let (_, value) = entry.map_err(Error::from)?;
                    if let Ok(document) = EncodedDocument::from_bytes(value) {
                        sink.put(&document.to_json())?;
                    }
                }
                Ok(())
            }
        }
    }

    fn summary(&self, written: u64) -> String {
        let missing = match (self.damages.is_empty(), self.has_log) {
            (true, _) => "",
            (false, true) => "; what stood where the damage is, is missing",
            (false, false) => "; what only the log had is missing",
        };
        format!("Exported {written} documents{missing}")
    }

    /// Says on standard error how it went, where standard output has the documents.
    fn tell(&self, output: &mut Output, written: u64) -> Result<(), Failure> {
        for damage in &self.damages {
            output.note(&damage.line());
        }
        output.note(&self.summary(written));
        self.damages.first().map_or(Ok(()), |first| Err(first.failure()))
    }
}

/// Finds out which database is meant.
fn sought(names: Option<&Metadata>, wanted: Option<&str>) -> Result<DatabaseId, Failure> {
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
    let by_number = || wanted.parse().ok().map(DatabaseId);
    let unknown = || Error::DatabaseNotFound { name: wanted.to_owned() }.into();
    by_name.or_else(by_number).ok_or_else(unknown)
}
