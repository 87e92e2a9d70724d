//! `index` and `configure`: what a database is searched by, and how it may be searched.
//!
//! The shards build an index by themselves once it is wanted. `index create` asks them again and
//! again until all are done; Ctrl-C ends the waiting only.
//!
//! Left out: which queries use an index, which `explain` shows.

use std::time::Duration;

use psdb::Error;
use psdb::client::IndexInfo;
use psdb::transport::message::IndexState;

use super::{Done, Runner};
use crate::command::Index;
use crate::failure::Failure;
use crate::output::Json;
use crate::output::simple::table;

/// Between two questions how far an index is: short at first, since a small one is soon built.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(20), Duration::from_millis(100), Duration::from_millis(300)];

impl Runner {
    pub(super) async fn index(&mut self, index: Index) -> Done {
        let database = self.current()?;
        match index {
            Index::Create { fields, name, wait } => {
                self.create_index(&database, &fields, name.as_deref(), wait).await
            }
            Index::List => {
                let indexes = self.backend.list_indexes(&database).await?;
                let rows: Vec<_> = indexes.iter().map(row).collect();
                let text = table(&["index", "fields", "state", "entries"], &rows);
                self.output.answer("index", &text, fields(&indexes))
            }
            Index::Drop { name } => {
                self.backend.drop_index(&database, &name).await?;
                let left = self.backend.list_indexes(&database).await?;
                self.output.answer("index", &format!("Index '{name}' dropped"), fields(&left))
            }
        }
    }

    async fn create_index(
        &mut self,
        database: &str,
        on: &[String],
        name: Option<&str>,
        wait: bool,
    ) -> Done {
        let wanted = self.backend.create_index(database, on, name).await?;
        let name = wanted.name.as_str();
        let mut pauses = PAUSES.into_iter();
        let mut pause = PAUSES[0];
        loop {
            let indexes = self.backend.list_indexes(database).await.map_err(standing)?;
            let Some(index) = indexes.iter().find(|index| index.name == wanted.name) else {
                return Err(Error::IndexNotFound { name: name.to_owned() }.into());
            };
            if !wait || index.state == IndexState::Ready {
                self.output.clear_progress();
                let text = match index.state {
                    IndexState::Ready => {
                        format!("Index '{name}' is ready: {} entries", index.entries)
                    }
                    IndexState::Building => format!("Index '{name}' is being built"),
                };
                return self.output.answer("index", &text, fields(&indexes));
            }
            self.output.progress(&format!(
                "index '{name}': {} of {} documents; Ctrl-C ends the waiting only",
                index.documents_done, index.documents
            ));
            pause = pauses.next().unwrap_or(pause);
            tokio::time::sleep(pause).await;
        }
    }

    pub(super) async fn configure(&mut self, deny_full_scan: bool) -> Done {
        let database = self.current()?;
        self.backend.set_deny_full_scan(&database, deny_full_scan).await?;
        let text = if deny_full_scan {
            format!("Database '{database}' refuses queries that would look at every document")
        } else {
            format!("Database '{database}' takes every query")
        };
        let fields = vec![
            ("database", Json::text(database)),
            ("deny_full_scan", Json::Bool(deny_full_scan)),
        ];
        self.output.answer("configure", &text, fields)
    }
}

/// A failure to learn how far an index is, which does not take it back.
fn standing(error: Error) -> Failure {
    let hint = error.is_retryable().then_some("the index is being built all the same");
    Failure::Database { error, lambda: None, hint }
}

fn state(index: &IndexInfo) -> String {
    match index.state {
        IndexState::Ready => "ready".to_owned(),
        IndexState::Building => "building".to_owned(),
    }
}

fn row(index: &IndexInfo) -> Vec<String> {
    let progress = match index.state {
        IndexState::Ready => String::new(),
        IndexState::Building => format!(" ({} of {})", index.documents_done, index.documents),
    };
    vec![
        index.name.to_string(),
        index.fields.join(","),
        state(index) + &progress,
        index.entries.to_string(),
    ]
}

fn fields(indexes: &[IndexInfo]) -> Vec<(&'static str, Json)> {
    let object = |index: &IndexInfo| {
        Json::Object(vec![
            ("name", Json::text(index.name.as_str())),
            ("fields", Json::List(index.fields.iter().map(Json::text).collect())),
            ("state", Json::text(state(index))),
            ("entries", index.entries.into()),
            ("documents_done", index.documents_done.into()),
            ("documents", index.documents.into()),
        ])
    };
    vec![("indexes", Json::List(indexes.iter().map(object).collect()))]
}
