//! `export`: all documents of the database into a file, in the form its ending promises.
//!
//! The documents stream from the shards into the file. It grows beside its target and is renamed
//! when it is complete, so that a failure leaves the target as it was.
//!
//! CSV needs to know all columns first, so the documents are read twice for it; a field that is
//! new at the second time makes the export fail.
//!
//! Left out: `import`.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use psdb::Error;

use super::import::file_failure;
use super::{Done, Runner};
use crate::columns::{Columns, fields};
use crate::csv;
use crate::failure::Failure;
use crate::output::Json;
use crate::records::Form;
use crate::session::{Cursor, Find};
use crate::settings::Format;

impl Runner {
    pub(super) async fn export(&mut self, file: &str) -> Done {
        let database = self.current()?;
        if file == "-" && self.output.format() == Format::Json {
            return Err(Failure::usage(
                "'export -' writes documents to standard output, where -o json promises one \
                 object: name a file, or use -o ndjson",
            ));
        }
        let shape = match Form::of(file) {
            Form::Csv => Shape::Csv(self.columns(&database).await?),
            Form::Ndjson => Shape::Lines,
            Form::JsonArray => Shape::Array,
        };
        let mut cursor = self.backend.find(&database, Find::default()).await?;
        if file == "-" {
            let exported = drain(&mut *cursor, &shape, self.output.raw()).await?;
            self.output.flush()?;
            self.output.note(&format!("Exported {exported} documents"));
            return Ok(());
        }
        let exported = export_to_file(&mut *cursor, &shape, file).await?;
        let fields = vec![("exported", exported.into()), ("file", Json::text(file))];
        self.output.answer("export", &format!("Exported {exported} documents"), fields)
    }

    /// The columns of all documents.
    async fn columns(&self, database: &str) -> Result<Vec<String>, Failure> {
        let mut cursor = self.backend.find(database, Find::default()).await?;
        let mut columns = Columns::default();
        while let Some(document) = cursor.next().await? {
            columns.add(&fields(&document));
        }
        Ok(columns.in_order())
    }
}

/// How documents stand in the file.
enum Shape {
    Lines,
    Array,
    /// Under these names.
    Csv(Vec<String>),
}

impl Shape {
    fn begin(&self, target: &mut (dyn Write + Send)) -> io::Result<()> {
        match self {
            Shape::Lines => Ok(()),
            Shape::Array => target.write_all(b"["),
            Shape::Csv(names) => csv::write_names(target, names),
        }
    }

    /// Writes one document, of which `written` stand before it.
    fn put(&self, target: &mut (dyn Write + Send), written: u64, document: &str) -> io::Result<()> {
        match self {
            Shape::Lines => writeln!(target, "{document}"),
            Shape::Array => {
                write!(target, "{}{document}", if written > 0 { ",\n" } else { "\n" })
            }
            Shape::Csv(names) => {
                let fields = fields(document);
                if let Some(new) = fields.keys().find(|name| !names.contains(name)) {
                    return Err(io::Error::other(format!(
                        "a document got the new field '{new}' while it was exported; try again"
                    )));
                }
                csv::write_record(target, names.iter().map(|name| fields.get(name)))
            }
        }
    }

    fn end(&self, target: &mut (dyn Write + Send)) -> io::Result<()> {
        match self {
            Shape::Lines | Shape::Csv(_) => Ok(()),
            Shape::Array => target.write_all(b"\n]\n"),
        }
    }
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

async fn drain(
    cursor: &mut dyn Cursor,
    shape: &Shape,
    target: &mut (dyn Write + Send),
) -> Result<u64, Broken> {
    let mut written = 0;
    shape.begin(target).map_err(Broken::Target)?;
    while let Some(document) = cursor.next().await.map_err(Broken::Source)? {
        shape.put(target, written, &document).map_err(Broken::Target)?;
        written += 1;
    }
    shape.end(target).map_err(Broken::Target)?;
    Ok(written)
}

async fn export_to_file(
    cursor: &mut dyn Cursor,
    shape: &Shape,
    file: &str,
) -> Result<u64, Failure> {
    let failed = |error| file_failure("write", file, error);
    let target = Path::new(file);
    // A device or a named pipe cannot be replaced; it is written as it is.
    let in_place = fs::metadata(target).is_ok_and(|metadata| !metadata.is_file());
    let path = if in_place { target.to_path_buf() } else { partial(target) };
    let opened =
        if in_place { File::options().write(true).open(&path) } else { File::create(&path) };
    let mut writer = BufWriter::new(opened.map_err(failed)?);
    let result = match drain(cursor, shape, &mut writer).await {
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
