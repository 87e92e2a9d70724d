//! `export`: all documents of the database into a file, in the form its ending promises.
//!
//! The documents stream from the shards into the file, which takes its target's place when it is
//! complete ([`Target`]). For CSV, which needs to know all columns first, they are read twice.
//!
//! Left out: `import`.

use std::io::{self, Write};

use psdb::Error;

use super::{Done, Runner};
use crate::columns::{Columns, fields};
use crate::failure::Failure;
use crate::output::Json;
use crate::records::Form;
use crate::session::{Cursor, Find};
use crate::settings::Format;
use crate::shape::Shape;
use crate::target::Target;

impl Runner {
    pub(super) async fn export(&mut self, file: &str) -> Done {
        let database = self.current()?;
        if file == "-" && self.output.format() == Format::Json {
            return Err(Failure::documents_as_json());
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
        let failed = |error| Failure::file("write", file, error);
        let mut target = Target::open(file).map_err(failed)?;
        let exported = drain(&mut *cursor, &shape, &mut target).await;
        let exported = exported.map_err(|broken| match broken {
            Broken::Source(error) => error.into(),
            Broken::Target(error) => failed(error),
        })?;
        target.finish().map_err(failed)?;
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
