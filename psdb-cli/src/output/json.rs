//! A small JSON writer for answers.
//!
//! Documents come from the database as JSON text already and are put in as they are
//! ([`Json::Raw`]), so their digits and the order of their fields survive. The rest of an answer
//! is a handful of names and numbers.
//!
//! Left out: reading JSON.

use std::fmt;

/// One value of an answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(u64),
    Text(String),
    /// Valid JSON on one line, written as it is.
    Raw(String),
    List(Vec<Json>),
    Object(Vec<(&'static str, Json)>),
}

impl Json {
    pub(crate) fn text(text: impl Into<String>) -> Json {
        Json::Text(text.into())
    }
}

impl From<u64> for Json {
    fn from(number: u64) -> Json {
        Json::Number(number)
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Json::Null => f.write_str("null"),
            Json::Bool(value) => write!(f, "{value}"),
            Json::Number(number) => write!(f, "{number}"),
            Json::Text(text) => write_text(f, text),
            Json::Raw(json) => f.write_str(json),
            Json::List(values) => {
                f.write_str("[")?;
                for (position, value) in values.iter().enumerate() {
                    if position > 0 {
                        f.write_str(",")?;
                    }
                    write!(f, "{value}")?;
                }
                f.write_str("]")
            }
            Json::Object(fields) => {
                f.write_str("{")?;
                for (position, (name, value)) in fields.iter().enumerate() {
                    if position > 0 {
                        f.write_str(",")?;
                    }
                    write_text(f, name)?;
                    write!(f, ":{value}")?;
                }
                f.write_str("}")
            }
        }
    }
}

/// Writes a JSON string; DEL and the C1 controls are escaped too, since terminals obey them.
fn write_text(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c if c.is_control() => write!(f, "\\u{:04x}", c as u32)?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}

#[cfg(test)]
mod tests {
    //! Proves that whatever is written reads back as the same value, on one line.

    use super::Json;

    #[test]
    fn text_reads_back() {
        for text in ["", "plain", "a\"b\\c", "\0\u{1}\n\r\t\u{7f}\u{85}", "é \u{1f600} \u{2028}"] {
            let written = Json::text(text).to_string();
            assert!(!written.contains(['\n', '\r']), "{written}");
            let read: String = serde_json::from_str(&written).expect("valid JSON");
            assert_eq!(read, text);
        }
    }

    #[test]
    fn objects_keep_their_order_and_raw_documents() {
        let object = Json::Object(vec![
            ("b", Json::List(vec![Json::Null, Json::Bool(true), 7.into()])),
            ("a", Json::Raw("{\"x\": 1.50}".into())),
        ]);
        assert_eq!(object.to_string(), r#"{"b":[null,true,7],"a":{"x": 1.50}}"#);
        assert_eq!(Json::Object(vec![]).to_string(), "{}");
    }
}
