//! `import`: documents of a file into the database, in batches.
//!
//! It goes on over lines that are wrong by themselves (not JSON, a duplicate id) and stops
//! when the database cannot go on (no leader, disk full), because every further line would fail
//! the same way. Batches are inserted one after the other, so what has been acknowledged is always
//! a prefix of the file: with `-v` each batch says `imported N` when the first N documents that
//! did not fail are durable.
//!
//! Left out: the forms of files (`records`), `export`.

use std::fs::File;
use std::io::{self, BufRead, BufReader};

use psdb::{Code, Error};

use super::{Done, Runner};
use crate::failure::Failure;
use crate::import::{Batch, batches};
use crate::output::Json;
use crate::records::Form;

/// How many failed lines an object lists; standard error has them all.
const MAX_LISTED: usize = 100;

/// What has become of an import so far.
#[derive(Default)]
struct Report {
    imported: u64,
    failed: u64,
    /// The first failed lines.
    listed: Vec<Json>,
    /// The failure that decides the exit code: the first, or the one that stopped the import.
    decisive: Option<Failure>,
    stopped: bool,
}

impl Runner {
    pub(super) async fn import(&mut self, file: &str) -> Done {
        let database = self.current()?;
        let source = self.open_source(file)?;
        // An empty file must not hide that there is no such database.
        self.backend.check_database(&database).await?;
        let mut report = Report::default();
        let mut batches = batches(source, Form::of(file));
        while !report.stopped
            && let Some(batch) = batches.recv().await
        {
            let batch = batch.map_err(|error| Failure::file("read", file, error))?;
            self.import_batch(&database, file, batch, &mut report).await;
        }
        self.output.clear_progress();
        self.import_answer(report)
    }

    fn open_source(&self, file: &str) -> Result<Box<dyn BufRead + Send>, Failure> {
        if file != "-" {
            let opened = File::open(file).map_err(|error| Failure::file("read", file, error))?;
            return Ok(Box::new(BufReader::with_capacity(1 << 16, opened)));
        }
        if self.stdin_taken {
            return Err(Failure::usage(
                "'import -' cannot read standard input here, because the commands come from it",
            ));
        }
        Ok(Box::new(BufReader::new(io::stdin())))
    }

    async fn import_batch(
        &mut self,
        database: &str,
        file: &str,
        batch: Batch,
        report: &mut Report,
    ) {
        let mut failed: Vec<(u64, Error)> = batch.refused;
        match self.backend.import(database, &batch.lines).await {
            Ok(results) => {
                for (number, result) in batch.numbers.iter().zip(results) {
                    match result {
                        Ok(()) => report.imported += 1,
                        Err(error) => failed.push((*number, error)),
                    }
                }
            }
            Err(error) => failed.extend(batch.numbers.iter().map(|line| (*line, error.clone()))),
        }
        failed.sort_by_key(|(number, _)| *number);
        for (number, error) in failed {
            self.line_failed(file, number, error, report);
        }
        self.output.detail(&format!("imported {}", report.imported));
        self.output.progress(&format!("imported {} documents", report.imported));
    }

    fn line_failed(&mut self, file: &str, number: u64, error: Error, report: &mut Report) {
        let stops = !concerns_one_line(&error);
        let failure = Failure::from(error);
        report.failed += 1;
        // Of a failure that stops the import the first line tells all.
        if !report.stopped {
            self.output.error_text(Some(&format!("{file}:{number}")), &failure);
        }
        if report.listed.len() < MAX_LISTED {
            report.listed.push(Json::Object(vec![
                ("line", number.into()),
                ("code", Json::text(failure.code())),
                ("message", Json::text(failure.message())),
            ]));
        }
        if report.decisive.is_none() || (stops && !report.stopped) {
            report.decisive = Some(failure);
        }
        report.stopped |= stops;
    }

    fn import_answer(&mut self, report: Report) -> Done {
        let Report { imported, failed, listed, decisive, stopped } = report;
        let mut fields = vec![("imported", imported.into()), ("failed", failed.into())];
        let Some(failure) = decisive else {
            return self.output.answer("import", &format!("Imported {imported} documents"), fields);
        };
        let stopped = if stopped { "; stopped there" } else { "" };
        let text = format!("Imported {imported} documents, {failed} failed{stopped}");
        fields.push(("failures", Json::List(listed)));
        self.output.failed_answer("import", &text, &failure, fields)?;
        Err(Failure::Reported(failure.exit()))
    }
}

/// Whether the next line may well succeed after this error.
fn concerns_one_line(error: &Error) -> bool {
    matches!(error.code(), Code::InvalidArgument | Code::AlreadyExists)
}
