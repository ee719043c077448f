//! Writing resources: the one code path behind `POST`, `PUT` and `apply`.
//!
//! 1. [`prepare`](prepare::prepare): everything that needs only the documents, before the transaction begins;
//!    reading a definition of 10 MB must not keep other writers waiting.
//! 2. [`references`]: everything the documents refer to, in the transaction.
//! 3. [`resource`]: write what is different, with its revision and its audit event.
//! 4. [`affected`]: the deployments whose desired state follows from what was written.
//!
//! All problems of all documents are reported together, and nothing is written if there is one.

pub(crate) mod abilities;
mod affected;
mod changes;
mod deletion;
pub(crate) mod deploy;
pub(crate) mod drift;
pub(crate) mod drift_adopt;
pub(crate) mod drift_void;
pub(crate) mod import;
pub(crate) mod obstacles;
mod overwriting;
pub(crate) mod plan;
mod plan_answer;
mod plan_item;
mod prepare;
mod references;
mod resource;
mod rollback;
pub(crate) mod rollout;
mod rollout_back;
mod rollout_fate;
mod rollout_patience;
pub(crate) mod rollout_progress;
mod secret_users;

use axum::extract::FromRequestParts;
use gatehouse_control_plane_api::{
    admin::{ApplyAction, ApplyResult, Role},
    problem::ProblemKind,
};
use gatehouse_control_plane_store::{Resource, Transaction};
use gatehouse_schemas::resource::Kind;
use http::request::Parts;
use serde_json::Value;

pub(crate) use self::{
    affected::{Affected, policy_sets},
    deletion::delete,
    prepare::{Prepared, off_the_reactor, prepare},
    secret_users::SecretUsers,
};
use crate::{
    authentication::Caller,
    extract::Precondition,
    failure::{Answer, Failure},
    request::RequestId,
    state::AppState,
};

/// A request that may change something: who asks, and where.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    /// The server.
    pub(crate) state: AppState,
    /// Who asks.
    pub(crate) caller: Caller,
    request_id: Option<String>,
}

impl Writer {
    /// Begins a transaction on behalf of the caller.
    pub(crate) async fn begin(&self) -> Answer<Transaction> {
        let (actor, now) = (self.caller.actor(), self.state.now());
        Ok(self
            .state
            .store
            .begin(&actor, self.request_id.as_deref(), now)
            .await?)
    }
}

impl FromRequestParts<AppState> for Writer {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Answer<Self> {
        Ok(Self {
            state: state.clone(),
            caller: Caller::from_request_parts(parts, state).await?,
            request_id: parts.extensions.get::<RequestId>().map(|id| id.0.clone()),
        })
    }
}

/// What became of one document.
#[derive(Debug)]
pub(crate) struct Written {
    /// What the client is told.
    pub(crate) result: ApplyResult,
    /// The resource as it is now.
    pub(crate) resource: Resource,
}

/// Whether a resource may or must exist already.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Expect {
    /// It must not: `POST`.
    New,
    /// As the request's headers say: `PUT`.
    Precondition(Precondition),
}

/// Writes one document that stands alone.
pub(crate) async fn one(writer: &Writer, document: Value, expect: Expect) -> Answer<Written> {
    let prepared = prepare(&writer.state, vec![document], false).await?;
    let mut transaction = writer.begin().await?;
    check_expectation(&mut transaction, &prepared, expect).await?;
    let written = all(&mut transaction, &writer.state, prepared).await?;
    transaction.commit().await?;
    let first = written.into_iter().next();
    first.ok_or_else(|| Failure::internal("a document went in and no result came out"))
}

/// Writes many documents, all or none.
pub(crate) async fn many(writer: &Writer, documents: Vec<Value>, dry_run: bool) -> Answer<Vec<ApplyResult>> {
    let prepared = prepare(&writer.state, documents, true).await?;
    for document in &prepared {
        writer.caller.require(
            role(document.kind()),
            &format!("writing the kind `{}`", document.kind()),
        )?;
    }
    let mut transaction = writer.begin().await?;
    let written = all(&mut transaction, &writer.state, prepared).await?;
    if dry_run {
        transaction.rollback().await?;
    } else {
        transaction.commit().await?;
    }
    Ok(written.into_iter().map(|written| written.result).collect())
}

/// The role that writing a kind needs.
fn role(kind: Kind) -> Role {
    match kind {
        Kind::Api | Kind::Policy => Role::Publisher,
        Kind::Project | Kind::Environment | Kind::Secret => Role::Admin,
    }
}

/// Writes documents in a transaction that the caller commits.
pub(crate) async fn all(
    transaction: &mut Transaction,
    state: &AppState,
    prepared: Vec<Prepared>,
) -> Answer<Vec<Written>> {
    references::check(transaction, &prepared).await?;
    let mut affected = Affected::default();
    let mut written: Vec<Option<Written>> = prepared.iter().map(|_| None).collect();
    let mut order: Vec<usize> = (0..prepared.len()).collect();
    order.sort_by_key(|position| {
        Kind::ALL
            .iter()
            .position(|kind| *kind == prepared[*position].kind())
    });
    for position in order {
        written[position] = Some(resource::write(transaction, &prepared[position], &mut affected).await?);
    }
    affected.refresh(transaction, state.online_since()).await?;
    Ok(written.into_iter().flatten().collect())
}

async fn check_expectation(
    transaction: &mut Transaction,
    prepared: &[Prepared],
    expect: Expect,
) -> Answer<()> {
    for document in prepared {
        let current = transaction.resource(document.kind(), document.name()).await?;
        let object = format!(
            "{} `{}`",
            document.kind().as_str().to_lowercase(),
            document.name()
        );
        match (expect, current) {
            (Expect::New, Some(current)) => return Err(taken(&object, &current)),
            (Expect::New, None) => {}
            (Expect::Precondition(precondition), current) => {
                precondition.check(&object, current.map(|current| current.version))?;
            }
        }
    }
    Ok(())
}

fn taken(object: &str, current: &Resource) -> Failure {
    let owner = match current.kind {
        Kind::Project => String::new(),
        _ => format!(" in project `{}`", current.metadata.project),
    };
    Failure::new(
        ProblemKind::AlreadyExists,
        format!("{object} exists already{owner}; choose another name, or change it with `PUT` or `apply`"),
    )
}

/// What was done, as audit events say it.
fn verb(action: ApplyAction) -> &'static str {
    match action {
        ApplyAction::Created => "created",
        ApplyAction::Updated => "updated",
        ApplyAction::Unchanged => "unchanged",
    }
}
