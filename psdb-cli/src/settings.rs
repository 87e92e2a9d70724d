//! What a run of `psdb` does, decided once from flags, environment and terminal.
//!
//! Precedence: flag, then environment, then default. An empty environment variable counts as
//! unset. [`Settings::resolve`] is pure: it gets the environment as a function and the terminal as
//! facts, so every rule is tested without a process.
//!
//! Left out: `psdb.toml`, which only `psdb-server` reads.

use std::path::PathBuf;
use std::time::Duration;

use crate::args::{Action, Arguments, Dev, DevAction, When};
use crate::failure::Failure;

/// How answers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    Simple,
    /// One object a command, failures too.
    Json,
    /// Documents one a line; other answers as with `Json`; failures on standard error.
    Ndjson,
    /// Columns under a head.
    Table,
    /// RFC 4180, with a head.
    Csv,
}

/// Where the database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Embedded, gone at the end.
    Memory,
    /// Embedded, kept in a directory.
    Directory(PathBuf),
    /// A whole cluster in this process.
    Dev(DevCluster),
    /// A running cluster, by the addresses of some of its nodes.
    Remote(String),
}

/// The cluster of `psdb dev`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DevCluster {
    pub(crate) masters: u32,
    pub(crate) workers: u32,
    /// As many as there are workers, but at most 3, without one.
    pub(crate) replicas: Option<u32>,
    pub(crate) shards: u32,
    pub(crate) seed: Option<u64>,
    pub(crate) data_dir: Option<PathBuf>,
}

/// Where commands come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// One command, given as arguments.
    Command(Vec<String>),
    /// A file with a command a line.
    File(PathBuf),
    /// Standard input, read as a script.
    Pipe,
    /// A person.
    Terminal,
}

/// Which of the standard streams are terminals.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terminal {
    pub(crate) stdin: bool,
    pub(crate) stdout: bool,
    pub(crate) stderr: bool,
}

/// All decisions of one run.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) place: Place,
    pub(crate) input: Input,
    pub(crate) database: Option<String>,
    pub(crate) format: Format,
    pub(crate) keep_going: bool,
    pub(crate) timeout: Option<Duration>,
    pub(crate) yes: bool,
    pub(crate) quiet: bool,
    pub(crate) verbose: bool,
    /// Colour standard error.
    pub(crate) color: bool,
    /// Show progress that overwrites itself.
    pub(crate) progress: bool,
    /// Ask before deleting.
    pub(crate) ask: bool,
}

impl Settings {
    /// Decides everything.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] for a value that makes no sense or is not available yet.
    pub(crate) fn resolve(
        arguments: Arguments,
        environment: impl Fn(&str) -> Option<String>,
        terminal: Terminal,
    ) -> Result<Settings, Failure> {
        let environment = |name: &str| environment(name).filter(|value| !value.is_empty());
        let Arguments { common, masters, action } = arguments;
        let (dev, command) = match action {
            Some(Action::Command(words)) => (None, Some(words)),
            Some(Action::Dev(mut dev)) => {
                let command = dev.action.take().map(|DevAction::Command(words)| words);
                (Some(dev), command)
            }
            None => (None, None),
        };
        let place = place(dev, masters, common.data_dir, &environment)?;
        let input = input(command, common.file, terminal)?;
        let format = match common.output.or_else(|| environment("PSDB_OUTPUT")) {
            Some(name) => format(&name)?,
            None if terminal.stdout => Format::Simple,
            None => Format::Ndjson,
        };
        let interactive = matches!(input, Input::Terminal | Input::Command(_));
        Ok(Settings {
            place,
            database: common.database.or_else(|| environment("PSDB_DATABASE")),
            format,
            keep_going: common.keep_going,
            timeout: common.timeout.as_deref().map(duration).transpose()?,
            yes: common.yes,
            quiet: common.quiet,
            verbose: common.verbose,
            color: match common.color {
                When::Always => true,
                When::Never => false,
                When::Auto => terminal.stderr && environment("NO_COLOR").is_none(),
            },
            progress: terminal.stderr && !common.quiet && !common.verbose,
            ask: interactive && terminal.stdin && terminal.stderr,
            input,
        })
    }
}

fn place(
    dev: Option<Dev>,
    masters: Option<String>,
    data_dir: Option<PathBuf>,
    environment: &impl Fn(&str) -> Option<String>,
) -> Result<Place, Failure> {
    if let Some(dev) = dev {
        if masters.is_some() {
            return Err(Failure::usage("put --masters after 'dev': psdb dev --masters 3"));
        }
        let Dev { masters, workers, replicas, shards, seed, action: _ } = dev;
        let cluster = DevCluster { masters, workers, replicas, shards, seed, data_dir };
        return Ok(Place::Dev(cluster));
    }
    // A flag wins over the environment, whichever of the two places it names.
    let masters = match data_dir {
        Some(directory) => return Ok(Place::Directory(directory)),
        None => masters.or_else(|| environment("PSDB_MASTERS")),
    };
    if let Some(addresses) = masters {
        return Ok(Place::Remote(addresses));
    }
    Ok(match environment("PSDB_DATA_DIR") {
        Some(directory) => Place::Directory(directory.into()),
        None => Place::Memory,
    })
}

fn input(
    command: Option<Vec<String>>,
    file: Option<PathBuf>,
    terminal: Terminal,
) -> Result<Input, Failure> {
    match (command, file) {
        (Some(_), Some(_)) => Err(Failure::usage("give either a command or --file, not both")),
        (Some(words), None) => Ok(Input::Command(words)),
        (None, Some(file)) if file.as_os_str() == "-" => Ok(Input::Pipe),
        (None, Some(file)) => Ok(Input::File(file)),
        (None, None) if terminal.stdin => Ok(Input::Terminal),
        (None, None) => Ok(Input::Pipe),
    }
}

fn format(name: &str) -> Result<Format, Failure> {
    match name {
        "simple" => Ok(Format::Simple),
        "json" => Ok(Format::Json),
        "ndjson" => Ok(Format::Ndjson),
        "table" => Ok(Format::Table),
        "csv" => Ok(Format::Csv),
        _ => Err(Failure::usage(format!(
            "unknown output format '{name}'; there are simple, table, json, ndjson and csv"
        ))),
    }
}

/// Reads `500ms`, `5s`, `2m` or `1h`; a bare number is seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, Failure> {
    let wrong = || {
        Failure::usage(format!("'{text}' is no duration; write 500ms, 5s, 2m or 1h, more than 0"))
    };
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let millis_per_unit = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    match number.checked_mul(millis_per_unit) {
        // Longer than a year is a slip of the finger, and timers would overflow on far more.
        Some(millis @ 1..=31_536_000_000) => Ok(Duration::from_millis(millis)),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    //! Proves which of flag, environment and default wins, and that every value is checked.

    use std::path::PathBuf;
    use std::time::Duration;

    use clap::Parser;

    use super::{Format, Input, Place, Settings, Terminal, duration};
    use crate::args::Arguments;
    use crate::failure::Failure;

    const PIPED: Terminal = Terminal { stdin: false, stdout: false, stderr: false };
    const PERSON: Terminal = Terminal { stdin: true, stdout: true, stderr: true };

    fn resolve(
        words: &[&str],
        environment: &[(&str, &str)],
        terminal: Terminal,
    ) -> Result<Settings, Failure> {
        let words = std::iter::once("psdb").chain(words.iter().copied());
        let arguments = Arguments::try_parse_from(words).expect("well-formed arguments");
        let get = |name: &str| {
            environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_string())
        };
        Settings::resolve(arguments, get, terminal)
    }

    fn settings(words: &[&str], environment: &[(&str, &str)]) -> Settings {
        resolve(words, environment, PIPED).expect("valid settings")
    }

    #[test]
    fn flags_win_over_the_environment() {
        let environment =
            [("PSDB_DATA_DIR", "env"), ("PSDB_DATABASE", "env"), ("PSDB_OUTPUT", "json")];
        let by_environment = settings(&[], &environment);
        assert_eq!(by_environment.place, Place::Directory("env".into()));
        assert_eq!(by_environment.database.as_deref(), Some("env"));
        assert_eq!(by_environment.format, Format::Json);
        let by_flag = settings(&["--data-dir", "f", "-d", "f", "-o", "simple"], &environment);
        assert_eq!(by_flag.place, Place::Directory("f".into()));
        assert_eq!(by_flag.database.as_deref(), Some("f"));
        assert_eq!(by_flag.format, Format::Simple);
        let empty = settings(&[], &[("PSDB_DATA_DIR", ""), ("PSDB_OUTPUT", "")]);
        assert_eq!((empty.place, empty.format), (Place::Memory, Format::Ndjson));
    }

    #[test]
    fn masters_name_a_running_cluster() {
        for (words, environment) in
            [(&["--masters", "a:1"][..], &[][..]), (&[][..], &[("PSDB_MASTERS", "a:1")][..])]
        {
            assert_eq!(settings(words, environment).place, Place::Remote("a:1".into()));
        }
        let flag = settings(&["--data-dir", "d"], &[("PSDB_MASTERS", "a:1")]);
        assert_eq!(flag.place, Place::Directory("d".into()));
        assert!(resolve(&["--masters", "a:1", "dev"], &[], PIPED).is_err());
    }

    #[test]
    fn the_terminal_decides_form_and_input() {
        let person = resolve(&[], &[], PERSON).expect("valid");
        assert_eq!((person.format, &person.input), (Format::Simple, &Input::Terminal));
        assert!(person.ask && person.color && person.progress);
        let pipe = settings(&[], &[]);
        assert_eq!((pipe.format, pipe.input), (Format::Ndjson, Input::Pipe));
        assert!(!pipe.ask && !pipe.color);
        let plain = resolve(&[], &[("NO_COLOR", "1")], PERSON).expect("valid");
        assert!(!plain.color);
        let script = resolve(&["-f", "x"], &[], PERSON).expect("valid");
        assert_eq!(script.input, Input::File(PathBuf::from("x")));
        assert!(!script.ask, "a script is not asked");
        assert_eq!(resolve(&["-f", "-"], &[], PERSON).expect("valid").input, Input::Pipe);
        assert!(resolve(&["-f", "x", "list"], &[], PERSON).is_err());
    }

    #[test]
    fn formats_are_checked() {
        for (name, format) in [("table", Format::Table), ("csv", Format::Csv)] {
            assert_eq!(settings(&["-o", name], &[]).format, format);
        }
        for name in ["xml", "JSON", ""] {
            let failure = resolve(&["-o", name], &[], PIPED).expect_err("not supported");
            assert!(failure.message().contains("simple, table, json, ndjson and csv"));
        }
    }

    #[test]
    fn durations() {
        for (text, millis) in [("500ms", 500), ("5s", 5_000), ("5", 5_000), ("2m", 120_000)] {
            assert_eq!(duration(text).expect(text), Duration::from_millis(millis));
        }
        for text in ["", "0", "s", "-1s", "1.5s", "5 s", "99999999999999999999s", "9999999h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn dev_describes_a_cluster() {
        let dev =
            settings(&["dev", "--workers", "4", "--data-dir", "d"], &[("PSDB_DATA_DIR", "e")]);
        let Place::Dev(cluster) = dev.place else { panic!("a dev cluster") };
        assert_eq!((cluster.masters, cluster.workers), (3, 4));
        assert_eq!(cluster.data_dir, Some(PathBuf::from("d")));
        let Place::Dev(cluster) = settings(&["dev"], &[("PSDB_DATA_DIR", "e")]).place else {
            panic!("a dev cluster")
        };
        assert_eq!(cluster.data_dir, None, "the variable means the embedded database");
    }
}
