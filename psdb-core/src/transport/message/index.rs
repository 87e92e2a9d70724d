//! A secondary index as its user defined it.
//!
//! Left out: how far it is built (the shards), its keys (`codec`).

use serde::{Deserialize, Serialize};

use crate::types::{Error, IndexName, Limits, Result, validate_field_path, validate_index_name};

/// A secondary index as its user defined it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexDefinition {
    /// Its name within the database.
    pub name: IndexName,
    /// The fields it orders by: the first, then the next.
    pub fields: Vec<String>,
}

impl IndexDefinition {
    /// An index on these fields, called `name`, or else after them: `role`, or `addr.city,age`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidName`] for the name or a field, [`Error::InvalidRequest`] for too many fields,
    /// none, or one twice.
    ///
    /// # Examples
    ///
    /// ```
    /// use psdb_core::transport::message::IndexDefinition;
    ///
    /// let index = IndexDefinition::new(None, ["addr.city", "age"])?;
    /// assert_eq!(index.name.as_str(), "addr.city,age");
    /// assert!(IndexDefinition::new(Some("towns"), ["addr.city"]).is_ok());
    /// assert!(IndexDefinition::new(None, [""; 0]).is_err());
    /// # Ok::<(), psdb_core::Error>(())
    /// ```
    pub fn new<F: Into<String>>(
        name: Option<&str>,
        fields: impl IntoIterator<Item = F>,
    ) -> Result<IndexDefinition> {
        let fields: Vec<String> = fields.into_iter().map(Into::into).collect();
        let refuse = |reason: String| Err(Error::InvalidRequest { reason });
        if fields.is_empty() || fields.len() > Limits::INDEX_FIELDS {
            return refuse(format!(
                "an index on {} fields; 1 to {} are allowed",
                fields.len(),
                Limits::INDEX_FIELDS
            ));
        }
        for (position, field) in fields.iter().enumerate() {
            validate_field_path(field)?;
            if fields[..position].contains(field) {
                return refuse(format!("field {field:?} stands twice in one index"));
            }
        }
        let name = name.map_or_else(|| fields.join(","), str::to_owned);
        validate_index_name(&name)?;
        Ok(IndexDefinition { name: name.into(), fields })
    }

    /// Checks the indexes of one database, wherever they come from: that they can be told apart, and
    /// that each orders by something.
    pub(crate) fn check_all(indexes: &[IndexDefinition]) -> Result<()> {
        let refuse = |reason: String| Err(Error::InvalidRequest { reason });
        if indexes.len() > Limits::INDEXES {
            let (count, limit) = (indexes.len(), Limits::INDEXES);
            return refuse(format!("{count} indexes; a database has at most {limit}"));
        }
        for (position, IndexDefinition { name, fields }) in indexes.iter().enumerate() {
            if fields.is_empty() {
                return refuse(format!("index '{name}' has no fields"));
            }
            if fields.len() > Limits::INDEX_FIELDS {
                let (count, limit) = (fields.len(), Limits::INDEX_FIELDS);
                return refuse(format!("index '{name}' has {count} fields; the limit is {limit}"));
            }
            if indexes[..position].iter().any(|other| other.name == *name) {
                return refuse(format!("index '{name}' is defined twice"));
            }
        }
        Ok(())
    }
}
