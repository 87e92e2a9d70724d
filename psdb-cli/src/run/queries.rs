//! `readall`, `query`, `explain`, `count`, `distinct` and `group`.
//!
//! Documents are written as they arrive, so a long result needs no memory, unless the form is one
//! object. Documents on which a lambda raised are counted, and the first of them is named.

use psdb::query::Aggregate;
use psdb::transport::message::SkippedDocuments;

use super::{Done, Runner, lambda_failure};
use crate::command::{self, Lambda, Page, Query};
use crate::output::{Documents, Json};
use crate::session::{Find, Group};
use crate::settings::Format;

impl Runner {
    pub(super) async fn read_all(&mut self, limit: Option<u64>, page: Option<Page>) -> Done {
        let find = Find { limit, ..Find::default() };
        match page {
            Some(page) => self.page("readall", find, page, &[]).await,
            None => self.find("readall", find, &[]).await,
        }
    }

    pub(super) async fn query(&mut self, query: Query) -> Done {
        let (find, lambdas) = (find_of(&query), lambdas_of_query(&query));
        match query.page.clone() {
            Some(page) => self.page("query", find, page, &lambdas).await,
            None => self.find("query", find, &lambdas).await,
        }
    }

    pub(super) async fn explain(&mut self, query: &Query, analyze: bool) -> Done {
        let database = self.current()?;
        let failed = |error| lambda_failure(error, &lambdas_of_query(query));
        let plan = self.backend.explain(&database, find_of(query), analyze).await;
        let plan = plan.map_err(failed)?;
        let json = Json::Raw(plan.to_value().to_json());
        self.output.answer("explain", plan.to_string().trim_end(), vec![("plan", json)])
    }

    pub(super) async fn count(&mut self, filter: Option<Lambda>) -> Done {
        let database = self.current()?;
        let lambdas: Vec<&Lambda> = filter.iter().collect();
        let text = filter.as_ref().map(|lambda| lambda.text.as_str());
        let (count, skipped) = self
            .backend
            .count(&database, text)
            .await
            .map_err(|error| lambda_failure(error, &lambdas))?;
        let mut fields = vec![("count", count.into())];
        if filter.is_some() {
            fields.extend(skipped_fields(&skipped));
        }
        self.output.answer("count", &count.to_string(), fields)?;
        self.tell_skipped(&skipped);
        Ok(())
    }

    pub(super) async fn distinct(&mut self, group: &command::Group) -> Done {
        let (lambdas, database) = (lambdas_of(group), self.current()?);
        let failed = |error| lambda_failure(error, &lambdas);
        let mut groups = self.backend.group(&database, asked(group)).await.map_err(failed)?;
        let mut values = Documents::default();
        while let Some((value, _)) = groups.next().await.map_err(failed)? {
            self.output.push(&mut values, value)?;
        }
        let skipped = groups.skipped();
        self.output.finish("distinct", "values", values, skipped_fields(&skipped))?;
        self.tell_skipped(&skipped);
        Ok(())
    }

    pub(super) async fn group(&mut self, group: &command::Group) -> Done {
        let (lambdas, database) = (lambdas_of(group), self.current()?);
        let failed = |error| lambda_failure(error, &lambdas);
        let mut groups = self.backend.group(&database, asked(group)).await.map_err(failed)?;
        let mut rows = Documents::default();
        while let Some((key, value)) = groups.next().await.map_err(failed)? {
            let row = format!("{{\"key\": {key}, \"value\": {value}}}");
            self.output.push_row(&mut rows, row, || format!("{key}: {value}"))?;
        }
        let skipped = groups.skipped();
        self.output.finish("group", "groups", rows, skipped_fields(&skipped))?;
        self.tell_skipped(&skipped);
        Ok(())
    }

    async fn find(&mut self, command: &'static str, find: Find, lambdas: &[&Lambda]) -> Done {
        let failed = |error| lambda_failure(error, lambdas);
        let database = self.current()?;
        let mut cursor = self.backend.find(&database, find).await.map_err(failed)?;
        let mut documents = Documents::default();
        while let Some(document) = cursor.next().await.map_err(failed)? {
            self.output.push(&mut documents, document)?;
        }
        let skipped = cursor.skipped();
        let fields = if lambdas.is_empty() { Vec::new() } else { skipped_fields(&skipped) };
        self.output.finish(command, "documents", documents, fields)?;
        self.tell_skipped(&skipped);
        Ok(())
    }

    async fn page(
        &mut self,
        command: &'static str,
        find: Find,
        page: Page,
        lambdas: &[&Lambda],
    ) -> Done {
        let failed = |error| lambda_failure(error, lambdas);
        let database = self.current()?;
        let page = self.backend.page(&database, find, page).await.map_err(failed)?;
        let mut documents = Documents::default();
        for document in page.results {
            self.output.push(&mut documents, document)?;
        }
        let mut fields =
            if lambdas.is_empty() { Vec::new() } else { skipped_fields(&page.skipped) };
        let token = page.next_token.as_ref().map_or(Json::Null, Json::text);
        fields.push(("next_page_token", token));
        self.output.finish(command, "documents", documents, fields)?;
        self.tell_skipped(&page.skipped);
        if let Some(token) = &page.next_token
            && self.output.format() != Format::Json
        {
            self.output.note(&format!("note: more follow after {token}"));
        }
        Ok(())
    }

    /// Says on standard error what an answer without fields has no room for.
    pub(super) fn tell_skipped(&mut self, skipped: &SkippedDocuments) {
        if skipped.count == 0 || self.output.format() == Format::Json {
            return;
        }
        let first = match &skipped.first {
            Some((id, raised)) => format!("; the first is '{id}': {raised}"),
            None => String::new(),
        };
        let count = skipped.count;
        let text = format!("note: skipped {count} documents on which the lambda raised{first}");
        self.output.note(&text);
    }
}

pub(super) fn skipped_fields(skipped: &SkippedDocuments) -> Vec<(&'static str, Json)> {
    let mut fields = vec![("skipped", skipped.count.into())];
    if let Some((id, raised)) = &skipped.first {
        let first = vec![("id", Json::text(id.as_str())), ("message", Json::text(raised))];
        fields.push(("first_error", Json::Object(first)));
    }
    fields
}

fn find_of(query: &Query) -> Find {
    Find {
        filter: Some(query.filter.text.clone()),
        sort: query.sort.as_ref().map(|lambda| lambda.text.clone()),
        descending: query.descending,
        skip: query.skip,
        limit: query.limit,
        select: query.select.as_ref().map(|lambda| lambda.text.clone()),
        strict: query.strict,
    }
}

fn lambdas_of_query(query: &Query) -> Vec<&Lambda> {
    std::iter::once(&query.filter).chain(&query.sort).chain(&query.select).collect()
}

fn lambdas_of(group: &command::Group) -> Vec<&Lambda> {
    let computed = group.aggregate.iter().map(|(_, lambda)| lambda);
    std::iter::once(&group.key).chain(computed).chain(&group.filter).collect()
}

fn asked(group: &command::Group) -> Group {
    let aggregate = match &group.aggregate {
        None => Aggregate::Count,
        Some((aggregate, lambda)) => {
            let lambda = lambda.text.clone();
            match aggregate {
                command::Aggregate::Sum => Aggregate::Sum(lambda),
                command::Aggregate::Average => Aggregate::Average(lambda),
                command::Aggregate::Min => Aggregate::Min(lambda),
                command::Aggregate::Max => Aggregate::Max(lambda),
                command::Aggregate::Collect => Aggregate::Collect(lambda),
            }
        }
    };
    let filter = group.filter.as_ref().map(|lambda| lambda.text.clone());
    Group { key: group.key.text.clone(), aggregate, filter, strict: group.strict }
}
