//! Locks: leases that the masters give out in order, each with a fencing token.
//!
//! A claim that waits is asked for again and again under one request id; the masters hold each
//! request open until the lock is granted or the request's time is nearly over. The claim's place
//! is part of their metadata, so it survives their leader, and is lost when nobody asks for 15 s.
//!
//! Invariant: however often a claim is sent, it is one claim: it is granted at most once.
//!
//! Left out: leases that renew themselves. A program that hangs should lose its locks.

use std::time::Duration;

use super::Client;
use super::router::mismatched;
use crate::transport::message::{
    LockInfo, LockLease, LockRequest, LockResponse, MasterRequest, MasterResponse,
};
use crate::types::{
    Error, LogIndex, Outcome, RequestId, Result, Timestamp, validate_lock_holder,
    validate_lock_name, validate_lock_ttl, validate_lock_wait,
};

/// How long a lease lasts unless it is said otherwise.
const TTL: Duration = Duration::from_secs(30);

/// A lock by its name, and how to acquire it. Nothing is sent until something is asked.
///
/// Each acquire is a claim of its own: a client that holds a lock and acquires it again waits for
/// itself.
#[derive(Clone, Debug)]
pub struct Lock {
    client: Client,
    name: String,
    holder: Option<String>,
    ttl: Duration,
    wait: Duration,
}

impl Client {
    /// The lock called `name`: 1 to 256 of `A-Z a-z 0-9 _ - / . :`. It need not exist; a lock does
    /// while somebody holds it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use psdb_core::Cluster;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// let cluster = Cluster::memory().await?;
    /// let lock = cluster.client().lock("reports/nightly").ttl(Duration::from_secs(10));
    ///
    /// let mut guard = lock.acquire().await?;
    /// let busy = lock.acquire().await.expect_err("it is held, and would not wait");
    /// assert!(busy.is_conflict());
    ///
    /// // What the lock protects takes the token along, and refuses a smaller one than it has seen.
    /// let first = guard.token();
    /// guard.renew().await?;
    /// assert_eq!(guard.token(), first);
    /// guard.release().await?;
    ///
    /// let next = lock.wait(Duration::from_secs(5)).acquire().await?;
    /// assert!(next.token() > first);
    /// # Ok::<(), psdb_core::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lock(&self, name: &str) -> Lock {
        let (client, name) = (self.clone(), name.to_owned());
        Lock { client, name, holder: None, ttl: TTL, wait: Duration::ZERO }
    }

    /// Returns every lock that is held, by name: its token, holder, lease and queue.
    ///
    /// The answer is linearizable. A lease that has just ended may still be in it, until the
    /// masters note its end.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when no master answers in time.
    ///
    /// # Examples
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// let cluster = psdb_core::Cluster::memory().await?;
    /// let guard = cluster.client().lock("jobs").holder("importer").acquire().await?;
    /// let locks = cluster.client().locks().await?;
    /// assert_eq!((locks.len(), locks[0].token), (1, guard.token()));
    /// assert_eq!(locks[0].holder, "importer");
    /// # Ok::<(), psdb_core::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn locks(&self) -> Result<Vec<LockInfo>> {
        let deadline = self.router.deadline(self.timeout);
        match self.router.ask_masters(&MasterRequest::Lock(LockRequest::List), deadline).await? {
            MasterResponse::Lock(LockResponse::Locks(locks)) => Ok(locks),
            _ => Err(mismatched("the masters")),
        }
    }

    async fn change_lock(
        &self,
        request: impl Fn(RequestId) -> LockRequest,
    ) -> Result<LockResponse> {
        let deadline = self.router.deadline(self.timeout);
        let request = |id| MasterRequest::Lock(request(id));
        match self.router.change_masters(request, deadline, self.named).await? {
            MasterResponse::Lock(response) => Ok(response),
            _ => Err(mismatched("the masters")),
        }
    }
}

impl Lock {
    /// Lets a lease last so long from the moment it is granted or renewed: 100 ms to 24 h; 30 s.
    pub fn ttl(mut self, ttl: Duration) -> Lock {
        self.ttl = ttl;
        self
    }

    /// Waits in the lock's queue for so long, at most 24 h, instead of not at all.
    pub fn wait(mut self, wait: Duration) -> Lock {
        self.wait = wait;
        self
    }

    /// What the holder calls itself, for people who list locks: 1 to 256 bytes; the client's number
    /// unless it is said otherwise.
    pub fn holder(mut self, holder: impl Into<String>) -> Lock {
        self.holder = Some(holder.into());
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Acquires the lock: at once if it is free, else in the order of asking within the wait.
    ///
    /// It costs one entry in the masters' log, and one more for each 7.5 s of waiting. The client's
    /// time limit applies to the masters' answers and not to the wait. Dropping the future gives
    /// the claim up: its place is lost within 15 s, and a lease that was granted in the meantime
    /// ends by itself.
    ///
    /// # Errors
    ///
    /// [`Error::LockHeld`] when the wait is over, [`Error::LockLimit`] when too many locks are held
    /// or too many claims wait, [`Error::LockNotHeld`] when the lease or the place was lost before
    /// the answer came, [`Error::InvalidName`] and [`Error::InvalidRequest`] for names and durations
    /// beyond their limits, [`Error::Unavailable`] when no master answers in time; if its outcome
    /// is unknown, the lock may be held until a lease is over.
    pub async fn acquire(&self) -> Result<LockGuard> {
        validate_lock_name(&self.name)?;
        self.holder.as_deref().map_or(Ok(()), validate_lock_holder)?;
        validate_lock_ttl(self.ttl)?;
        validate_lock_wait(self.wait)?;
        match self.claim(None).await {
            // Says only that the masters do not know this client (any more). No claim of an earlier
            // attempt lives on: one that did would have been found before the session was asked.
            Err(Error::SessionEvicted { horizon, .. }) => {
                self.client.router.observe_masters(horizon);
                self.claim(Some(horizon)).await
            }
            answer => answer,
        }
    }

    async fn claim(&self, evicted: Option<LogIndex>) -> Result<LockGuard> {
        let router = &self.client.router;
        let (request, _ticket) = router.number_for_masters(self.client.named, evicted);
        let client = request.client;
        let request = MasterRequest::Lock(LockRequest::Acquire {
            request,
            name: self.name.clone(),
            holder: self.holder.clone().unwrap_or_else(|| format!("client-{:016x}", client.0)),
            ttl: self.ttl,
            wait: self.wait,
        });
        let over = router.deadline(self.wait + self.client.timeout);
        loop {
            // Each answer shows that somebody leads, so each begins a time limit of its own.
            let deadline = router.deadline(self.client.timeout);
            match router.ask_masters(&request, deadline).await? {
                MasterResponse::Lock(LockResponse::Granted(lease)) => {
                    return Ok(LockGuard { lock: self.clone(), lease });
                }
                MasterResponse::Lock(LockResponse::Queued { ahead }) => {
                    if router.is_over(over) {
                        return Err(Error::DeadlineExceeded {
                            what: format!("lock '{}' ({ahead} claims come before)", self.name),
                            after: self.wait + self.client.timeout,
                            outcome: Outcome::Unknown,
                        });
                    }
                }
                _ => return Err(mismatched("the masters")),
            }
        }
    }

    /// Lets the lease with this token end one ttl from now, which may be sooner than before.
    ///
    /// For whoever has the token and not the guard: another process, or this one restarted.
    ///
    /// # Errors
    ///
    /// [`Error::LockNotHeld`] when the lease is over or the token another's,
    /// [`Error::Unavailable`] when no master answers in time.
    pub async fn renew(&self, token: u64) -> Result<LockLease> {
        validate_lock_name(&self.name)?;
        validate_lock_ttl(self.ttl)?;
        let name = || self.name.clone();
        let request = |request| LockRequest::Renew { request, name: name(), token, ttl: self.ttl };
        match self.client.change_lock(request).await? {
            LockResponse::Granted(lease) => Ok(lease),
            _ => Err(mismatched("the masters")),
        }
    }

    /// Ends the lease with this token; the next in the queue gets the lock at once.
    ///
    /// # Errors
    ///
    /// [`Error::LockNotHeld`] when the lease is over or the token another's,
    /// [`Error::Unavailable`] when no master answers in time.
    pub async fn release(&self, token: u64) -> Result<()> {
        validate_lock_name(&self.name)?;
        let request = |request| LockRequest::Release { request, name: self.name.clone(), token };
        match self.client.change_lock(request).await? {
            LockResponse::Released => Ok(()),
            _ => Err(mismatched("the masters")),
        }
    }
}

/// A lock that was acquired.
///
/// It proves nothing by itself. The lease ends at [`LockGuard::expires_at`] by the masters' clocks,
/// also while this process is paused, cut off or wrong about the time, and then the next holder
/// has a larger token. What makes a lock safe is the [`LockGuard::token`]: send it along with every
/// change of what the lock protects, and let that refuse a token below the highest it has seen.
///
/// Dropping a guard does *not* release the lock, since a drop can neither wait nor fail; the lease
/// then ends by itself. Call [`LockGuard::release`].
#[must_use = "a lock is held until it is released or its lease is over"]
#[derive(Debug)]
pub struct LockGuard {
    lock: Lock,
    lease: LockLease,
}

impl LockGuard {
    /// The lock's name.
    pub fn name(&self) -> &str {
        &self.lock.name
    }

    /// The fencing token: larger than every token given for any lock before.
    pub fn token(&self) -> u64 {
        self.lease.token
    }

    /// When the lease ends by the masters' time, as far as this guard knows.
    pub fn expires_at(&self) -> Timestamp {
        self.lease.expires_at
    }

    /// Lets the lease last one ttl from now. The token stays.
    ///
    /// # Errors
    ///
    /// As [`Lock::renew`]. After [`Error::LockNotHeld`] somebody else may hold the lock.
    pub async fn renew(&mut self) -> Result<()> {
        self.lease = self.lock.renew(self.lease.token).await?;
        Ok(())
    }

    /// Ends the lease; the next in the queue gets the lock at once.
    ///
    /// # Errors
    ///
    /// As [`Lock::release`].
    pub async fn release(self) -> Result<()> {
        self.lock.release(self.lease.token).await
    }
}
