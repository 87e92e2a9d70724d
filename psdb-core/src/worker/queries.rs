//! What a worker answers to queries.
//!
//! A query waits for the read barrier, takes a snapshot, and runs off the async threads until a page
//! is full. `cursors` keeps what further pages come from, and stops what nobody waits for any more.
//!
//! Left out: how a query is answered (`query`), merging shards (`client`).

use std::time::Duration;

use super::Core;
use super::cursors::{Running, Work};
use super::service::{Answer, mismatched, view};
use crate::query::{
    self, Asked, Counted, Execution, Found, Grouping, Meter, PlanTree, Program, Results, Skipped,
};
use crate::raft::Group;
use crate::shard::{DatabaseView, Shard, ShardView};
use crate::transport::message::{
    Among, GroupPage, GroupQuery, Page, Query, Row, Selection, ShardRequest, ShardResponse,
    SkippedDocuments,
};
use crate::types::{DocumentId, Result, ShardId, Value};

/// How many results one page holds at most.
const PAGE_RESULTS: usize = 1_000;
/// How many bytes of results one page holds, unless a single one is larger.
const PAGE_BYTES: usize = 1 << 20;
/// How many documents one selection names at most.
const SELECTED_DOCUMENTS: usize = 5_000;

impl Core {
    /// Begins a query on a state that is at most `max_age` old; also returns how old it may be.
    pub(super) async fn stale_query(
        &self,
        shard: ShardId,
        replica: &Group<Shard>,
        request: ShardRequest,
        max_age: Duration,
        timeout: Duration,
    ) -> Answer<(ShardResponse, Duration)> {
        let (ShardRequest::Query { handle, .. } | ShardRequest::Group { handle, .. }) = request
        else {
            return Err(mismatched().into());
        };
        // Before the wait, so that who closes it meanwhile finds it.
        let running = self.cursors.begin(handle, shard, timeout);
        let age = self.fresh_within(shard, replica, max_age, timeout).await?;
        Ok((self.begin(running, &replica.state(), request).await?, age))
    }

    /// Begins a query on a state of the shard.
    async fn begin(
        &self,
        running: Running,
        state: &ShardView,
        request: ShardRequest,
    ) -> Answer<ShardResponse> {
        match request {
            ShardRequest::Query { database, query, .. } => {
                let (view, stop) = (state.database(database)?, running.stop());
                let begin = move || {
                    let lambdas = Lambdas::compile(&query)?;
                    if query.deny_full_scan {
                        lambdas.asked(&query).allowed(&view)?;
                    }
                    Ok(Box::new(lambdas.start(view, &query).cancelled_by(stop)))
                };
                self.page(running, begin).await
            }
            ShardRequest::Group { database, grouping, .. } => {
                let view = state.database(database)?;
                let (groups, skipped) = self.group(&running, view, grouping).await?;
                self.groups(running, groups, skipped)
            }
            _ => Err(mismatched().into()),
        }
    }

    /// Answers a query, or asks for its next page.
    pub(super) async fn query(
        &self,
        shard: ShardId,
        replica: &Group<Shard>,
        request: ShardRequest,
        timeout: Duration,
    ) -> Answer<ShardResponse> {
        match request {
            ShardRequest::Query { handle, .. } | ShardRequest::Group { handle, .. } => {
                let running = self.cursors.begin(handle, shard, timeout);
                replica.read_barrier(timeout).await?;
                self.begin(running, &replica.state(), request).await
            }
            ShardRequest::Select { database, handle, filter, among, deny_full_scan } => {
                let running = self.cursors.begin(handle, shard, timeout);
                let view = view(replica, database, timeout).await?;
                let denied = deny_full_scan && matches!(among, Among::After(_));
                self.select(&running, view, filter, among, denied).await
            }
            ShardRequest::Explain { database, handle, query, analyze } => {
                let running = self.cursors.begin(handle, shard, timeout);
                let view = view(replica, database, timeout).await?;
                Ok(ShardResponse::Explained(self.explain(&running, view, query, analyze).await?))
            }
            ShardRequest::NextPage { handle, cursor } => {
                match self.cursors.resume((handle, cursor), shard, timeout)? {
                    (Work::Query(execution), running) => {
                        self.page(running, move || Ok(execution)).await
                    }
                    (Work::Groups(groups, skipped), running) => {
                        self.groups(running, groups, skipped)
                    }
                }
            }
            _ => Err(mismatched().into()),
        }
    }

    /// Runs `work` off the async threads.
    async fn run<T: Send + 'static>(
        &self,
        running: &Running,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.env.blocking(work).await.map_err(|error| running.failed(error))
    }

    /// Runs the query that `execution` gives until its next page is full, and keeps it if there is more.
    async fn page(
        &self,
        running: Running,
        execution: impl FnOnce() -> Result<Box<Execution<DatabaseView>>> + Send + 'static,
    ) -> Answer<ShardResponse> {
        let work = move || {
            let mut execution = execution()?;
            let results = execution.next_page(PAGE_RESULTS, PAGE_BYTES)?;
            Ok((results, execution))
        };
        let (results, execution): (Results, _) = self.run(&running, work).await?;
        let cursor = if results.finished {
            None
        } else {
            Some(self.cursors.keep(running, Work::Query(execution))?)
        };
        let rows = results.found.into_iter().map(row).collect();
        let skipped = skipped_documents(results.skipped);
        Ok(ShardResponse::Page(Page { rows, cursor, skipped }))
    }

    async fn group(
        &self,
        running: &Running,
        view: DatabaseView,
        asked: GroupQuery,
    ) -> Result<(query::Groups, Skipped)> {
        let stop = running.stop();
        let work = move || {
            let filter = asked.filter.as_deref().map(Program::compile).transpose()?;
            let filter = filter.as_ref();
            let grouping = Grouping::compile(&asked.key, asked.aggregate)?.strict(asked.strict);
            if asked.deny_full_scan {
                // The lambda of the key is evaluated on whatever the filter leaves.
                let select = Some(grouping.key());
                Asked { filter, select, ..Asked::default() }.allowed(&view)?;
            }
            query::group(&view, filter, &grouping, &Meter::new(Some(stop)))
        };
        self.run(running, work).await
    }

    /// The next page of groups, the rest being kept.
    fn groups(
        &self,
        running: Running,
        mut groups: query::Groups,
        skipped: Skipped,
    ) -> Answer<ShardResponse> {
        let page = groups.take_page(PAGE_BYTES as u64);
        let told = skipped_documents(skipped.clone());
        let cursor = if groups.is_empty() {
            None
        } else {
            Some(self.cursors.keep(running, Work::Groups(groups, skipped))?)
        };
        Ok(ShardResponse::Groups(GroupPage { groups: page, cursor, skipped: told }))
    }

    async fn explain(
        &self,
        running: &Running,
        view: DatabaseView,
        asked: Query,
        analyze: bool,
    ) -> Result<PlanTree> {
        let (stop, begun) = (running.stop(), self.env.instant());
        let work = move || {
            let lambdas = Lambdas::compile(&asked)?;
            let query = lambdas.asked(&asked);
            if !analyze {
                return query::explain(&view, &query);
            }
            if asked.deny_full_scan {
                query.allowed(&view)?;
            }
            query::analyze(view, &query, Some(stop))
        };
        let tree = self.run(running, work).await?;
        if !analyze {
            return Ok(tree);
        }
        let took = self.env.instant().elapsed_since(begun);
        let text = format!("took {:.1} ms", took.as_secs_f64() * 1e3);
        let micros = Value::Int(took.as_micros() as i128);
        Ok(PlanTree::new("analyzed", text).fact("micros", micros).over([tree]))
    }

    async fn select(
        &self,
        running: &Running,
        view: DatabaseView,
        filter: String,
        among: Among,
        deny_full_scan: bool,
    ) -> Answer<ShardResponse> {
        let among = match among {
            Among::After(id) => query::Among::After(id),
            Among::Ids(ids) => query::Among::Ids(ids),
        };
        let stop = running.stop();
        let work = move || {
            let filter = Program::compile(&filter)?;
            if deny_full_scan {
                Asked { filter: Some(&filter), ..Asked::default() }.allowed(&view)?;
            }
            let meter = Meter::new(Some(stop));
            query::select(&view, &filter, &among, SELECTED_DOCUMENTS, &meter)
        };
        let query::Selection { versions, next, skipped } = self.run(running, work).await?;
        let skipped = skipped_documents(skipped);
        Ok(ShardResponse::Selected(Selection { versions, next, skipped }))
    }

    /// Counts what matches in a snapshot.
    pub(super) async fn count(
        &self,
        running: &Running,
        view: DatabaseView,
        filter: Option<&str>,
        deny_full_scan: bool,
    ) -> Answer<ShardResponse> {
        let (stop, filter) = (running.stop(), filter.map(str::to_owned));
        let work = move || {
            let filter = filter.as_deref().map(Program::compile).transpose()?;
            if deny_full_scan {
                Asked { filter: filter.as_ref(), ..Asked::default() }.allowed(&view)?;
            }
            query::count_within(&view, filter.as_ref(), &Meter::new(Some(stop)))
        };
        let Counted { count, skipped } = self.run(running, work).await?;
        Ok(ShardResponse::Count { count, skipped: skipped_documents(skipped) })
    }
}

/// The lambdas of a query: filter, order and selection.
struct Lambdas {
    filter: Option<Program>,
    order: Option<(Program, bool)>,
    select: Option<Program>,
}

impl Lambdas {
    fn compile(query: &Query) -> Result<Lambdas> {
        let compile = |text: &Option<String>| text.as_deref().map(Program::compile).transpose();
        let order = match &query.order {
            Some(order) => Some((Program::compile(&order.key)?, order.descending)),
            None => None,
        };
        Ok(Lambdas { filter: compile(&query.filter)?, order, select: compile(&query.select)? })
    }

    fn start(self, view: DatabaseView, query: &Query) -> Execution<DatabaseView> {
        let Lambdas { filter, order, select } = self;
        let after = query.after.clone().map(|after| (after.key, after.id));
        let execution = Execution::new(view, filter, order, query.limit);
        execution.selecting(select).after(after).strict(query.strict)
    }

    fn asked(&self, query: &Query) -> Asked<'_> {
        Asked {
            filter: self.filter.as_ref(),
            order: self.order.as_ref().map(|(key, descending)| (key, *descending)),
            limit: query.limit,
            select: self.select.as_ref(),
            strict: query.strict,
        }
    }
}

fn row(found: Found) -> (Option<Value>, Row) {
    let row = match found.selected {
        None => Row::Document(found.document.bytes().clone()),
        Some(value) => Row::Selected(DocumentId::from(query::id_of(&found.document)), value),
    };
    (found.key, row)
}

fn skipped_documents(skipped: Skipped) -> SkippedDocuments {
    SkippedDocuments { count: skipped.count, first: skipped.first }
}
