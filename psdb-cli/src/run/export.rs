//! `export`: all documents of the database into a file, in the form its ending promises.
//!
//! The documents stream from the shards into the file, which takes its target's place when it is
//! complete ([`Target`]). For CSV, which needs to know all columns first, they are read twice.
//!
//! Left out: `import`.

use super::{Done, Runner};
use crate::columns::{Columns, fields};
use crate::failure::Failure;
use crate::output::Json;
use crate::records::Form;
use crate::session::{Cursor, Find};
use crate::settings::Format;
use crate::shape::{Shape, Sink};
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
            let sink = Sink::new(self.output.raw(), &shape, &Failure::from);
            let exported = drain(&mut *cursor, sink).await?;
            self.output.flush()?;
            self.output.note(&format!("Exported {exported} documents"));
            return Ok(());
        }
        let failed = |error| Failure::file("write", file, error);
        let mut target = Target::open(file).map_err(failed)?;
        let exported = drain(&mut *cursor, Sink::new(&mut target, &shape, &failed)).await?;
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

async fn drain(cursor: &mut dyn Cursor, mut sink: Sink<'_>) -> Result<u64, Failure> {
    sink.begin()?;
    while let Some(document) = cursor.next().await? {
        sink.put(&document)?;
    }
    sink.end()
}
