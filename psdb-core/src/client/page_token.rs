//! Where a query goes on, as a text that any node understands and nobody can make up.
//!
//! A token says after which result the next page begins (its sort key and `_id`), of which database
//! and query, how many results are left, and when it expires. No node keeps anything for it, so it
//! outlives the node that made it. It is sealed under the cluster's key ([`PageKey`]).
//!
//! Invariants:
//! 1. A token is taken only with the query it was made for, and before it expires.
//! 2. Nothing of a token is looked at before its seal was found whole.
//!
//! Left out: the state of the documents. A page shows them as they are when it is read.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::codec::{PageKey, frame};
use crate::sharding::HashVersion;
use crate::transport::message::{After, Query};
use crate::types::{DatabaseId, Error, Result, Timestamp};

/// How long a token can be used.
pub(super) const LIFETIME: Duration = Duration::from_hours(1);
/// The longest sealed text, which a sort key may make long.
const TOKEN_BYTES: usize = 64 << 10;

/// What a token says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct PageToken {
    pub(super) expires_at: Timestamp,
    pub(super) database: DatabaseId,
    /// Of what was asked, [`fingerprint`].
    pub(super) query: u64,
    /// The last result that was given.
    pub(super) after: After,
    /// How many results may follow; any number without.
    pub(super) left: Option<u64>,
}

/// A number that differs for queries that ask for different things.
pub(super) fn fingerprint(query: &Query, skip: u64, limit: Option<u64>) -> u64 {
    let asked = (&query.filter, &query.order, &query.select, query.strict, skip, limit);
    HashVersion::V1.hash(&[b"page/", &frame::encode(&asked)])
}

fn refused(reason: impl Into<String>) -> Error {
    Error::InvalidPageToken { reason: reason.into() }
}

impl PageToken {
    /// The token as text.
    pub(super) fn seal(&self, key: &PageKey) -> Result<String> {
        let text = key.seal(&frame::encode(self));
        if text.len() > TOKEN_BYTES {
            let limit = format!(
                "the sort key of document '{}' makes a page token of {} bytes, the limit is \
                 {TOKEN_BYTES}; sort by something shorter",
                self.after.id,
                text.len()
            );
            return Err(Error::QueryLimit { limit });
        }
        Ok(text)
    }

    /// What a text says that was sealed for this database and query and has not expired.
    pub(super) fn open(
        text: &str,
        key: &PageKey,
        now: Timestamp,
        database: DatabaseId,
        query: u64,
    ) -> Result<PageToken> {
        if text.len() > TOKEN_BYTES {
            let length = text.len();
            return Err(refused(format!("it has {length} bytes, the limit is {TOKEN_BYTES}")));
        }
        let payload = key.open(text);
        let token = payload.and_then(|bytes| frame::decode::<PageToken>(&bytes).ok());
        let token = token
            .ok_or_else(|| refused("it is none of this cluster's, or was changed on its way"))?;
        if token.database != database {
            return Err(refused("it belongs to another database, or to one that was deleted"));
        }
        if token.query != query {
            return Err(refused(
                "it belongs to another query; ask with the one that it came from, but for the \
                 size of the page",
            ));
        }
        if token.expires_at < now {
            let late = Duration::from_millis(now.0 - token.expires_at.0).as_secs();
            return Err(refused(format!("it expired {late} s ago; begin without a token")));
        }
        Ok(token)
    }
}

#[cfg(test)]
mod tests {
    //! Proves that a token is taken for what it was made for only, and that refusals say why.

    use super::{LIFETIME, PageToken, fingerprint};
    use crate::codec::PageKey;
    use crate::transport::message::{After, Order, Query};
    use crate::types::{DatabaseId, Error, Timestamp, Value};

    fn token(expires_at: u64) -> PageToken {
        PageToken {
            expires_at: Timestamp(expires_at),
            database: DatabaseId(3),
            query: 7,
            after: After { key: Some(Value::Float(1.5)), id: "a".into() },
            left: Some(4),
        }
    }

    #[test]
    fn a_token_opens_where_it_belongs() {
        let key = PageKey::new([1; 16]);
        let text = token(100).seal(&key).expect("it is short");
        let open = |text: &str, key: &PageKey, now, database, query| {
            PageToken::open(text, key, Timestamp(now), DatabaseId(database), query)
        };
        assert_eq!(open(&text, &key, 100, 3, 7), Ok(token(100)));
        let mut forged = text.clone();
        forged.replace_range(4..5, if &text[4..5] == "A" { "B" } else { "A" });
        let refusals = [
            (open(&text, &key, 5_101, 3, 7), "expired 5 s ago"),
            (open(&text, &key, 100, 4, 7), "another database"),
            (open(&text, &key, 100, 3, 8), "another query"),
            (open(&forged, &key, 100, 3, 7), "changed on its way"),
            (open(&text, &PageKey::new([2; 16]), 100, 3, 7), "none of this cluster's"),
            (open("", &key, 100, 3, 7), "none of this cluster's"),
            (open("not a token!", &key, 100, 3, 7), "none of this cluster's"),
            (open(&"A".repeat(70_000), &key, 100, 3, 7), "70000 bytes"),
        ];
        for (refusal, why) in refusals {
            match refusal {
                Err(error @ Error::InvalidPageToken { .. }) => {
                    assert!(error.to_string().contains(why), "{error}");
                }
                other => panic!("{why}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_long_sort_key_is_refused_with_its_document() {
        let long = Some(Value::String("x".repeat(60_000)));
        let token = PageToken { after: After { key: long, id: "a".into() }, ..token(1) };
        let error = token.seal(&PageKey::new([1; 16])).expect_err("it is too long");
        assert!(error.to_string().contains("document 'a'"), "{error}");
    }

    #[test]
    fn whatever_is_asked_otherwise_is_another_query() {
        let query = Query { filter: Some("lambda d: d".into()), ..Query::default() };
        let order = |descending| Some(Order { key: "lambda d: d".into(), descending });
        let others = [
            Query::default(),
            Query { order: order(false), ..query.clone() },
            Query { order: order(true), ..query.clone() },
            Query { select: Some("lambda d: d".into()), ..query.clone() },
            Query { strict: true, ..query.clone() },
        ];
        let known = fingerprint(&query, 0, None);
        assert!(others.iter().all(|other| fingerprint(other, 0, None) != known));
        assert!(fingerprint(&query, 1, None) != known && fingerprint(&query, 0, Some(1)) != known);
        // How many results a shard gives is not what was asked.
        let limited = Query { limit: Some(3), deny_full_scan: true, ..query.clone() };
        assert_eq!(fingerprint(&limited, 0, None), known);
        assert!(LIFETIME.as_secs() > 0);
    }
}
