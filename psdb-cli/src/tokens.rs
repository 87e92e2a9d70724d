//! Cutting a command into its parts without touching what they say.
//!
//! A command comes as one line or as arguments that the user's own shell has cut already. Both are
//! read through [`Tokens`], from left to right: a *word* (a name, a number, a keyword), the *rest*
//! (a document, a file), a *lambda* or a *list* of index fields.
//!
//! ```text
//! query 'lambda d: d["x"] > 1' limit 3      a line: word, quoted lambda, words
//! count lambda d: d["x"]  ==  "a  b"        a line: word, bare lambda to the end of the line
//! [read] [an id with spaces]                arguments: each is one part, as written
//! ```
//!
//! Invariants:
//! 1. Parts are slices of the input: runs of spaces and every quote inside them stay.
//! 2. There are no escapes; a quoted part ends at the next quote of its own kind, which must be
//!    followed by a space or by the end of the line. Anything else is an error, not a guess.
//!
//! Left out: which parts a command has (`parse`).

use crate::command::Lambda;

/// What is left of a command. Copying one is a way to look ahead.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tokens<'a> {
    /// A line of a script or of the shell.
    Line(&'a str),
    /// Arguments of a one-shot command.
    Arguments(&'a [String]),
}

/// A part that cannot be read, in words for the user.
pub(crate) type Malformed = String;

impl<'a> Tokens<'a> {
    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Tokens::Line(text) => text.trim_ascii_start().is_empty(),
            Tokens::Arguments(arguments) => arguments.is_empty(),
        }
    }

    /// Takes the next word, quoted or not.
    pub(crate) fn word(&mut self) -> Result<Option<&'a str>, Malformed> {
        match self {
            Tokens::Arguments(_) => Ok(self.argument()),
            Tokens::Line(text) => {
                let start = text.trim_ascii_start();
                if let Some((inside, rest)) = quoted(start)? {
                    *text = rest;
                    return Ok(Some(inside));
                }
                if start.is_empty() {
                    return Ok(None);
                }
                let end = start.find(|c: char| c.is_ascii_whitespace()).unwrap_or(start.len());
                let (word, rest) = start.split_at(end);
                *text = rest;
                Ok(Some(word))
            }
        }
    }

    /// Takes everything to the end of the line, or the next argument.
    pub(crate) fn rest(&mut self) -> Option<&'a str> {
        match self {
            Tokens::Arguments(_) => self.argument(),
            Tokens::Line(text) => {
                let rest = text.trim_ascii();
                *text = "";
                (!rest.is_empty()).then_some(rest)
            }
        }
    }

    /// Takes a document: like [`Tokens::rest`], but a line's document may stand in single quotes,
    /// as it must in most command shells. No document starts with one.
    pub(crate) fn document(&mut self) -> Option<&'a str> {
        let rest = self.rest()?;
        match self {
            Tokens::Line(_) => Some(unquoted(rest, &['\''])),
            Tokens::Arguments(_) => Some(rest),
        }
    }

    /// Takes the name of a file: everything to the end of the line, quoted or not.
    pub(crate) fn file(&mut self) -> Option<&'a str> {
        let rest = self.rest()?;
        match self {
            Tokens::Line(_) => Some(unquoted(rest, &['\'', '"'])),
            Tokens::Arguments(_) => Some(rest),
        }
    }

    /// Takes a lambda: a quoted one, a bare one to the end of the line, or the next argument.
    pub(crate) fn lambda(&mut self) -> Result<Option<Lambda>, Malformed> {
        match self {
            Tokens::Arguments(_) => {
                Ok(self.argument().map(|text| Lambda { text: text.to_string(), bare: false }))
            }
            Tokens::Line(text) => {
                if let Some((inside, rest)) = quoted(text.trim_ascii_start())? {
                    *text = rest;
                    return Ok(Some(Lambda { text: inside.to_string(), bare: false }));
                }
                Ok(self.rest().map(|text| Lambda { text: text.to_string(), bare: true }))
            }
        }
    }

    /// Takes a bare lambda and the JSON object a line ends in; `None`, and nothing is taken, if the
    /// line does not end so or the lambda is quoted.
    ///
    /// The object is the longest that stands after a space, since a lambda may end in a dict of
    /// Python, but not in one that is followed by another.
    pub(crate) fn lambda_before_document(&mut self) -> Result<Option<(Lambda, String)>, Malformed> {
        let Tokens::Line(line) = self else { return Ok(None) };
        let text = line.trim_ascii();
        if quoted(text)?.is_some() {
            return Ok(None);
        }
        let starts = text.match_indices(" {").map(|(at, _)| at);
        let is_object = |at: &usize| {
            let object =
                serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&text[*at..]);
            object.is_ok()
        };
        let Some(at) = starts.into_iter().find(is_object) else { return Ok(None) };
        let (lambda, document) = (text[..at].trim_ascii(), text[at..].trim_ascii());
        *line = "";
        Ok(Some((Lambda { text: lambda.to_string(), bare: true }, document.to_string())))
    }

    /// Takes a JSON array, if one comes next, and leaves what follows it.
    pub(crate) fn array(&mut self) -> Result<Option<Vec<serde_json::Value>>, Malformed> {
        let text = match self {
            Tokens::Line(text) => text.trim_ascii_start(),
            Tokens::Arguments(arguments) => arguments.first().map_or("", String::as_str),
        };
        if !text.starts_with('[') {
            return Ok(None);
        }
        let mut values = serde_json::Deserializer::from_str(text).into_iter();
        let array = match values.next() {
            Some(Ok(serde_json::Value::Array(array))) => array,
            Some(Err(error)) => return Err(format!("the list is not valid JSON: {error}")),
            Some(Ok(_)) | None => return Err("the list is not a JSON array".to_string()),
        };
        let end = values.byte_offset();
        match self {
            Tokens::Line(line) => *line = &text[end..],
            Tokens::Arguments(arguments) => {
                let after = text[end..].trim_ascii();
                if !after.is_empty() {
                    return Err(format!("unexpected '{after}' after the list"));
                }
                *arguments = &arguments[1..];
            }
        }
        Ok(Some(array))
    }

    /// Takes a trailing `NAME=VALUE` off a line whose document comes first, and returns the value.
    ///
    /// A JSON object ends in `}`, so a last word that does not belongs to no document.
    pub(crate) fn trailing_option(&mut self, name: &str) -> Option<&'a str> {
        let Tokens::Line(text) = self else { return None };
        let trimmed = text.trim_ascii_end();
        let start = trimmed.rfind(|c: char| c.is_ascii_whitespace()).map_or(0, |at| at + 1);
        let value = trimmed[start..].strip_prefix(name)?.strip_prefix('=')?;
        if value.ends_with('}') {
            return None;
        }
        *text = &trimmed[..start];
        Some(value)
    }

    fn argument(&mut self) -> Option<&'a str> {
        let Tokens::Arguments(arguments) = self else { return None };
        let (first, rest) = arguments.split_first()?;
        *arguments = rest;
        Some(first)
    }
}

/// Splits `text`, if it starts with a quote, into what stands in the quotes and what follows.
fn quoted(text: &str) -> Result<Option<(&str, &str)>, Malformed> {
    let Some(quote) = text.chars().next().filter(|c| *c == '\'' || *c == '"') else {
        return Ok(None);
    };
    let Some(length) = text[1..].find(quote) else {
        return Err(format!("the quote {quote} is not closed"));
    };
    let (inside, rest) = (&text[1..=length], &text[length + 2..]);
    if rest.starts_with(|c: char| !c.is_ascii_whitespace()) {
        return Err(format!(
            "after the closing {quote} comes '{}' without a space; to use {quote} inside, put the \
             other kind of quotes around",
            rest.chars().take(12).collect::<String>()
        ));
    }
    Ok(Some((inside, rest)))
}

/// `text` without the quotes around it, if one of `quotes` opens and closes it.
fn unquoted<'a>(text: &'a str, quotes: &[char]) -> &'a str {
    quotes.iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    //! Proves that parts are cut as documented and that nothing inside them changes.

    use super::Tokens;

    #[test]
    fn words_are_cut_at_spaces_and_quotes() {
        let mut tokens = Tokens::Line("  one\ttwo '' 'a  b' \"it's\" x'y  ");
        let mut words = Vec::new();
        while let Some(word) = tokens.word().expect("well formed") {
            words.push(word);
        }
        assert_eq!(words, ["one", "two", "", "a  b", "it's", "x'y"]);
        assert!(tokens.is_empty());
    }

    #[test]
    fn unclosed_and_run_on_quotes_are_errors() {
        assert!(Tokens::Line("'abc").word().is_err());
        let message = Tokens::Line("'d['x'] > 1'").lambda().expect_err("ends too early");
        assert!(message.contains("x'] > 1'"), "{message}");
        assert!(Tokens::Line("'").word().is_err());
    }

    #[test]
    fn a_bare_lambda_may_stand_before_a_document() {
        let split = |line| {
            let found = Tokens::Line(line).lambda_before_document().expect("well formed");
            found.map(|(lambda, document)| (lambda.text, document))
        };
        let pair = |lambda: &str, json: &str| Some((lambda.to_string(), json.to_string()));
        let line = r#"lambda d: d == {"a": 1} {"b": {"c": 2}}"#;
        assert_eq!(split(line), pair(r#"lambda d: d == {"a": 1}"#, r#"{"b": {"c": 2}}"#));
        assert_eq!(split("lambda d: True {}"), pair("lambda d: True", "{}"));
        assert_eq!(split("lambda d: True"), None);
        assert_eq!(split("'lambda d: True' {}"), None);
        assert_eq!(split("lambda d: {1: 2} {a: 1}"), None);
    }

    #[test]
    fn the_rest_keeps_its_spaces() {
        let mut tokens = Tokens::Line(r#"insert  {"a":  "x   y"}  "#);
        tokens.word().expect("a word");
        assert_eq!(tokens.rest(), Some(r#"{"a":  "x   y"}"#));
        assert_eq!(tokens.rest(), None);
    }

    #[test]
    fn a_document_may_stand_in_single_quotes_on_a_line() {
        assert_eq!(Tokens::Line("'{\"a\": 1}'").document(), Some("{\"a\": 1}"));
        let arguments = ["'{}'".to_string()];
        assert_eq!(Tokens::Arguments(&arguments).document(), Some("'{}'"));
    }

    #[test]
    fn a_file_may_have_spaces() {
        assert_eq!(Tokens::Line(" my films.ndjson ").file(), Some("my films.ndjson"));
        assert_eq!(Tokens::Line("\"my films\"").file(), Some("my films"));
        assert_eq!(Tokens::Line("-").file(), Some("-"));
    }

    #[test]
    fn arguments_are_taken_as_written() {
        let arguments = ["'quoted'".to_string(), String::new(), "  a  ".to_string()];
        let mut tokens = Tokens::Arguments(&arguments);
        assert_eq!(tokens.word().expect("a word"), Some("'quoted'"));
        assert_eq!(tokens.word().expect("a word"), Some(""));
        let lambda = tokens.lambda().expect("a lambda").expect("one is left");
        assert_eq!((lambda.text.as_str(), lambda.bare), ("  a  ", false));
        assert!(tokens.is_empty());
    }

    #[test]
    fn an_array_ends_where_its_brackets_do() {
        let mut tokens = Tokens::Line(r#" ["a ] b", ["c", "d"]] shards=2"#);
        assert_eq!(tokens.array().expect("valid").expect("there").len(), 2);
        assert_eq!(tokens.word().expect("a word"), Some("shards=2"));
        assert!(Tokens::Line("[\"a\"").array().is_err());
        assert!(Tokens::Line("films").array().expect("no array").is_none());
    }

    #[test]
    fn a_trailing_option_is_not_taken_out_of_a_document() {
        let mut tokens = Tokens::Line(r#" {"a": 1} if_version=3 "#);
        assert_eq!(tokens.trailing_option("if_version"), Some("3"));
        assert_eq!(tokens.rest(), Some(r#"{"a": 1}"#));
        let mut tokens = Tokens::Line(r#"{"a": "x if_version=3"}"#);
        assert_eq!(tokens.trailing_option("if_version"), None);
    }
}
