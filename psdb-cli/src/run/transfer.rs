//! `import` and `export`: NDJSON in and out.
//!
//! An import goes on over lines that are wrong by themselves (not JSON, a duplicate id) and stops
//! when the database cannot go on (no leader, disk full), because every further line would fail
//! the same way. Batches are inserted one after the other, so what has been acknowledged is always
//! a prefix of the file: with `-v` each batch says `imported N` when the first N documents that
//! did not fail are durable.
//!
//! An export writes a file beside its target and renames it when it is complete, so that a failure
//! leaves the target as it was.
//!
//! Left out: CSV and JSON arrays.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use psdb::{Code, Error};

use super::{Done, Runner};
use crate::failure::Failure;
use crate::import::{Batch, batches};
use crate::output::Json;
use crate::session::{Cursor, Find};
use crate::settings::Format;

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
        let mut batches = batches(source);
        while !report.stopped
            && let Some(batch) = batches.recv().await
        {
            let batch = batch.map_err(|error| file_failure("read", file, error))?;
            self.import_batch(&database, file, batch, &mut report).await;
        }
        self.output.clear_progress();
        self.import_answer(report)
    }

    fn open_source(&self, file: &str) -> Result<Box<dyn BufRead + Send>, Failure> {
        if file != "-" {
            let opened = File::open(file).map_err(|error| file_failure("read", file, error))?;
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

    pub(super) async fn export(&mut self, file: &str) -> Done {
        let database = self.current()?;
        if file == "-" && self.output.format() == Format::Json {
            return Err(Failure::usage(
                "'export -' writes documents to standard output, where -o json promises one \
                 object: name a file, or use -o ndjson",
            ));
        }
        let mut cursor = self.backend.find(&database, Find::default()).await?;
        if file == "-" {
            let exported = drain(&mut *cursor, self.output.raw()).await?;
            self.output.flush()?;
            self.output.note(&format!("Exported {exported} documents"));
            return Ok(());
        }
        let exported = export_to_file(&mut *cursor, file).await?;
        let fields = vec![("exported", exported.into()), ("file", Json::text(file))];
        self.output.answer("export", &format!("Exported {exported} documents"), fields)
    }
}

/// Whether the next line may well succeed after this error.
fn concerns_one_line(error: &Error) -> bool {
    matches!(error.code(), Code::InvalidArgument | Code::AlreadyExists)
}

/// Why a stream of documents broke off.
enum Broken {
    Source(Error),
    Target(io::Error),
}

impl From<Broken> for Failure {
    /// The target of whoever converts without a file's name is standard output.
    fn from(broken: Broken) -> Failure {
        match broken {
            Broken::Source(error) => error.into(),
            Broken::Target(error) => error.into(),
        }
    }
}

async fn drain(cursor: &mut dyn Cursor, target: &mut (dyn Write + Send)) -> Result<u64, Broken> {
    let mut written = 0;
    while let Some(document) = cursor.next().await.map_err(Broken::Source)? {
        writeln!(target, "{document}").map_err(Broken::Target)?;
        written += 1;
    }
    Ok(written)
}

async fn export_to_file(cursor: &mut dyn Cursor, file: &str) -> Result<u64, Failure> {
    let failed = |error| file_failure("write", file, error);
    let target = Path::new(file);
    // A device or a named pipe cannot be replaced; it is written as it is.
    let in_place = fs::metadata(target).is_ok_and(|metadata| !metadata.is_file());
    let path = if in_place { target.to_path_buf() } else { partial(target) };
    let opened =
        if in_place { File::options().write(true).open(&path) } else { File::create(&path) };
    let mut writer = BufWriter::new(opened.map_err(failed)?);
    let result = match drain(cursor, &mut writer).await {
        Ok(written) => finish(writer, in_place, &path, target).map(|()| written).map_err(failed),
        Err(Broken::Source(error)) => Err(error.into()),
        Err(Broken::Target(error)) => Err(failed(error)),
    };
    if result.is_err() && !in_place {
        // The export has failed already; a left-over part is the lesser harm.
        let _ = fs::remove_file(&path);
    }
    result
}

fn finish(writer: BufWriter<File>, in_place: bool, path: &Path, target: &Path) -> io::Result<()> {
    let file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
    if in_place {
        return Ok(());
    }
    file.sync_all()?;
    fs::rename(path, target)
}

/// The name under which `target` grows.
fn partial(target: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    PathBuf::from(name)
}

fn file_failure(action: &'static str, file: &str, error: io::Error) -> Failure {
    Failure::File { action, path: file.to_string(), error }
}
