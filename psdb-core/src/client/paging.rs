//! Queries read page by page, with nothing kept anywhere between two pages.
//!
//! A page ends with a token for the next one ([`super::page_token`]), which any client and any node
//! of the cluster takes. Results are in the order of the query, so a document that nobody changes
//! stands on exactly one page; one whose sort key changes between two pages may be on both or none.
//!
//! ```text
//! find(..).page_size(100) ─► 100 results, token ─► .page(token) ─► 100 results, token ─► ... ─► none
//! ```
//!
//! Left out: one state for all pages; a [`super::Cursor`] shows that.

use std::future::{Future, IntoFuture};
use std::pin::Pin;

use super::cursor::{Item, Merge};
use super::document::{Document, FromDocument};
use super::find::{Find, Select};
use super::page_token::{LIFETIME, PageToken, fingerprint};
use super::router::mismatched;
use crate::transport::message::{After, SkippedDocuments};
use crate::types::{Error, Result, Timestamp, Value};

/// A page ends when its results have so many bytes, even if it is not full.
const PAGE_BYTES: usize = 16 << 20;

/// One page of a query's results.
#[derive(Clone, Debug, PartialEq)]
pub struct ResultPage<T> {
    /// The results, in the query's order. There may be fewer than asked for, and none, although
    /// more follow.
    pub results: Vec<T>,
    /// Asks for the next page; `None` when this is the last. It can be used for an hour.
    pub next_token: Option<String>,
    /// Documents on which a lambda raised while this page was read.
    pub skipped: SkippedDocuments,
}

/// One page of documents being described; await it for its [`ResultPage`].
#[must_use = "a page is read when this is awaited"]
pub struct FindPage<T> {
    find: Find<T>,
    asked: Asked,
}

/// One page of selected values being described; await it for its [`ResultPage`].
#[must_use = "a page is read when this is awaited"]
pub struct SelectPage {
    find: Find<Document>,
    asked: Asked,
}

struct Asked {
    size: u64,
    token: Option<String>,
}

impl<T: FromDocument> Find<T> {
    /// Reads one page of so many results instead of all; [`FindPage::page`] says which.
    ///
    /// With an order each page costs a look at all that the filter matches; without one, pages go
    /// on where the last one ended.
    ///
    /// # Examples
    ///
    /// ```
    /// use psdb_core::Cluster;
    /// use serde_json::json;
    ///
    /// # tokio::runtime::Runtime::new()?.block_on(async {
    /// let cluster = Cluster::memory().await?;
    /// let users = cluster.client().create_database("users").await?;
    /// users.insert_many((0..5).map(|n| json!({"n": n}))).await?;
    /// let query = || users.find_all().sort("lambda d: d['n']").page_size(2);
    /// let mut page = query().await?;
    /// let mut sizes = vec![page.results.len()];
    /// while let Some(token) = page.next_token {
    ///     page = query().page(token).await?;
    ///     sizes.push(page.results.len());
    /// }
    /// assert_eq!(sizes, [2, 2, 1]);
    /// assert!(query().page("made up").await.is_err());
    /// # Ok::<(), psdb_core::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn page_size(self, results: u64) -> FindPage<T> {
        FindPage { find: self, asked: Asked { size: results, token: None } }
    }
}

impl Select {
    /// Reads one page of so many values instead of all, as [`Find::page_size`] does.
    pub fn page_size(self, results: u64) -> SelectPage {
        SelectPage { find: self.0, asked: Asked { size: results, token: None } }
    }
}

impl<T> FindPage<T> {
    /// The page that this token of another one asks for. The query has to be the same, but for the
    /// size of the page.
    ///
    /// Awaiting gives [`Error::InvalidPageToken`], which says why, for a token that has expired, is
    /// of another query or database, or was made up.
    pub fn page(mut self, token: impl Into<String>) -> Self {
        self.asked.token = Some(token.into());
        self
    }
}

impl SelectPage {
    /// The page that this token of another one asks for, as for [`FindPage::page`].
    pub fn page(mut self, token: impl Into<String>) -> Self {
        self.asked.token = Some(token.into());
        self
    }
}

impl<T: FromDocument + Send + 'static> IntoFuture for FindPage<T> {
    type Output = Result<ResultPage<T>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(read(self.find, self.asked, |item| match item {
            Item::Document(document) => T::from_document(document),
            Item::Selected(..) => Err(mismatched("a shard")),
        }))
    }
}

impl IntoFuture for SelectPage {
    type Output = Result<ResultPage<Value>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(read(self.find, self.asked, |item| match item {
            Item::Selected(_, value) => Ok(value),
            Item::Document(_) => Err(mismatched("a shard")),
        }))
    }
}

async fn read<T: FromDocument, U>(
    mut find: Find<T>,
    asked: Asked,
    result: fn(Item) -> Result<U>,
) -> Result<ResultPage<U>> {
    if asked.size == 0 {
        return Err(Error::InvalidRequest {
            reason: "a page of 0 results; ask for 1 or more".into(),
        });
    }
    let router = find.database.router().clone();
    let deadline = router.deadline(find.database.timeout());
    let key = router.page_key(deadline).await?;
    let name = find.database.name().to_owned();
    let database = router.route(&name, deadline).await?.info.id;
    let query = fingerprint(&find.query, find.skip, find.limit);
    let mut left = find.limit;
    if let Some(text) = &asked.token {
        let token = PageToken::open(text, &key, router.env().now(), database, query)?;
        (find.query.after, find.skip, left) = (Some(token.after), 0, token.left);
    }
    let wanted = left.map_or(asked.size, |left| left.min(asked.size));
    // One more tells whether there is a next page.
    find.limit = Some(wanted.saturating_add(1));
    let mut merge = find.merge().await?;
    let (items, more) = take(&mut merge, wanted).await?;
    if router.route(&name, deadline).await?.info.id != database {
        // The name stands for another database since the token was checked.
        return Err(Error::DatabaseNotFound { name });
    }
    let left = left.map(|left| left.saturating_sub(items.len() as u64));
    let last = items.last().map(|(key, item)| After { key: key.clone(), id: item.id().into() });
    let next_token = match last.filter(|_| more && left != Some(0)) {
        Some(after) => {
            let expires_at = Timestamp(router.env().now().0 + LIFETIME.as_millis() as u64);
            Some(PageToken { expires_at, database, query, after, left }.seal(&key)?)
        }
        None => None,
    };
    let skipped = merge.skipped();
    let results = items.into_iter().map(|(_, item)| result(item)).collect::<Result<_>>()?;
    Ok(ResultPage { results, next_token, skipped })
}

/// Results with their sort keys.
type Items = Vec<(Option<Value>, Item)>;

/// Takes so many results, or fewer that are large together; and says whether more follow.
async fn take(merge: &mut Merge, wanted: u64) -> Result<(Items, bool)> {
    let (mut items, mut bytes) = (Vec::new(), 0);
    while let Some((key, item)) = merge.next().await? {
        let size = item.size();
        let full = items.len() as u64 >= wanted || bytes + size > PAGE_BYTES;
        if full && !items.is_empty() {
            merge.end();
            return Ok((items, true));
        }
        if wanted == 0 {
            break;
        }
        bytes += size;
        items.push((key, item));
    }
    Ok((items, false))
}
