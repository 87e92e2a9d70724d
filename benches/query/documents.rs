//! The documents queries are asked about: people, about 1 KB of JSON each, the same in every run.

use std::ops::Bound;

use psdb_core::codec::{EncodedDocument, ValueRef};
use psdb_core::query::{Direction, Documents, Entries, Source, SourceIndex};
use psdb_core::{DocumentId, IndexName, Limits, Result};

const ROLES: [&str; 8] = ["Dev", "Ops", "Sales", "Legal", "Design", "Support", "Lead", "Intern"];
const CITIES: [&str; 6] = ["Oslo", "Lima", "Accra", "Kyoto", "Turin", "Perth"];

/// Numbers that look random and are the same in every run (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % n
    }
}

/// So many documents as JSON.
pub fn texts(count: usize) -> Vec<String> {
    let mut numbers = Numbers(7);
    (0..count)
        .map(|n| {
            let (role, city) = (ROLES[numbers.below(8) as usize], CITIES[numbers.below(6) as usize]);
            let (age, score) = (18 + numbers.below(60), numbers.below(10_000) as f64 / 10_000.0);
            let tags: Vec<String> = (0..8).map(|_| format!("\"tag-{}\"", numbers.below(500))).collect();
            let about = "lorem ipsum dolor sit amet ".repeat(24);
            format!(
                r#"{{"_id": "person-{n:08}", "name": "Person {n}", "role": "{role}", "age": {age}, "score": {score}, "active": {}, "tags": [{}], "address": {{"street": "Street {}", "city": "{city}", "zip": "{:05}"}}, "about": "{about}"}}"#,
                numbers.below(2) == 1,
                tags.join(", "),
                numbers.below(200),
                numbers.below(100_000),
            )
        })
        .collect()
}

/// The documents in their encoded form, in `_id` order, without an index.
pub struct Table(Vec<EncodedDocument>);

impl Table {
    pub fn new(texts: &[String]) -> Table {
        let encode = |text: &String| {
            EncodedDocument::from_json(text.as_bytes(), &Limits::DEFAULT).expect("a document")
        };
        Table(texts.iter().map(encode).collect())
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn first(&self) -> &EncodedDocument {
        &self.0[0]
    }
}

impl Source for Table {
    fn documents<'a>(&'a self, after: Option<&DocumentId>) -> Documents<'a> {
        assert!(after.is_none(), "nothing here reads pages");
        Box::new(self.0.iter().map(|document| Ok(document.clone())))
    }

    fn document(&self, id: &DocumentId) -> Result<Option<EncodedDocument>> {
        let named = |document: &EncodedDocument| match document.get("_id") {
            Some(ValueRef::Str(name)) => name.cmp(id.as_str()),
            _ => std::cmp::Ordering::Less,
        };
        Ok(self.0.binary_search_by(named).ok().map(|at| self.0[at].clone()))
    }

    fn index_entries<'a>(
        &'a self,
        _index: &IndexName,
        _low: Bound<&[u8]>,
        _high: Bound<&[u8]>,
        _direction: Direction,
    ) -> Option<Entries<'a>> {
        None
    }

    fn indexes(&self) -> Vec<SourceIndex> {
        Vec::new()
    }

    fn count(&self) -> u64 {
        self.0.len() as u64
    }
}
