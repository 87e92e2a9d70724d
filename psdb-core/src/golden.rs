//! Golden scripts: commands, a line `---`, and the output that was reviewed and found right.
//!
//! ```text
//! # A leaf that is full splits in the middle.
//! order 4
//! insert 1 2 3 4 5
//! ---
//! [3] (1 2) (3 4 5)
//! ```
//!
//! Lines that are empty or begin with `#` are no commands. Every file is one run from a fresh
//! start and shows one behaviour. With `PSDB_UPDATE_SCRIPTS=1` the tests write what came out into
//! the files instead of comparing; review that diff as you would review code.
//!
//! Left out: what commands mean; each test brings its own interpreter.

use std::fs;
use std::path::Path;

/// Runs every script in `folder`, a path below `src`; `run` turns commands into output.
pub(crate) fn run_scripts(folder: &str, run: impl Fn(&[&str]) -> String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder);
    let mut paths: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("the folder can be listed").path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} holds no scripts", folder.display());
    for path in paths {
        let text = fs::read_to_string(&path).expect("a script is UTF-8");
        let (script, expected) = text
            .split_once("---\n")
            .unwrap_or_else(|| panic!("{} has no line ---", path.display()));
        let commands: Vec<_> =
            script.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        let output = run(&commands);
        if std::env::var_os("PSDB_UPDATE_SCRIPTS").is_some() {
            fs::write(&path, format!("{script}---\n{output}")).expect("a script can be written");
        } else {
            assert_eq!(output, expected, "{}", path.display());
        }
    }
}
