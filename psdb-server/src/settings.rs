//! What the process is to do: flags over environment over file over default, checked.
//!
//! Left out: settings that change while a node runs; there are none.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use psdb::client::parse_url;
use psdb::transport::message::WorkerTraits;
use psdb::{Address, validate_database_name};

use crate::args::{LogFormat, NodeArguments, RoleArguments, Values};
use crate::duration;
use crate::exit::Failure;

/// What kind of process this is, with what only that kind needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Master {
        peers: BTreeMap<String, Address>,
        join: bool,
        shards: u32,
        replicas: u32,
        replace_after: Duration,
    },
    Worker {
        masters: Vec<Address>,
        traits: WorkerTraits,
    },
    Dev {
        masters: u32,
        workers: u32,
        shards: u32,
        replicas: u32,
        replace_after: Duration,
    },
}

/// Everything a process needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) role: Role,
    pub(crate) node_id: String,
    pub(crate) listen: String,
    pub(crate) peer_listen: String,
    pub(crate) advertise: Option<String>,
    pub(crate) peer_advertise: Option<String>,
    /// Only a `dev` cluster may do without.
    pub(crate) data_dir: Option<PathBuf>,
    /// How many bytes of pages are kept in memory; a quarter of the memory without it.
    pub(crate) cache_bytes: Option<u64>,
    pub(crate) log_format: LogFormat,
    /// What to print instead of running.
    pub(crate) print: Option<String>,
}

impl Settings {
    /// Reads the file, completes and checks.
    ///
    /// # Errors
    ///
    /// Code 2 for what the command line lacks, 78 for what is wrong with the file or a value.
    pub(crate) fn resolve(arguments: RoleArguments) -> Result<Settings, Failure> {
        let (kind, arguments) = match arguments {
            RoleArguments::Master(arguments) => ("master", arguments),
            RoleArguments::Worker(arguments) => ("worker", arguments),
            RoleArguments::Dev(arguments) => ("dev", arguments),
        };
        let NodeArguments { config, print_config, values } = arguments;
        let file = config.as_deref().map(read_file).transpose()?.unwrap_or_default();
        let values = with_defaults(kind, values.over(file));
        let print = print_config.then(|| printed(&values)).transpose()?;
        let mut settings = match kind {
            "master" => master(values)?,
            "worker" => worker(values)?,
            _ => dev(values)?,
        };
        settings.print = print;
        Ok(settings)
    }
}

fn read_file(path: &Path) -> Result<Values, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::configuration(format!("could not read {}: {error}", path.display()))
    })?;
    toml::from_str(&text)
        .map_err(|error| Failure::configuration(format!("{}: {error}", path.display())))
}

/// Fills in the defaults of this kind of process, the only ones there are.
fn with_defaults(kind: &str, mut values: Values) -> Values {
    values.log_format.get_or_insert_default();
    if kind != "worker" {
        values.shards.get_or_insert(16);
        values.replicas.get_or_insert(3);
        values.replace_after.get_or_insert_with(|| "60s".to_owned());
    }
    if kind == "worker" {
        values.capacity.get_or_insert(1);
    }
    if kind == "dev" {
        values.node_id.get_or_insert_with(|| "dev".to_owned());
        values.masters.get_or_insert_with(|| vec!["3".to_owned()]);
        values.workers.get_or_insert(3);
        values.listen.get_or_insert_with(|| "127.0.0.1:50050".to_owned());
    }
    values
}

fn printed(values: &Values) -> Result<String, Failure> {
    toml::to_string(values)
        .map_err(|error| Failure::configuration(format!("cannot be printed: {error}")))
}

/// A value that this kind of process cannot do without.
fn needed<T>(value: Option<T>, flag: &str) -> Result<T, Failure> {
    value.ok_or_else(|| Failure::usage(format!("{flag} is missing")))
}

fn node(role: Role, values: Values) -> Result<Settings, Failure> {
    let node_id = needed(values.node_id, "--node-id")?;
    validate_database_name(&node_id).map_err(|_| {
        Failure::usage(format!("--node-id '{node_id}': 1 to 64 of A-Z a-z 0-9 _ -"))
    })?;
    let settings = Settings {
        role,
        node_id,
        listen: needed(values.listen, "--listen")?,
        peer_listen: needed(values.peer_listen, "--peer-listen")?,
        advertise: values.advertise,
        peer_advertise: values.peer_advertise,
        data_dir: Some(needed(values.data_dir, "--data-dir")?),
        cache_bytes: values.cache_bytes,
        log_format: values.log_format.unwrap_or_default(),
        print: None,
    };
    reachable(&settings.listen, settings.advertise.as_deref(), "--listen", "--advertise")?;
    let (listen, advertise) = (&settings.peer_listen, settings.peer_advertise.as_deref());
    reachable(listen, advertise, "--peer-listen", "--peer-advertise")?;
    Ok(settings)
}

fn master(mut values: Values) -> Result<Settings, Failure> {
    let shards = needed(values.shards, "--shards")?;
    let replicas = needed(values.replicas, "--replicas")?;
    if shards == 0 || replicas == 0 {
        return Err(Failure::usage("--shards and --replicas must be at least 1"));
    }
    let join = values.join.unwrap_or(false);
    let peers = parse_peers(&values.peers.take().unwrap_or_default())?;
    let replace_after = replace_after(&values)?;
    let role = Role::Master { peers: peers.clone(), join, shards, replicas, replace_after };
    let settings = node(role, values)?;
    if join && peers.len() < 2 {
        return Err(Failure::usage("--join needs --peers with the masters of the cluster"));
    }
    if !peers.is_empty() && !peers.contains_key(&settings.node_id) {
        let id = &settings.node_id;
        return Err(Failure::usage(format!("--peers names all masters, '{id}' included")));
    }
    Ok(settings)
}

fn worker(mut values: Values) -> Result<Settings, Failure> {
    let list = needed(values.masters.take(), "--masters")?.join(",");
    let masters =
        parse_url(&list).map_err(|error| Failure::usage(format!("--masters: {error}")))?;
    let capacity = needed(values.capacity, "--capacity")?;
    if capacity == 0 {
        return Err(Failure::usage("--capacity must be at least 1"));
    }
    let traits = WorkerTraits { zone: values.zone.take(), capacity };
    node(Role::Worker { masters, traits }, values)
}

fn replace_after(values: &Values) -> Result<Duration, Failure> {
    let text = needed(values.replace_after.as_deref(), "--replace-after")?;
    duration::parse(text).map_err(|wrong| Failure::usage(format!("--replace-after {wrong}")))
}

fn dev(values: Values) -> Result<Settings, Failure> {
    let replace_after = replace_after(&values)?;
    let masters = values.masters.unwrap_or_default().join(",");
    let masters = masters
        .parse()
        .map_err(|_| Failure::usage(format!("--masters '{masters}': how many, for dev")))?;
    let workers = needed(values.workers, "--workers")?;
    let shards = needed(values.shards, "--shards")?;
    let replicas = needed(values.replicas, "--replicas")?;
    let replicas = replicas.min(workers);
    Ok(Settings {
        role: Role::Dev { masters, workers, shards, replicas, replace_after },
        node_id: needed(values.node_id, "--node-id")?,
        listen: needed(values.listen, "--listen")?,
        peer_listen: String::new(),
        advertise: values.advertise,
        peer_advertise: None,
        data_dir: values.data_dir,
        cache_bytes: values.cache_bytes,
        log_format: values.log_format.unwrap_or_default(),
        print: None,
    })
}

fn parse_peers(peers: &[String]) -> Result<BTreeMap<String, Address>, Failure> {
    let mut found = BTreeMap::new();
    for peer in peers {
        let wrong = |what: &str| Failure::usage(format!("--peers '{peer}': {what}"));
        let (id, address) = peer.split_once('=').ok_or_else(|| wrong("write ID=HOST:PORT"))?;
        let addresses = parse_url(address).map_err(|error| wrong(&error.to_string()))?;
        validate_database_name(id).map_err(|_| wrong("an ID is 1 to 64 of A-Z a-z 0-9 _ -"))?;
        for address in addresses {
            if found.insert(id.to_owned(), address).is_some() {
                return Err(wrong("that ID is there twice"));
            }
        }
    }
    Ok(found)
}

/// An address to listen on that covers all interfaces is none that others could connect to.
fn reachable(
    listen: &str,
    advertise: Option<&str>,
    flag: &str,
    other: &str,
) -> Result<(), Failure> {
    let everywhere = ["0.0.0.0:", "[::]:"].iter().any(|prefix| listen.starts_with(prefix));
    match advertise {
        Some(address) => parse_url(address)
            .map(|_| ())
            .map_err(|error| Failure::usage(format!("{other}: {error}"))),
        None if everywhere => Err(Failure::usage(format!(
            "{flag} {listen} is no address that others could connect to; give one with {other}"
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    //! Proves that the sources of settings come in the order promised, and that slips are named.

    use clap::Parser as _;

    use super::*;
    use crate::args::Arguments;

    fn resolve(line: &str) -> Result<Settings, Failure> {
        let words = std::iter::once("psdb-server").chain(line.split_whitespace());
        Settings::resolve(Arguments::try_parse_from(words).expect(line).role)
    }

    #[test]
    fn flags_win_over_the_file() {
        let directory = tempfile::tempdir().expect("a directory for the test");
        let file = directory.path().join("psdb.toml");
        let text = "node-id = \"m9\"\nlisten = \"127.0.0.1:1\"\npeer-listen = \"127.0.0.1:2\"\n\
                    data-dir = \"d\"\nshards = 4\nreplace-after = \"2m\"\n";
        std::fs::write(&file, text).expect("the file can be written");
        let settings = resolve(&format!("master --node-id m1 --config {}", file.display()));
        let settings = settings.expect("it is complete");
        assert_eq!((settings.node_id.as_str(), settings.listen.as_str()), ("m1", "127.0.0.1:1"));
        assert_eq!(
            settings.role,
            Role::Master {
                peers: BTreeMap::new(),
                join: false,
                shards: 4,
                replicas: 3,
                replace_after: Duration::from_mins(2),
            }
        );
    }

    #[test]
    fn slips_are_named() {
        let node = "--node-id a --listen 127.0.0.1:0 --peer-listen 127.0.0.1:0 --data-dir d";
        for (line, said) in [
            ("worker --listen a:1".to_owned(), "--masters is missing"),
            (format!("worker {node} --masters nonsense"), "'nonsense' has no port"),
            (format!("master {node} --peers b=h:1"), "'a' included"),
            (format!("master {node} --peers b"), "write ID=HOST:PORT"),
            (format!("master {node} --shards 0"), "at least 1"),
            (format!("master {node} --join"), "--join needs --peers"),
            (format!("master {node} --replace-after 60"), "--replace-after '60' is no duration"),
            ("dev --replace-after soon".to_owned(), "'soon' is no duration"),
            (
                node.replace("127.0.0.1:0 --data", "0.0.0.0:1 --data").replacen("", "master ", 1),
                "--peer-advertise",
            ),
            ("dev --masters x".to_owned(), "how many"),
        ] {
            let failure = resolve(&line).expect_err(&line);
            assert_eq!(failure.code, 2, "{line}");
            assert!(failure.message.contains(said), "{line}: {}", failure.message);
        }
    }
}
