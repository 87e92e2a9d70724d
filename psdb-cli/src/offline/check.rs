//! `check`: finding damage, and mending what can be mended.
//!
//! A file is mended only if something is wrong with it, and looked at again afterwards.
//!
//! Left out: finding and mending themselves, which the core does ([`Offline`]).

use std::path::Path;

use psdb::metadata::Metadata;
use psdb::raft::{Findings, Mended, Offline};
use psdb::shard::Shard;
use psdb::storage::StorageError;
use psdb::storage::wal::WalReport;
use psdb::{Error, GroupId};

use super::{Damage, admit, answer, open};
use crate::failure::Failure;
use crate::output::{Json, Output};

/// What a check has found so far.
#[derive(Default)]
struct Report {
    lines: Vec<String>,
    files: Vec<Json>,
    repaired: Vec<Json>,
    unrepaired: Vec<Json>,
    damages: Vec<Damage>,
}

pub(super) fn check(output: &mut Output, directory: &Path, repair: bool) -> Result<(), Failure> {
    let offline = open(directory)?;
    let mut report = Report::default();
    for group in offline.groups().map_err(Error::from)? {
        report.file(&offline, group, repair)?;
    }
    let log = admit(offline.log(), &mut report.damages)?.map(|(log, _)| log);
    let Report { mut lines, files, repaired, unrepaired, damages } = report;
    let mut fields = vec![
        ("files", Json::List(files)),
        ("repaired", Json::List(repaired)),
        ("unrepaired", Json::List(unrepaired)),
    ];
    if let Some(log) = log {
        lines.push(log_line(&log));
        fields.push(("log", log_json(&log)));
    }
    if damages.is_empty() {
        lines.push("no damage found".into());
    }
    answer(output, "check", lines, fields, &damages)
}

impl Report {
    /// Checks the file of one group.
    fn file(&mut self, offline: &Offline, group: GroupId, repair: bool) -> Result<(), Failure> {
        let path = offline.path(group).display().to_string();
        let mut damages = Vec::new();
        let mut found = admit(find(offline, group), &mut damages)?;
        let is_sound = |found: &Findings| found.store.is_sound() && found.content.is_empty();
        if repair && !found.as_ref().is_some_and(is_sound) {
            damages.clear();
            if let Some(mended) = admit(mend(offline, group), &mut damages)? {
                self.mended(&path, &mended);
                found = admit(find(offline, group), &mut damages)?;
            }
        }
        self.damages.extend(damages);
        if let Some(found) = found {
            self.found(&path, found);
        }
        Ok(())
    }

    fn mended(&mut self, path: &str, mended: &Mended) {
        let (said, list) = match mended {
            Mended::Sound => (
                "its last checkpoint is whole; the next two replace what is damaged".to_owned(),
                &mut self.unrepaired,
            ),
            Mended::UsedPages => {
                ("its list of used pages was made again".to_owned(), &mut self.repaired)
            }
            Mended::Anew(kept) => {
                let kept = kept.display();
                let said =
                    format!("its indexes were made again in a new file; the old one is {kept}");
                (said, &mut self.repaired)
            }
            Mended::Impossible(reason) => {
                let said = format!(
                    "it cannot be repaired ({reason}); rebuild this node from its peers, or save \
                     what can be read with: psdb -d NAME export --offline DIR FILE"
                );
                (said, &mut self.unrepaired)
            }
        };
        let line = format!("{path}: {said}");
        list.push(Json::text(&*line));
        self.lines.push(line);
    }

    fn found(&mut self, path: &str, findings: Findings) {
        let Findings { store, content, applied } = findings;
        let entries: u64 = store.trees.iter().map(|tree| tree.entries).sum();
        self.lines.push(format!(
            "{path}: {} pages, {} used, {} trees, {entries} entries, up to entry {applied} of the log",
            store.pages,
            store.used_pages,
            store.trees.len(),
        ));
        self.files.push(Json::Object(vec![
            ("file", Json::text(path)),
            ("pages", store.pages.into()),
            ("used_pages", store.used_pages.into()),
            ("trees", (store.trees.len() as u64).into()),
            ("entries", entries.into()),
            ("applied", applied.0.into()),
        ]));
        self.damages.extend(Damage::of_pages(path, store.damages));
        self.damages.extend(content.into_iter().map(|reason| Damage::new(path, 0, reason)));
    }
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

fn log_line(log: &WalReport) -> String {
    let end = if log.is_sealed { "closed in good order" } else { "not closed" };
    format!(
        "the log: {} segments, {} entries, {end}, {} torn bytes",
        log.segments, log.entries, log.torn_bytes
    )
}

fn log_json(log: &WalReport) -> Json {
    Json::Object(vec![
        ("segments", log.segments.into()),
        ("entries", log.entries.into()),
        ("torn_bytes", log.torn_bytes.into()),
        ("sealed", Json::Bool(log.is_sealed)),
    ])
}
