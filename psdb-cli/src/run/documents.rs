//! Commands on one document: `insert`, `read`, `update`, `replace` and `delete_doc`.

use super::{Done, Runner};
use crate::command;
use crate::output::Json;
use crate::session::Change;

impl Runner {
    pub(super) async fn insert(&mut self, document: &str) -> Done {
        let database = self.current()?;
        let inserted = self.backend.insert(&database, document).await?;
        let id = inserted.id.as_str();
        let fields = vec![("id", Json::text(id)), ("version", inserted.version.into())];
        self.output.answer("insert", &format!("Created document with ID: {}", one_line(id)), fields)
    }

    pub(super) async fn read(&mut self, id: &str) -> Done {
        let database = self.current()?;
        let document = self.backend.read(&database, id).await?;
        self.output.document("read", document)
    }

    pub(super) async fn update(&mut self, change: &command::Change) -> Done {
        let database = self.current()?;
        let version = self.backend.update(&database, borrowed(change)).await?;
        self.changed("update", "Updated", &change.id, version)
    }

    pub(super) async fn replace(&mut self, change: &command::Change) -> Done {
        let database = self.current()?;
        let version = self.backend.replace(&database, borrowed(change)).await?;
        self.changed("replace", "Replaced", &change.id, version)
    }

    pub(super) async fn delete_document(&mut self, id: &str, if_version: Option<u64>) -> Done {
        let database = self.current()?;
        self.backend.delete(&database, id, if_version).await?;
        let fields = vec![("id", Json::text(id))];
        self.output.answer("delete_doc", "Document deleted successfully", fields)
    }

    fn changed(&mut self, command: &'static str, verb: &str, id: &str, version: u64) -> Done {
        let text = format!("{verb} document {} (version {version})", one_line(id));
        let fields = vec![("id", Json::text(id)), ("version", version.into())];
        self.output.answer(command, &text, fields)
    }
}

fn borrowed(change: &command::Change) -> Change<'_> {
    Change { id: &change.id, document: &change.document, if_version: change.if_version }
}

/// An id may contain line feeds; an answer for people is one line.
fn one_line(id: &str) -> String {
    id.replace('\n', "\\n")
}
