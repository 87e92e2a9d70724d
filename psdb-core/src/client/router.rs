//! Brings requests to the masters' leader and to the leaders of shards.
//!
//! ```text
//! write one document   route(database) ─► shard of its id ─► leader, under one request id
//! ask many             every shard of the database at once; the first failure fails the whole
//! ```
//! Old copies of map and databases are noticed by the answers and fetched again; the caller does
//! not see it.
//!
//! Invariants:
//! 1. A write is sent again only under the request id it was first sent with.
//! 2. An answer about a whole database covers each of its shards, or is an error naming one.
//!
//! Left out: merging the pages of queries (`cursor`).

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::ClientOptions;
use super::map_cache::{MapCache, Route};
use super::named::NamedRequest;
use super::session::{Session, Ticket};
use crate::codec::{PageKey, frame};
use crate::env::{Env, Instant};
use crate::transport::message::{
    DatabaseInfo, DatabaseState, MasterRequest, MasterResponse, ShardRequest, ShardResponse,
    WriteOp, WriteReceipt,
};
use crate::transport::redirect::{ATTEMPT, Attempts, CallError, LeaderCaller, Target};
use crate::transport::{Service, Transport};
use crate::types::{
    Address, DatabaseId, Error, GroupId, LogIndex, Outcome, RequestId, Result, ShardId,
};

/// How long one attempt of a query may take: it may have much to read.
const QUERY_ATTEMPT: Duration = Duration::from_secs(10);
/// How old the masters' word on how a database may be read may get.
const ROUTE_AGE: Duration = Duration::from_secs(5);
/// How long a query waits for a newer word.
const ROUTE_PATIENCE: Duration = Duration::from_millis(250);
/// How long to wait before a database that is still being created is looked up again.
const CREATING_PAUSE: Duration = Duration::from_millis(10);

pub(super) struct Router {
    env: Env,
    caller: LeaderCaller,
    /// The masters as configured, until a map tells who they are now.
    masters: Mutex<Vec<Address>>,
    pub(super) options: ClientOptions,
    cache: MapCache,
    session: Session,
    page_key: Mutex<Option<PageKey>>,
}

/// The answer to a question that was not asked.
pub(super) fn mismatched(what: &str) -> Error {
    Error::Internal {
        reason: format!("{what} answered another question"),
        outcome: Outcome::Unknown,
    }
}

impl Router {
    pub(super) fn new(
        env: Env,
        transport: Arc<dyn Transport>,
        masters: Vec<Address>,
        options: ClientOptions,
    ) -> Router {
        let caller = LeaderCaller::new(env.clone(), transport);
        let session = Session::new(&env);
        Router {
            env,
            caller,
            masters: Mutex::new(masters),
            options,
            cache: MapCache::default(),
            session,
            page_key: Mutex::default(),
        }
    }

    pub(super) fn env(&self) -> &Env {
        &self.env
    }

    /// The moment at which a request begun now is over.
    pub(super) fn deadline(&self, timeout: Duration) -> Instant {
        self.env.instant() + timeout
    }

    fn left(&self, deadline: Instant) -> Duration {
        deadline.elapsed_since(self.env.instant())
    }

    /// Asks the masters.
    pub(super) async fn ask_masters(
        &self,
        request: &MasterRequest,
        deadline: Instant,
    ) -> Result<MasterResponse> {
        let answer = self.call_masters(request, deadline).await?;
        if self.cache.is_without_map() {
            // The map also tells the workers, who know the masters of later days. Whoever needs
            // the map itself asks again.
            if let Err(error) = self.fetch_map(deadline).await {
                tracing::debug!(%error, "no map came with the first answer");
            }
        }
        Ok(answer)
    }

    async fn call_masters(
        &self,
        request: &MasterRequest,
        deadline: Instant,
    ) -> Result<MasterResponse> {
        let (group, left) = (GroupId::METADATA, self.left(deadline));
        let (what, service) = ("the masters", Service::Master);
        let mut candidates = self.masters.lock().clone();
        // Workers know the masters of now, should all that this client knew be gone.
        candidates.extend(self.cache.workers());
        self.caller.call(what, service, group, &candidates, request, left).await
    }

    /// Takes a number for a change of the masters that is asked for again and again.
    pub(super) fn number_for_masters(
        &self,
        named: Option<NamedRequest>,
        evicted: Option<LogIndex>,
    ) -> (RequestId, Option<Ticket>) {
        self.number(GroupId::METADATA, named.map(|named| (named, 1)), evicted)
    }

    /// The key that authenticates tokens of pages; it never changes.
    pub(super) async fn page_key(&self, deadline: Instant) -> Result<PageKey> {
        if let Some(key) = *self.page_key.lock() {
            return Ok(key);
        }
        match self.ask_masters(&MasterRequest::GetPageKey, deadline).await? {
            MasterResponse::PageKey(key) => Ok(*self.page_key.lock().insert(key)),
            _ => Err(mismatched("the masters")),
        }
    }

    /// Notes how far the masters' log had reached when they forgot this client.
    pub(super) fn observe_masters(&self, horizon: LogIndex) {
        self.session.observe(GroupId::METADATA, horizon);
    }

    /// Whether a deadline has passed.
    pub(super) fn is_over(&self, deadline: Instant) -> bool {
        self.left(deadline).is_zero()
    }

    /// Lets the masters change something, once.
    pub(super) async fn change_masters(
        &self,
        request: impl Fn(RequestId) -> MasterRequest,
        deadline: Instant,
        named: Option<NamedRequest>,
    ) -> Result<MasterResponse> {
        let name = named.map(|named| (named, 1));
        let mut evicted = None;
        loop {
            if let Some(horizon) = evicted {
                self.session.observe(GroupId::METADATA, horizon);
            }
            let (id, _ticket) = self.number(GroupId::METADATA, name, evicted);
            let answer = self.ask_masters(&request(id), deadline).await;
            match answer {
                // The first refusal only says that this client is not known (any more): the
                // masters' answers bear no log index that could have told it where they are.
                Err(Error::SessionEvicted { horizon, .. })
                    if evicted.is_none() && !is_retry(name) =>
                {
                    evicted = Some(horizon);
                }
                answer => return answer,
            }
        }
    }

    /// The route to a database that serves.
    pub(super) async fn route(&self, name: &str, deadline: Instant) -> Result<Arc<Route>> {
        if let Some(route) = self.cache.route(name) {
            return Ok(route);
        }
        loop {
            let request = MasterRequest::GetDatabase { name: name.to_owned() };
            match self.ask_masters(&request, deadline).await? {
                MasterResponse::Database(info) if info.state != DatabaseState::Creating => {
                    return Ok(self.cache.put_route(info, self.env.instant()));
                }
                MasterResponse::Database(_) if self.left(deadline) > CREATING_PAUSE => {
                    self.env.sleep(CREATING_PAUSE).await;
                }
                MasterResponse::Database(_) => {
                    return Err(Error::Unavailable {
                        what: format!("database '{name}'"),
                        reason: "it is still being created".into(),
                        outcome: Outcome::NotApplied,
                    });
                }
                _ => return Err(mismatched("the masters")),
            }
        }
    }

    /// The route to a database that is to be queried: how it may be read is known to be so within
    /// the last seconds, if the masters can be asked.
    pub(super) async fn fresh_route(&self, name: &str, deadline: Instant) -> Result<Arc<Route>> {
        let route = self.route(name, deadline).await?;
        if self.env.instant().elapsed_since(route.heard) < ROUTE_AGE {
            return Ok(route);
        }
        let request = MasterRequest::GetDatabase { name: name.to_owned() };
        let asking = self.ask_masters(&request, deadline.min(self.deadline(ROUTE_PATIENCE)));
        Ok(match asking.await {
            Ok(MasterResponse::Database(info)) if info.id == route.info.id => {
                self.cache.put_route(info, self.env.instant())
            }
            // It serves on without masters, and tells by itself when it is gone.
            _ => self.cache.put_route(route.info.clone(), self.env.instant()),
        })
    }

    /// Remembers a database that was just created.
    pub(super) fn learn(&self, info: DatabaseInfo) {
        self.cache.put_route(info, self.env.instant());
    }

    /// Forgets a database that was just deleted.
    pub(super) fn forget(&self, name: &str) {
        self.cache.forget(name, None);
    }

    async fn fetch_map(&self, deadline: Instant) -> Result<()> {
        match self.call_masters(&MasterRequest::GetMap, deadline).await? {
            MasterResponse::Map(map, masters) => {
                self.cache.put_map(map);
                if !masters.is_empty() {
                    *self.masters.lock() = masters;
                }
                Ok(())
            }
            _ => Err(mismatched("the masters")),
        }
    }

    /// Asks the leader of a shard.
    pub(super) async fn ask_shard(
        &self,
        shard: ShardId,
        request: &ShardRequest,
        deadline: Instant,
    ) -> Result<ShardResponse> {
        self.ask_shard_knowing(shard, request, deadline, &mut Attempts::default()).await
    }

    /// Where the replicas of a shard are, as far as is known.
    pub(super) fn replicas(&self, shard: ShardId) -> Vec<Address> {
        self.cache.replicas(shard)
    }

    /// Asks for the next page of whoever has it: a certain replica, or the leader.
    pub(super) async fn ask_for_more(
        &self,
        shard: ShardId,
        at: Option<&Address>,
        request: &ShardRequest,
        deadline: Instant,
    ) -> Result<ShardResponse> {
        match at {
            Some(at) => self.ask_at(shard, at, request, deadline).await,
            None => self.ask_shard(shard, request, deadline).await,
        }
    }

    /// Asks one certain replica of a shard.
    pub(super) async fn ask_at(
        &self,
        shard: ShardId,
        at: &Address,
        request: &ShardRequest,
        deadline: Instant,
    ) -> Result<ShardResponse> {
        let what = format!("shard {shard}");
        let target =
            Target { what: &what, service: Service::Shard, group: GroupId::of_shard(shard) };
        let (body, mut attempts) = (frame::encode(request), Attempts::default());
        let (at, attempt) = (std::slice::from_ref(at), attempt_of(request));
        let answer =
            self.caller.ask_each(target, at, &body, deadline, attempt, &mut attempts).await;
        answer.map_or_else(|| Err(attempts.give_up(&what)), |(_, answer)| answer)
    }

    /// Asks any replica of a shard that knows to be at most `max_age` old; returns which one it
    /// was, and how old it is.
    pub(super) async fn ask_any(
        &self,
        shard: ShardId,
        request: ShardRequest,
        max_age: Duration,
        deadline: Instant,
    ) -> Result<(ShardResponse, Duration, Address)> {
        let what = format!("shard {shard}");
        let target =
            Target { what: &what, service: Service::Shard, group: GroupId::of_shard(shard) };
        let attempt = attempt_of(&request);
        let body = frame::encode(&ShardRequest::Stale { max_age, request: Box::new(request) });
        let mut attempts = Attempts::default();
        loop {
            let mut replicas = self.cache.replicas(shard);
            if !replicas.is_empty() {
                let first = self.env.random_below(replicas.len() as u64) as usize;
                replicas.rotate_left(first);
            }
            let answer =
                self.caller.ask_each(target, &replicas, &body, deadline, attempt, &mut attempts);
            match answer.await {
                Some((at, Ok(ShardResponse::Stale { age, response }))) => {
                    return Ok((*response, age, at));
                }
                Some((_, Ok(_))) => return Err(mismatched(&what)),
                Some((_, Err(error))) => return Err(error),
                None => {}
            }
            if !replicas.is_empty() {
                self.caller.pause(target, deadline, &mut attempts).await?;
            }
            // The map is not known yet, or has changed since. Without masters the old one has to do.
            let fetched = self.fetch_map(deadline).await;
            if replicas.is_empty() {
                fetched.map_err(|error| name_shard(error, &what))?;
            }
        }
    }

    async fn ask_shard_knowing(
        &self,
        shard: ShardId,
        request: &ShardRequest,
        deadline: Instant,
        attempts: &mut Attempts,
    ) -> Result<ShardResponse> {
        let what = format!("shard {shard}");
        let group = GroupId::of_shard(shard);
        let target = Target { what: &what, service: Service::Shard, group };
        let attempt = attempt_of(request);
        let body = frame::encode(request);
        loop {
            let replicas = self.cache.replicas(shard);
            let called =
                self.caller.try_call(target, &replicas, &body, deadline, attempt, attempts).await;
            match called {
                Ok(response) => return Ok(response),
                Err(CallError::Failed(error)) => return Err(error),
                Err(CallError::NotHere) => {
                    self.fetch_map(deadline).await.map_err(|error| name_shard(error, &what))?;
                    if self.cache.replicas(shard) == replicas {
                        self.caller.pause(target, deadline, attempts).await?;
                    }
                }
            }
        }
    }

    /// The id of a write: of this client's own numbering, or by its caller's name.
    fn number(
        &self,
        group: GroupId,
        name: Option<(NamedRequest, u64)>,
        evicted: Option<LogIndex>,
    ) -> (RequestId, Option<Ticket>) {
        match name {
            Some((named, number)) => (named.request(number, evicted.unwrap_or_default()), None),
            None => {
                let ticket = self.session.begin(group);
                (ticket.request, Some(ticket))
            }
        }
    }

    /// Writes to one shard of a database, once; `name` is the caller's name for the write, and
    /// which write of that name to this shard it is.
    pub(super) async fn write(
        &self,
        shard: ShardId,
        database: DatabaseId,
        operations: Vec<WriteOp>,
        deadline: Instant,
        name: Option<(NamedRequest, u64)>,
    ) -> Result<WriteReceipt> {
        let group = GroupId::of_shard(shard);
        let mut request;
        let mut operations = operations;
        let mut evicted = None;
        loop {
            let (id, _ticket) = self.number(group, name, evicted);
            request = ShardRequest::Write { request: id, database, operations };
            let mut attempts = Attempts::default();
            let answer = self.ask_shard_knowing(shard, &request, deadline, &mut attempts).await;
            match answer {
                Ok(ShardResponse::Written(receipt)) => {
                    self.session.observe(group, receipt.index);
                    return Ok(receipt);
                }
                Ok(_) => return Err(mismatched(&format!("shard {shard}"))),
                // No attempt can have been applied, so it is safe as a new request that has seen
                // the eviction.
                Err(Error::SessionEvicted { horizon, .. })
                    if !attempts.uncertain && !is_retry(name) =>
                {
                    self.session.observe(group, horizon);
                    evicted = Some(horizon);
                }
                Err(error) => return Err(error),
            }
            let ShardRequest::Write { operations: again, .. } = request else {
                return Err(mismatched("the client"));
            };
            operations = again;
        }
    }

    /// Does `work` with the route to a database; once more if the database turned out to be
    /// another one than this client knew.
    pub(super) async fn with_route<T, F>(
        &self,
        name: &str,
        deadline: Instant,
        work: impl Fn(Arc<Route>) -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        loop {
            let route = self.route(name, deadline).await?;
            let id = route.info.id;
            match work(route).await {
                // Said before anything was applied: the id is not open on that shard.
                Err(Error::DatabaseGone { database }) if database == id => {
                    self.cache.forget(name, Some(id));
                    let again = self.route(name, deadline).await?;
                    if again.info.id == id {
                        // Opened in the metadata's view, closed in the shard's: it is just dying.
                        return Err(Error::DatabaseNotFound { name: name.to_owned() });
                    }
                }
                result => return result,
            }
        }
    }
}

/// How long one attempt may take.
fn attempt_of(request: &ShardRequest) -> Duration {
    match request {
        ShardRequest::Query { .. }
        | ShardRequest::Group { .. }
        | ShardRequest::Select { .. }
        | ShardRequest::Explain { .. }
        | ShardRequest::Count { .. }
        | ShardRequest::NextPage { .. } => QUERY_ATTEMPT,
        _ => ATTEMPT,
    }
}

/// Whether the caller of a named write says that it may have been sent before.
fn is_retry(name: Option<(NamedRequest, u64)>) -> bool {
    name.is_some_and(|(named, _)| named.is_retry())
}

/// Says which shard could not be asked, where an error speaks of the masters.
fn name_shard(error: Error, what: &str) -> Error {
    match error {
        Error::Unavailable { what: asked, reason, outcome } => Error::Unavailable {
            what: what.to_owned(),
            reason: format!("its place is not known: {asked}: {reason}"),
            outcome,
        },
        error => error,
    }
}
