//! The rivals, each as its documentation says it should be used for durable writes.

use std::path::Path;
use std::sync::Mutex;

use redb::ReadableDatabase;

use crate::engine::{Engine, Entry, Reader};

const REDB_TABLE: redb::TableDefinition<'_, &[u8], &[u8]> = redb::TableDefinition::new("t");

pub struct Redb(redb::Database);

impl Redb {
    pub fn open(dir: &Path) -> Redb {
        let mut builder = redb::Builder::new();
        let db = builder.set_cache_size(crate::psdb::CACHE_BYTES).create(dir.join("db"));
        let db = Redb(db.expect("redb opens"));
        // So that readers find the table.
        db.put_batch(&[]);
        db
    }
}

impl Engine for Redb {
    fn put(&self, key: &[u8], value: &[u8]) {
        let txn = self.0.begin_write().expect("begin");
        txn.open_table(REDB_TABLE).expect("table").insert(key, value).expect("insert");
        txn.commit().expect("commit");
    }

    fn put_batch(&self, entries: &[Entry]) {
        self.load(&mut entries.iter().cloned());
    }

    fn load(&self, entries: &mut dyn Iterator<Item = Entry>) {
        let txn = self.0.begin_write().expect("begin");
        {
            let mut table = txn.open_table(REDB_TABLE).expect("table");
            for (key, value) in entries {
                table.insert(&key[..], &value[..]).expect("insert");
            }
        }
        txn.commit().expect("commit");
    }

    fn reader(&self) -> Box<dyn Reader + '_> {
        let txn = self.0.begin_read().expect("begin");
        Box::new(RedbReader(txn.open_table(REDB_TABLE).expect("table")))
    }
}

struct RedbReader(redb::ReadOnlyTable<&'static [u8], &'static [u8]>);

impl Reader for RedbReader {
    fn get(&mut self, key: &[u8]) -> Option<usize> {
        self.0.get(key).expect("get").map(|value| value.value().to_vec().len())
    }

    fn scan(&mut self, key: &[u8], count: usize) -> usize {
        let range = self.0.range::<&[u8]>(key..).expect("range");
        let length =
            |entry: Result<(redb::AccessGuard<'_, &[u8]>, redb::AccessGuard<'_, &[u8]>), _>| {
                let (key, value) = entry.map_err(|_: redb::StorageError| ()).expect("entry");
                key.value().len() + value.value().len()
            };
        range.take(count).map(length).sum()
    }
}

type Lmdb = heed::Database<heed::types::Bytes, heed::types::Bytes>;

pub struct Heed {
    env: heed::Env,
    db: Lmdb,
}

impl Heed {
    pub fn open(dir: &Path) -> Heed {
        let mut options = heed::EnvOpenOptions::new();
        options.map_size(8 << 30).max_readers(126);
        // SAFETY: the directory is ours alone and nobody changes the file behind the map.
        let env = unsafe { options.open(dir) }.expect("lmdb opens");
        let mut txn = env.write_txn().expect("begin");
        let db = env.create_database(&mut txn, None).expect("database");
        txn.commit().expect("commit");
        Heed { env, db }
    }
}

impl Engine for Heed {
    fn put(&self, key: &[u8], value: &[u8]) {
        let mut txn = self.env.write_txn().expect("begin");
        self.db.put(&mut txn, key, value).expect("put");
        txn.commit().expect("commit");
    }

    fn put_batch(&self, entries: &[Entry]) {
        self.load(&mut entries.iter().cloned());
    }

    fn load(&self, entries: &mut dyn Iterator<Item = Entry>) {
        let mut txn = self.env.write_txn().expect("begin");
        for (key, value) in entries {
            self.db.put(&mut txn, &key, &value).expect("put");
        }
        txn.commit().expect("commit");
    }

    fn reader(&self) -> Box<dyn Reader + '_> {
        let txn = self.env.read_txn().expect("begin");
        Box::new(HeedReader { txn, db: self.db })
    }
}

struct HeedReader<'e> {
    txn: heed::RoTxn<'e, heed::WithTls>,
    db: Lmdb,
}

impl Reader for HeedReader<'_> {
    fn get(&mut self, key: &[u8]) -> Option<usize> {
        self.db.get(&self.txn, key).expect("get").map(|value| value.to_vec().len())
    }

    fn scan(&mut self, key: &[u8], count: usize) -> usize {
        let from = (std::ops::Bound::Included(key), std::ops::Bound::Unbounded);
        let range = self.db.range(&self.txn, &from).expect("range");
        range.take(count).map(|entry| entry.expect("entry")).map(|(k, v)| k.len() + v.len()).sum()
    }
}

pub struct Fjall {
    db: fjall::Database,
    entries: fjall::Keyspace,
}

impl Fjall {
    pub fn open(dir: &Path) -> Fjall {
        let builder = fjall::Database::builder(dir).cache_size(crate::psdb::CACHE_BYTES as u64);
        let db = builder.open().expect("fjall opens");
        let entries = db.keyspace("t", fjall::KeyspaceCreateOptions::default).expect("keyspace");
        Fjall { db, entries }
    }

    fn sync(&self) {
        self.db.persist(fjall::PersistMode::SyncData).expect("sync");
    }
}

impl Engine for Fjall {
    fn put(&self, key: &[u8], value: &[u8]) {
        self.entries.insert(key, value).expect("insert");
        self.sync();
    }

    fn put_batch(&self, entries: &[Entry]) {
        let mut batch = self.db.batch();
        for (key, value) in entries {
            batch.insert(&self.entries, &key[..], &value[..]);
        }
        batch.commit().expect("commit");
        self.sync();
    }

    fn load(&self, entries: &mut dyn Iterator<Item = Entry>) {
        for (key, value) in entries {
            self.entries.insert(&key[..], &value[..]).expect("insert");
        }
        self.sync();
    }

    fn reader(&self) -> Box<dyn Reader + '_> {
        Box::new(FjallReader(&self.entries))
    }
}

struct FjallReader<'e>(&'e fjall::Keyspace);

impl Reader for FjallReader<'_> {
    fn get(&mut self, key: &[u8]) -> Option<usize> {
        self.0.get(key).expect("get").map(|value| value.to_vec().len())
    }

    fn scan(&mut self, key: &[u8], count: usize) -> usize {
        let range = self.0.range(key.to_vec()..);
        let entries = range.take(count).map(|guard| guard.into_inner().expect("entry"));
        entries.map(|(key, value)| key.len() + value.len()).sum()
    }
}

pub struct Sled(sled::Db);

impl Sled {
    pub fn open(dir: &Path) -> Sled {
        let config = sled::Config::new().path(dir.join("db"));
        let config = config.cache_capacity(crate::psdb::CACHE_BYTES as u64).flush_every_ms(None);
        Sled(config.open().expect("sled opens"))
    }
}

impl Engine for Sled {
    fn put(&self, key: &[u8], value: &[u8]) {
        self.0.insert(key, value).expect("insert");
        self.0.flush().expect("flush");
    }

    fn put_batch(&self, entries: &[Entry]) {
        let mut batch = sled::Batch::default();
        for (key, value) in entries {
            batch.insert(&key[..], &value[..]);
        }
        self.0.apply_batch(batch).expect("batch");
        self.0.flush().expect("flush");
    }

    fn load(&self, entries: &mut dyn Iterator<Item = Entry>) {
        for (key, value) in entries {
            self.0.insert(&key[..], &value[..]).expect("insert");
        }
        self.0.flush().expect("flush");
    }

    fn reader(&self) -> Box<dyn Reader + '_> {
        Box::new(SledReader(&self.0))
    }
}

struct SledReader<'e>(&'e sled::Db);

impl Reader for SledReader<'_> {
    fn get(&mut self, key: &[u8]) -> Option<usize> {
        self.0.get(key).expect("get").map(|value| value.to_vec().len())
    }

    fn scan(&mut self, key: &[u8], count: usize) -> usize {
        let range = self.0.range(key.to_vec()..).take(count).map(|entry| entry.expect("entry"));
        range.map(|(key, value)| key.len() + value.len()).sum()
    }
}

/// One connection for writing, and one for each reader.
pub struct Sqlite {
    path: std::path::PathBuf,
    writer: Mutex<rusqlite::Connection>,
}

impl Sqlite {
    pub fn open(dir: &Path) -> Sqlite {
        let path = dir.join("db");
        let writer = Mutex::new(Sqlite::connect(&path));
        let sqlite = Sqlite { path, writer };
        let create = "CREATE TABLE IF NOT EXISTS t (k BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID";
        sqlite.writer.lock().expect("no panics").execute(create, ()).expect("create");
        sqlite
    }

    fn connect(path: &Path) -> rusqlite::Connection {
        let connection = rusqlite::Connection::open(path).expect("sqlite opens");
        let cache = format!("-{}", crate::psdb::CACHE_BYTES >> 10);
        for (name, value) in
            [("journal_mode", "WAL"), ("synchronous", "FULL"), ("cache_size", &cache)]
        {
            connection.pragma_update(None, name, value).expect("pragma");
        }
        connection
    }
}

const SQLITE_PUT: &str = "INSERT OR REPLACE INTO t VALUES (?1, ?2)";

impl Engine for Sqlite {
    fn put(&self, key: &[u8], value: &[u8]) {
        let writer = self.writer.lock().expect("no panics");
        writer.prepare_cached(SQLITE_PUT).expect("prepare").execute((key, value)).expect("put");
    }

    fn put_batch(&self, entries: &[Entry]) {
        self.load(&mut entries.iter().cloned());
    }

    fn load(&self, entries: &mut dyn Iterator<Item = Entry>) {
        let mut writer = self.writer.lock().expect("no panics");
        let txn = writer.transaction().expect("begin");
        {
            let mut put = txn.prepare_cached(SQLITE_PUT).expect("prepare");
            for (key, value) in entries {
                put.execute((&key[..], &value[..])).expect("put");
            }
        }
        txn.commit().expect("commit");
    }

    fn reader(&self) -> Box<dyn Reader + '_> {
        let connection = Sqlite::connect(&self.path);
        connection.execute_batch("BEGIN").expect("begin");
        Box::new(SqliteReader(connection))
    }

    fn settle(&self) {
        let writer = self.writer.lock().expect("no panics");
        writer.pragma_update(None, "wal_checkpoint", "TRUNCATE").expect("checkpoint");
    }
}

struct SqliteReader(rusqlite::Connection);

impl Reader for SqliteReader {
    fn get(&mut self, key: &[u8]) -> Option<usize> {
        let mut statement = self.0.prepare_cached("SELECT v FROM t WHERE k = ?1").expect("prepare");
        let mut rows = statement.query((key,)).expect("get");
        let row = rows.next().expect("get")?;
        Some(row.get::<_, Vec<u8>>(0).expect("value").len())
    }

    fn scan(&mut self, key: &[u8], count: usize) -> usize {
        let query = "SELECT k, v FROM t WHERE k >= ?1 ORDER BY k LIMIT ?2";
        let mut statement = self.0.prepare_cached(query).expect("prepare");
        let mut rows = statement.query((key, count as i64)).expect("scan");
        let mut bytes = 0;
        while let Some(row) = rows.next().expect("entry") {
            for column in 0..2 {
                bytes += row.get_ref(column).expect("column").as_blob().expect("blob").len();
            }
        }
        bytes
    }
}
