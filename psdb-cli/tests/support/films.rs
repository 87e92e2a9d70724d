//! The films that imports are tested with.
//!
//! The real file is used where it lies beside the repository; elsewhere a generated one of as many
//! documents and about as many bytes takes its place.

use std::fmt::Write as _;
use std::path::PathBuf;

/// How many films there are.
pub(crate) const COUNT: usize = 3_201;

/// A file with a film a line, and the directory that holds it if it was generated.
pub(crate) struct Films {
    pub(crate) path: String,
    generated: Option<tempfile::TempDir>,
}

impl Films {
    /// Whether these are the real films.
    pub(crate) fn is_real(&self) -> bool {
        self.generated.is_none()
    }
}

/// The films.
pub(crate) fn films() -> Films {
    let real = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/movies.ndjson");
    if real.exists() {
        return Films { path: text(&real), generated: None };
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("films.ndjson");
    std::fs::write(&path, generated()).expect("a file");
    Films { path: text(&path), generated: Some(directory) }
}

fn text(path: &std::path::Path) -> String {
    path.to_str().expect("a UTF-8 path").to_owned()
}

fn generated() -> String {
    let mut lines = String::new();
    for n in 0..COUNT {
        // Writing to a String cannot fail.
        let _ = writeln!(
            lines,
            r#"{{"Title": "Film {n}", "Director": "Director {}", "IMDB Rating": {}.{}, "Release Date": "{}", "Plot": "{}"}}"#,
            n % 550,
            n % 9,
            n % 10,
            1_950 + n % 60,
            "x".repeat(n % 600),
        );
    }
    lines
}
