//! Where a command ends when a person types or pastes several lines.
//!
//! In a script a command is a line. In the shell a document may be pasted in its pretty form, so a
//! command goes on over line ends while it is one of `insert`, `update` and `replace` and its JSON
//! object is not closed yet. [`split`] cuts a pasted text into commands by that rule, and
//! [`is_open`] tells the line editor to wait for more.
//!
//! Left out: any judgement of the JSON beyond brackets and strings, which is the database's.

/// Commands that take a document, and how many words stand before it.
const WITH_DOCUMENT: [(&str, usize); 3] = [("insert", 1), ("update", 2), ("replace", 2)];

/// Whether `text` is a command whose document is not closed yet.
pub(crate) fn is_open(text: &str) -> bool {
    document(text).is_some_and(|json| !is_closed(json))
}

/// Cuts `text` into commands; an unfinished one at the end is returned as it is.
pub(crate) fn split(text: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut current = String::new();
    for line in text.split('\n') {
        if !current.is_empty() {
            current.push('\n');
        }
        current.push_str(line);
        if !is_open(&current) {
            commands.push(std::mem::take(&mut current));
        }
    }
    if !current.is_empty() {
        commands.push(current);
    }
    commands.retain(|command| !command.trim_ascii().is_empty());
    commands
}

/// The part of a command that starts at its document's `{`, if it has one.
fn document(text: &str) -> Option<&str> {
    let mut rest = text.trim_ascii_start();
    let name = rest.split_ascii_whitespace().next()?;
    let (_, words) = WITH_DOCUMENT.iter().find(|(command, _)| *command == name)?;
    for _ in 0..*words {
        let end = rest.find(|c: char| c.is_ascii_whitespace())?;
        rest = rest[end..].trim_ascii_start();
    }
    let json = rest.strip_prefix('\'').unwrap_or(rest);
    json.starts_with('{').then_some(json)
}

/// Whether the brackets of `json`, those inside strings not counted, are balanced.
fn is_closed(json: &str) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_i64, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth -= 1,
            _ => {}
        }
        if depth <= 0 && !in_string {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    //! Proves that a pasted document stays one command and that other lines are commands of their
    //! own.

    use super::{is_open, split};

    #[test]
    fn a_document_may_span_lines() {
        assert!(is_open("insert {\"a\": ["));
        assert!(is_open("insert {\"a\": \"}"));
        assert!(is_open("update a1 {"));
        for closed in
            ["insert {}", "insert {\"a\": \"{\"}", "insert", "insert x", "update {", "count {"]
        {
            assert!(!is_open(closed), "{closed}");
        }
        assert!(!is_open(r#"insert {"a": "\"}"}"#));
    }

    #[test]
    fn a_paste_is_cut_into_commands() {
        let pasted =
            "use films\n\ninsert {\n  \"a\": 1\n}\ncount lambda d: d[\"a\"] == 1\nread x\n";
        assert_eq!(
            split(pasted),
            ["use films", "insert {\n  \"a\": 1\n}", "count lambda d: d[\"a\"] == 1", "read x"]
        );
        assert_eq!(split("insert {\n\"a\""), ["insert {\n\"a\""]);
        assert!(split(" \n").is_empty());
    }
}
