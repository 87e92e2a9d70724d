//! The command line of `psdb`.
//!
//! Only the form lives here; `settings` adds the environment and decides what wins. Options stand
//! before the command, and everything from the command's first word on belongs to the command,
//! taken as written. `dev` alone is a subcommand with options of its own.
//!
//! Left out: `psdb.toml`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// The shell and one-shot client of PSDB, a sharded, replicated document database.
#[derive(Debug, Parser)]
#[command(
    name = "psdb",
    version,
    disable_help_subcommand = true,
    override_usage = "psdb [OPTIONS] [COMMAND ...]\n       psdb dev [OPTIONS]",
    after_help = after_help(),
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Connect to a running cluster, any node of it will do [env: PSDB_MASTERS]
    #[arg(long, value_name = "HOST:PORT,...", conflicts_with = "data_dir")]
    pub(crate) masters: Option<String>,
    #[command(subcommand)]
    pub(crate) action: Option<Action>,
}

/// What stands after the options.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// The same shell on a whole cluster in this process, with commands to break it
    Dev(Dev),
    /// One command of the shell.
    #[command(external_subcommand)]
    Command(Vec<String>),
}

/// Options that the shell has everywhere.
#[derive(Clone, Debug, Args)]
pub(crate) struct Common {
    /// Keep the database in DIR; without it, it is temporary [env: PSDB_DATA_DIR]
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) data_dir: Option<PathBuf>,
    /// Start as after `use NAME` [env: PSDB_DATABASE]
    #[arg(short, long, value_name = "NAME", global = true)]
    pub(crate) database: Option<String>,
    /// Run the commands in FILE ('-': standard input), one a line, '#' comments
    #[arg(short, long, value_name = "FILE", global = true)]
    pub(crate) file: Option<PathBuf>,
    /// simple | table | json | ndjson | csv; by default simple on a terminal, ndjson on a pipe [env: PSDB_OUTPUT]
    #[arg(short, long, value_name = "FORMAT", global = true)]
    pub(crate) output: Option<String>,
    /// After a failed command go on with the next; the exit code is still the first failure's
    #[arg(long, global = true)]
    pub(crate) keep_going: bool,
    /// How long one request may take, such as 500ms, 5s or 2m
    #[arg(long, value_name = "DURATION", global = true)]
    pub(crate) timeout: Option<String>,
    /// Do not ask before deleting
    #[arg(short, long, global = true)]
    pub(crate) yes: bool,
    /// No notices and no progress on standard error
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say more on standard error, such as every acknowledged batch of an import
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    /// Colours on standard error; by default on a terminal, unless NO_COLOR is set
    #[arg(
        long,
        value_name = "WHEN",
        hide_default_value = true,
        default_value = "auto",
        global = true
    )]
    pub(crate) color: When,
}

/// Options of `psdb dev`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Dev {
    /// How many masters
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    pub(crate) masters: u32,
    /// How many workers
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    pub(crate) workers: u32,
    /// On how many workers each shard is replicated; 3, or all workers if there are fewer
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=99))]
    pub(crate) replicas: Option<u32>,
    /// How many shards the cluster has for ever
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) shards: u32,
    /// Seed of the cluster's randomness, faults included
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    #[command(subcommand)]
    pub(crate) action: Option<DevAction>,
}

/// What stands after the options of `dev`.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum DevAction {
    /// One command of the shell.
    #[command(external_subcommand)]
    Command(Vec<String>),
}

/// Whether to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    Auto,
    Always,
    Never,
}

fn after_help() -> String {
    format!(
        "Commands; without one, a shell on a terminal and a script on a pipe:\n{}\n\n\
         On a data directory that no node has open:\n  check [--repair] DIR         find damage, and \
         mend what can be mended\n  export --offline DIR [FILE]  write what can be read of -d NAME, a \
         document a line\n\n\
         Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 conflict, 5 unavailable, \
         6 not allowed, 65 damaged data, 130 interrupted.",
        crate::help::overview(false)
    )
}

#[cfg(test)]
mod tests {
    //! Proves that options and commands are told apart and that a command's words stay as written.

    use clap::{CommandFactory, Parser};

    use super::{Action, Arguments, DevAction};

    fn parse(words: &[&str]) -> Arguments {
        Arguments::try_parse_from(words).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_command_keeps_its_words() {
        let arguments = parse(&["psdb", "-d", "films", "read", "-x", "--yes", "  a "]);
        assert_eq!(arguments.common.database.as_deref(), Some("films"));
        let Some(Action::Command(words)) = arguments.action else { panic!("a command") };
        assert_eq!(words, ["read", "-x", "--yes", "  a "]);
    }

    #[test]
    fn no_command_is_the_shell() {
        assert!(parse(&["psdb", "-o", "json"]).action.is_none());
    }

    #[test]
    fn help_is_a_command_of_the_shell() {
        let Some(Action::Command(words)) = parse(&["psdb", "help", "query"]).action else {
            panic!("a command")
        };
        assert_eq!(words, ["help", "query"]);
    }

    #[test]
    fn dev_has_options_of_its_own() {
        let arguments =
            parse(&["psdb", "-o", "json", "dev", "--workers", "4", "-d", "x", "--seed", "7"]);
        assert_eq!(arguments.common.output.as_deref(), Some("json"));
        assert_eq!(arguments.common.database.as_deref(), Some("x"));
        let Some(Action::Dev(dev)) = arguments.action else { panic!("dev") };
        assert_eq!((dev.masters, dev.workers, dev.replicas, dev.shards), (3, 4, None, 16));
        assert_eq!(dev.seed, Some(7));
        let Some(Action::Dev(dev)) = parse(&["psdb", "dev", "status"]).action else {
            panic!("dev")
        };
        let Some(DevAction::Command(words)) = dev.action else { panic!("a command") };
        assert_eq!(words, ["status"]);
    }

    #[test]
    fn mistakes_are_refused() {
        for words in [
            &["psdb", "--nonsense"][..],
            &["psdb", "-q", "-v"],
            &["psdb", "--masters", "a:1", "--data-dir", "d"],
            &["psdb", "dev", "--masters", "0"],
            &["psdb", "--color", "sometimes"],
        ] {
            assert!(Arguments::try_parse_from(words).is_err(), "{words:?}");
        }
    }
}
