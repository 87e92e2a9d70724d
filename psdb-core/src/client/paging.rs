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

/// One page of a query's results being described, which are read as `U`; await it for its
/// [`ResultPage`].
#[must_use = "a page is read when this is awaited"]
pub struct FindPage<T = Document, U = T> {
    find: Find<T>,
    size: u64,
    token: Option<String>,
    result: fn(Item) -> Result<U>,
}

impl<T> ResultPage<T> {
    /// The same page, each result made into something else.
    pub fn map<U>(self, make: impl FnMut(T) -> U) -> ResultPage<U> {
        let results = self.results.into_iter().map(make).collect();
        ResultPage { results, next_token: self.next_token, skipped: self.skipped }
    }
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
        let result = |item| match item {
            Item::Document(document) => T::from_document(document),
            Item::Selected(..) => Err(mismatched("a shard")),
        };
        FindPage { find: self, size: results, token: None, result }
    }
}

impl Select {
    /// Reads one page of so many values instead of all, as [`Find::page_size`] does.
    pub fn page_size(self, results: u64) -> FindPage<Document, Value> {
        let result = |item| match item {
            Item::Selected(_, value) => Ok(value),
            Item::Document(_) => Err(mismatched("a shard")),
        };
        FindPage { find: self.0, size: results, token: None, result }
    }
}

impl<T: FromDocument, U> FindPage<T, U> {
    /// The page that this token of another one asks for. The query has to be the same, but for the
    /// size of the page.
    ///
    /// Awaiting gives [`Error::InvalidPageToken`], which says why, for a token that has expired, is
    /// of another query or database, or was made up.
    pub fn page(self, token: impl Into<String>) -> Self {
        self.after(Some(token.into()))
    }

    /// As [`FindPage::page`] with a token; without one it is the first page.
    pub fn after(mut self, token: Option<String>) -> Self {
        self.token = token;
        self
    }

    async fn read(self) -> Result<ResultPage<U>> {
        let FindPage { mut find, size, token, result } = self;
        if size == 0 {
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
        if let Some(text) = &token {
            let token = PageToken::open(text, &key, router.env().now(), database, query)?;
            (find.query.after, find.skip, left) = (Some(token.after), 0, token.left);
        }
        let wanted = left.map_or(size, |left| left.min(size));
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
}

impl<T: FromDocument + Send + 'static, U: Send + 'static> IntoFuture for FindPage<T, U> {
    type Output = Result<ResultPage<U>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.read())
    }
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
