//! Where answers go: results to standard output, messages to standard error.
//!
//! [`Output`] knows the form. Commands hand it one answer in both its shapes (text for people,
//! fields for programs) or a stream of documents, and it writes the one that was asked for:
//!
//! | | answer | documents | failure |
//! |---|---|---|---|
//! | `simple` | text | a line each, as they come | text on standard error |
//! | `json` | one object | inside one object, at the end | one object |
//! | `ndjson` | one object | a line each, as they come | text on standard error |
//! | `table` | a table, or text | a table, or several | text on standard error |
//! | `csv` | records, or text | a record each, at the end | text on standard error |
//!
//! Invariants:
//! 1. With `json` a command prints exactly one object on one line, flushed when it is done.
//! 2. Names and ids never reach a terminal with control characters in them.
//!
//! Left out: the layout of tables and records (`simple`, `rows`).

mod json;
mod rows;
pub(crate) mod simple;

use std::io::{self, Write};

pub(crate) use json::Json;

use crate::failure::{Failure, printable};
use crate::settings::{Format, Settings};

type Done = Result<(), Failure>;

/// The two streams and how to write to them.
pub(crate) struct Output {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    format: Format,
    color: bool,
    quiet: bool,
    verbose: bool,
    progress: bool,
    /// A progress line stands on standard error and wants to be overwritten.
    progress_shown: bool,
}

/// Documents of one answer that must wait for its end.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    waiting: Vec<String>,
    /// Whether some have been written already.
    begun: bool,
}

impl Output {
    /// Writes to the process's own streams.
    pub(crate) fn standard(settings: &Settings) -> Output {
        let out = Box::new(io::BufWriter::new(io::stdout()));
        Output::new(settings, out, Box::new(io::stderr()))
    }

    pub(crate) fn new(
        settings: &Settings,
        out: Box<dyn Write + Send>,
        err: Box<dyn Write + Send>,
    ) -> Output {
        Output {
            out,
            err,
            format: settings.format,
            color: settings.color,
            quiet: settings.quiet,
            verbose: settings.verbose,
            progress: settings.progress,
            progress_shown: false,
        }
    }

    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Writes one answer: `text` for people, `fields` for programs.
    pub(crate) fn answer(
        &mut self,
        command: &'static str,
        text: &str,
        fields: Vec<(&'static str, Json)>,
    ) -> Done {
        let rows = match self.format {
            Format::Table | Format::Csv => rows::objects(&fields),
            Format::Simple | Format::Json | Format::Ndjson => None,
        };
        match (self.format, rows) {
            (Format::Csv, Some(rows)) => rows::write_csv(&mut *self.out, &rows)?,
            (Format::Table, Some(rows)) => rows::write_table(&mut *self.out, &rows)?,
            (Format::Simple | Format::Table | Format::Csv, _) if text.is_empty() => {}
            (Format::Simple | Format::Table | Format::Csv, _) => {
                writeln!(self.out, "{}", printable(text))?;
            }
            (Format::Json | Format::Ndjson, _) => {
                let mut all = vec![("ok", Json::Bool(true)), ("command", Json::text(command))];
                all.extend(fields);
                writeln!(self.out, "{}", Json::Object(all))?;
            }
        }
        self.flush()
    }

    /// Writes an answer that is one document.
    pub(crate) fn document(&mut self, command: &'static str, document: String) -> Done {
        match self.format {
            Format::Json => {
                return self.answer(command, "", vec![("document", Json::Raw(document))]);
            }
            Format::Simple | Format::Ndjson => writeln!(self.out, "{document}")?,
            Format::Table => rows::write_table(&mut *self.out, &[document])?,
            Format::Csv => rows::write_csv(&mut *self.out, &[document])?,
        }
        self.flush()
    }

    /// Writes the next document of an answer, or keeps it for the answer's end.
    pub(crate) fn push(&mut self, documents: &mut Documents, document: String) -> Done {
        match self.format {
            Format::Json | Format::Csv => documents.waiting.push(document),
            Format::Simple | Format::Ndjson => writeln!(self.out, "{document}")?,
            Format::Table => {
                documents.waiting.push(document);
                if documents.waiting.len() == rows::TABLE_ROWS {
                    self.table(documents)?;
                }
            }
        }
        Ok(())
    }

    /// As [`Output::push`], for what people read in another form than programs.
    pub(crate) fn push_row(
        &mut self,
        documents: &mut Documents,
        row: String,
        simple: impl FnOnce() -> String,
    ) -> Done {
        match self.format {
            Format::Simple => Ok(writeln!(self.out, "{}", simple())?),
            _ => self.push(documents, row),
        }
    }

    /// Ends an answer made of documents, which objects name `list`; `fields` are told to those who
    /// read objects.
    pub(crate) fn finish(
        &mut self,
        command: &'static str,
        list: &'static str,
        documents: Documents,
        fields: Vec<(&'static str, Json)>,
    ) -> Done {
        let mut documents = documents;
        match self.format {
            Format::Json => {
                let rows = documents.waiting.into_iter().map(Json::Raw).collect();
                let mut all = vec![(list, Json::List(rows))];
                all.extend(fields);
                return self.answer(command, "", all);
            }
            Format::Csv if !documents.waiting.is_empty() => {
                rows::write_csv(&mut *self.out, &documents.waiting)?;
            }
            Format::Table if !documents.waiting.is_empty() => self.table(&mut documents)?,
            Format::Simple | Format::Ndjson | Format::Table | Format::Csv => {}
        }
        self.flush()
    }

    /// Writes the waiting documents as a table, apart from one before it.
    fn table(&mut self, documents: &mut Documents) -> Done {
        if std::mem::replace(&mut documents.begun, true) {
            writeln!(self.out)?;
        }
        rows::write_table(&mut *self.out, &documents.waiting)?;
        documents.waiting.clear();
        Ok(())
    }

    /// Reports that `command` failed; `place` is where it stands in a script.
    ///
    /// Errors of the streams themselves are dropped: there is nobody left to tell.
    pub(crate) fn failure(&mut self, command: &str, place: Option<&str>, failure: &Failure) {
        if matches!(failure, Failure::Reported(_) | Failure::OutputClosed) {
            let _ = self.flush();
            return;
        }
        if self.format == Format::Json {
            let _ = writeln!(self.out, "{}", failure_object(command, failure, Vec::new()));
        } else {
            self.error_text(place, failure);
        }
        let _ = self.flush();
    }

    /// Writes a failure that has more to tell than its error.
    pub(crate) fn failed_answer(
        &mut self,
        command: &'static str,
        text: &str,
        failure: &Failure,
        fields: Vec<(&'static str, Json)>,
    ) -> Done {
        match self.format {
            Format::Simple | Format::Table | Format::Csv => {
                writeln!(self.out, "{}", printable(text))?;
            }
            Format::Json | Format::Ndjson => {
                writeln!(self.out, "{}", failure_object(command, failure, fields))?;
            }
        }
        self.flush()
    }

    /// Writes an error to standard error, in every form.
    pub(crate) fn error_text(&mut self, place: Option<&str>, failure: &Failure) {
        self.clear_progress();
        let (red, plain) = if self.color { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
        let place = place.map(|place| format!("{}: ", printable(place))).unwrap_or_default();
        let _ = writeln!(self.err, "{red}error:{plain} {place}{}", failure.message());
        if let Some(help) = failure.help() {
            let _ = writeln!(self.err, "{help}");
        }
        if failure.outcome() == psdb::Outcome::Unknown
            && matches!(failure, Failure::Database { .. })
        {
            let _ = writeln!(self.err, "the outcome is unknown: a write may have been applied");
        }
    }

    /// Tells something on standard error, unless the user wants quiet.
    pub(crate) fn note(&mut self, text: &str) {
        if !self.quiet {
            self.clear_progress();
            let _ = writeln!(self.err, "{}", printable(text));
        }
    }

    /// Tells something on standard error if the user wants to know everything.
    pub(crate) fn detail(&mut self, text: &str) {
        if self.verbose {
            let _ = writeln!(self.err, "{}", printable(text));
        }
    }

    /// Shows how far a long command is, in place of what was shown before.
    pub(crate) fn progress(&mut self, text: &str) {
        if self.progress {
            let _ = write!(self.err, "\r\x1b[K{text}");
            let _ = self.err.flush();
            self.progress_shown = true;
        }
    }

    pub(crate) fn clear_progress(&mut self) {
        if std::mem::take(&mut self.progress_shown) {
            let _ = write!(self.err, "\r\x1b[K");
            let _ = self.err.flush();
        }
    }

    /// Standard output itself, for an export to it.
    pub(crate) fn raw(&mut self) -> &mut (dyn Write + Send) {
        &mut *self.out
    }

    pub(crate) fn flush(&mut self) -> Done {
        self.out.flush()?;
        Ok(())
    }
}

/// The object that answers a command which failed.
fn failure_object(command: &str, failure: &Failure, fields: Vec<(&'static str, Json)>) -> Json {
    let error = Json::Object(vec![
        ("code", Json::text(failure.code())),
        ("message", Json::text(failure.message())),
        ("retryable", Json::Bool(failure.is_retryable())),
        ("outcome", Json::text(failure.outcome().as_str())),
    ]);
    let command = if command.is_empty() { Json::Null } else { Json::text(command) };
    let mut all = vec![("ok", Json::Bool(false)), ("command", command)];
    all.extend(fields);
    all.push(("error", error));
    Json::Object(all)
}
