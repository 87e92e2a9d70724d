//! `lock acquire`, `lock renew`, `lock release` and `lock list`.
//!
//! A lease outlives the command: whoever acquired the lock keeps the token and renews or releases
//! with it, from whatever process.
//!
//! Left out: what makes a lock safe, which is the token, checked by what the lock protects.

use psdb::transport::message::{LockInfo, LockLease};

use super::{Done, Runner};
use crate::command::Lock;
use crate::output::Json;
use crate::output::simple::table;

impl Runner {
    pub(super) async fn lock(&mut self, lock: &Lock) -> Done {
        match lock {
            Lock::Acquire { name, ttl, wait } => {
                let lease = self.backend.acquire_lock(name, *ttl, *wait).await?;
                self.lease_answer(name, "acquired", lease)
            }
            Lock::Renew { name, token, ttl } => {
                let lease = self.backend.renew_lock(name, *token, *ttl).await?;
                self.lease_answer(name, "renewed", lease)
            }
            Lock::Release { name, token } => {
                self.backend.release_lock(name, *token).await?;
                let text = format!("Lock '{name}' released");
                self.output.answer("lock", &text, vec![("lock", Json::text(name))])
            }
            Lock::List => {
                let locks = self.backend.list_locks().await?;
                let rows: Vec<_> = locks.iter().map(row).collect();
                let text = table(&["lock", "token", "holder", "expires_at", "waiting"], &rows);
                let objects = locks.iter().map(object).collect();
                self.output.answer("lock", &text, vec![("locks", Json::List(objects))])
            }
        }
    }

    fn lease_answer(&mut self, name: &str, done: &str, lease: LockLease) -> Done {
        let text = format!("Lock '{name}' {done}, token {}", lease.token);
        let fields = vec![
            ("lock", Json::text(name)),
            ("token", lease.token.into()),
            ("expires_at", Json::text(lease.expires_at.to_string())),
        ];
        self.output.answer("lock", &text, fields)
    }
}

fn row(lock: &LockInfo) -> Vec<String> {
    vec![
        lock.name.clone(),
        lock.token.to_string(),
        lock.holder.clone(),
        lock.expires_at.to_string(),
        lock.waiting.to_string(),
    ]
}

fn object(lock: &LockInfo) -> Json {
    Json::Object(vec![
        ("name", Json::text(&lock.name)),
        ("token", lock.token.into()),
        ("holder", Json::text(&lock.holder)),
        ("granted_at", Json::text(lock.granted_at.to_string())),
        ("expires_at", Json::text(lock.expires_at.to_string())),
        ("waiting", lock.waiting.into()),
    ])
}
