//! Forms for people: tables and sizes.
//!
//! Left out: documents as rows (`rows`).

use std::fmt::Write as _;

/// Lays out rows under a head, columns two spaces apart; columns of numbers stand to the right.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let columns = 0..head.len();
    let cell = |row: &[String], column: usize| row.get(column).cloned().unwrap_or_default();
    let widths: Vec<usize> = columns
        .clone()
        .map(|column| {
            let widest = rows.iter().map(|row| cell(row, column).chars().count()).max();
            widest.unwrap_or(0).max(head[column].chars().count())
        })
        .collect();
    let right: Vec<bool> = columns
        .map(|column| {
            let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
            rows.iter().all(|row| is_number(&cell(row, column)))
        })
        .collect();
    let line = |cells: &[String]| {
        let mut line = String::new();
        for (column, width) in widths.iter().enumerate() {
            let gap = if column == 0 { "" } else { "  " };
            let text = cell(cells, column);
            // Writing to a String cannot fail.
            let _ = if right[column] {
                write!(line, "{gap}{text:>width$}")
            } else {
                write!(line, "{gap}{text:width$}")
            };
        }
        line.truncate(line.trim_end().len());
        line
    };
    let head: Vec<String> = head.iter().map(ToString::to_string).collect();
    std::iter::once(line(&head))
        .chain(rows.iter().map(|row| line(row)))
        .collect::<Vec<_>>()
        .join("\n")
}

/// A number of bytes in the unit that suits it.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut scaled = bytes as f64;
    let mut unit = 0;
    while scaled >= 1024.0 && unit + 1 < UNITS.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{scaled:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    //! Proves that tables line up.

    use super::{bytes, table};

    #[test]
    fn columns_line_up() {
        let rows = [
            vec!["worker-1".to_string(), "alive".to_string(), "5".to_string()],
            vec!["w".to_string(), "dead".to_string(), "12345".to_string()],
        ];
        assert_eq!(
            table(&["worker", "status", "docs"], &rows),
            "worker    status   docs\nworker-1  alive       5\nw         dead    12345"
        );
        assert_eq!(table(&["a", "b"], &[]), "a  b");
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(u64::MAX), "16777216.0 TiB");
    }
}
