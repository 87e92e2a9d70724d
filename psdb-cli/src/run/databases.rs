//! `create`, `use`, `list`, `delete` and `clear`.

use psdb::validate_database_name;

use super::{Done, Runner};
use crate::output::Json;

impl Runner {
    pub(super) async fn create(
        &mut self,
        name: &str,
        indexes: &[Vec<String>],
        shards: Option<u32>,
        deny_full_scan: bool,
    ) -> Done {
        validate_database_name(name)?;
        self.backend.create_database(name, indexes, shards, deny_full_scan).await?;
        self.database_answer("create", name, &format!("Database '{name}' created"))
    }

    pub(super) async fn use_database(&mut self, name: String) -> Done {
        validate_database_name(&name)?;
        self.backend.check_database(&name).await?;
        self.database_answer("use", &name, &format!("Using database '{name}'"))?;
        self.database = Some(name);
        Ok(())
    }

    pub(super) async fn list(&mut self) -> Done {
        let databases = self.backend.list_databases().await?;
        let names: Vec<&str> = databases.iter().map(|database| database.name.as_str()).collect();
        let text = names.join("\n");
        let objects = databases
            .iter()
            .map(|database| {
                let indexes =
                    database.indexes.iter().map(|index| Json::text(index.name.as_str())).collect();
                let mut fields = vec![
                    ("name", Json::text(&database.name)),
                    ("shards", database.shards.into()),
                    ("documents", database.documents.into()),
                    ("bytes", database.bytes.into()),
                    ("indexes", Json::List(indexes)),
                ];
                // Those without the policy, which are most, are told as they always were.
                if database.deny_full_scan {
                    fields.push(("deny_full_scan", Json::Bool(true)));
                }
                Json::Object(fields)
            })
            .collect();
        self.output.answer("list", &text, vec![("databases", Json::List(objects))])
    }

    pub(super) async fn delete(&mut self, name: &str) -> Done {
        validate_database_name(name)?;
        self.backend.delete_database(name).await?;
        if self.database.as_deref() == Some(name) {
            self.database = None;
        }
        self.database_answer("delete", name, &format!("Database '{name}' deleted"))
    }

    pub(super) async fn clear(&mut self) -> Done {
        let name = self.current()?;
        let deleted = self.backend.clear_database(&name).await?;
        let text = format!("Database '{name}' cleared: {deleted} documents");
        self.output.answer("clear", &text, vec![("deleted", deleted.into())])
    }

    fn database_answer(&mut self, command: &'static str, name: &str, text: &str) -> Done {
        self.output.answer(command, text, vec![("database", Json::text(name))])
    }
}
