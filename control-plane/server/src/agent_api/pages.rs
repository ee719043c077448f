//! Pages of findings, streamed: what has been read is written away before more is read.

use axum::extract::Request;
use gatehouse_control_plane_api::{
    agent_client::NDJSON_MEDIA_TYPE,
    problem::{FieldError, Problem, ProblemKind},
};
use gatehouse_control_plane_store::{DiscoveryState, PackedFindings, PageEnd};
use gatehouse_schemas::{
    identity::{DiscoveryId, ExternalRef},
    observed::DiscoveredItem,
};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    caller::Caller,
    discovery::{of_caller, wrong_state},
    lines::Lines,
    protocol,
};
use crate::{
    extract::{Path, Query},
    failure::{Answer, Failure},
};

/// Findings are written away when so many bytes of them have come.
const BATCH_BYTES: usize = 1024 * 1024;
const BATCH_ITEMS: usize = 200;
/// The longest position, in bytes.
const POSITION_MAX: usize = 16 * 1024;

/// Where the listing goes on.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PositionQuery {
    /// The connector's position after this page: whoever comes after an interruption goes on from there. Without it,
    /// this page is the end of the listing.
    position: Option<String>,
}

impl PositionQuery {
    fn position(self) -> Answer<Option<String>> {
        match self.position {
            Some(position) if position.len() > POSITION_MAX => Err(Failure::new(
                ProblemKind::MalformedRequest,
                format!(
                    "`position` has {} bytes; it must have at most {POSITION_MAX}",
                    position.len()
                ),
            )),
            position => Ok(position),
        }
    }
}

/// Sends a page of findings, one JSON value per line.
///
/// Pages are numbered from 1. The same page may be sent again and replaces what was there of it; a page that breaks off
/// counts for nothing. A page has at most 64 MiB, a position 16 KiB.
#[utoipa::path(post, path = "/agent/v1/discoveries/{id}/pages/{number}", operation_id = "discoveryPage", tag = "agent",
    params(
        ("id" = DiscoveryId, Path, description = "Which discovery"),
        ("number" = u32, Path, description = "Which page, from 1", minimum = 1),
        PositionQuery,
    ),
    request_body(content = DiscoveredItem, content_type = "application/x-ndjson", description = "One finding per line"),
    responses(
        (status = 204, description = "Recorded"),
        (status = 404, description = "There is no such discovery for this agent", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The discovery has ended, or another agent runs it", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A line is not a finding", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn page(
    caller: Caller,
    Path((id, number)): Path<(DiscoveryId, u32)>,
    Query(query): Query<PositionQuery>,
    request: Request,
) -> Answer<StatusCode> {
    if number == 0 {
        return Err(Failure::new(
            ProblemKind::MalformedRequest,
            "pages are numbered from 1",
        ));
    }
    let position = query.position()?;
    is_ndjson(request.headers())?;
    open(&caller, id).await?;
    let page = Page {
        caller: &caller,
        id,
        number,
        attempt: Uuid::now_v7(),
    };
    match page.receive(Lines::of(request.into_body())).await {
        Ok(received) => page.finish(&received, position.as_deref()).await?,
        Err(failure) => {
            page.forget().await?;
            return Err(failure);
        }
    }
    Ok(StatusCode::NO_CONTENT)
}

fn is_ndjson(headers: &HeaderMap) -> Answer<()> {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(NDJSON_MEDIA_TYPE) {
        return Ok(());
    }
    Err(Failure::new(
        ProblemKind::UnsupportedMediaType,
        format!("the content type is `{essence}`; send `content-type: {NDJSON_MEDIA_TYPE}`"),
    ))
}

/// Refuses unless the discovery is open and this agent's to run.
async fn open(caller: &Caller, id: DiscoveryId) -> Answer<()> {
    let mut transaction = caller.begin().await?;
    let (discovery, _) = of_caller(&mut transaction, caller, id).await?;
    if discovery.state.is_final() {
        return Err(wrong_state(format!(
            "discovery `{id}` has ended; findings cannot be added to it, so ask for work to learn what is to be done"
        )));
    }
    if discovery.state == DiscoveryState::Pending {
        transaction.start_discovery(id).await?;
        transaction.commit().await?;
    }
    Ok(())
}

/// What came of a page.
#[derive(Default)]
struct Received {
    items: u64,
    /// What was not read again.
    unchanged: Vec<ExternalRef>,
}

/// One attempt at a page.
struct Page<'a> {
    caller: &'a Caller,
    id: DiscoveryId,
    number: u32,
    attempt: Uuid,
}

impl Page<'_> {
    async fn receive(&self, mut lines: Lines) -> Answer<Received> {
        let (mut batch, mut bytes, mut received) = (Vec::new(), 0, Received::default());
        while let Some(line) = lines.next().await? {
            bytes += line.len();
            batch.push(finding(&line, received.items)?);
            received.items += 1;
            if bytes >= BATCH_BYTES || batch.len() >= BATCH_ITEMS {
                self.write(std::mem::take(&mut batch), &mut received).await?;
                bytes = 0;
            }
        }
        self.write(batch, &mut received).await?;
        Ok(received)
    }

    /// Findings are packed before the transaction begins. What is unchanged is no row of its own.
    async fn write(&self, batch: Vec<DiscoveredItem>, received: &mut Received) -> Answer<()> {
        let packed = PackedFindings::of(batch).await?;
        received.unchanged.extend_from_slice(packed.unchanged());
        if packed.len() == packed.unchanged().len() {
            return Ok(());
        }
        let mut transaction = self.caller.begin().await?;
        transaction
            .add_items(self.id, self.number, self.attempt, &packed)
            .await?;
        Ok(transaction.commit().await?)
    }

    /// The discovery may have ended while the page came in.
    async fn finish(&self, received: &Received, position: Option<&str>) -> Answer<()> {
        let mut transaction = self.caller.begin().await?;
        let (discovery, _) = of_caller(&mut transaction, self.caller, self.id).await?;
        if discovery.state.is_final() {
            transaction.drop_attempt(self.id, self.attempt).await?;
            transaction.commit().await?;
            return Err(wrong_state(format!(
                "discovery `{}` ended while the page came in, so nothing was recorded; ask for work to learn what is to be done",
                self.id
            )));
        }
        let end = PageEnd {
            items: received.items,
            seen: &received.unchanged,
            position,
            blind: protocol::tells_no_positions(self.caller.agent.protocol),
        };
        transaction
            .finish_page(self.id, self.number, self.attempt, end)
            .await?;
        Ok(transaction.commit().await?)
    }

    async fn forget(&self) -> Answer<()> {
        let mut transaction = self.caller.begin().await?;
        transaction.drop_attempt(self.id, self.attempt).await?;
        Ok(transaction.commit().await?)
    }
}

fn finding(line: &[u8], index: u64) -> Answer<DiscoveredItem> {
    serde_json::from_slice(line).map_err(|error| {
        let detail = format!("line {} is not a finding: {error}", index + 1);
        if error.is_data() {
            Failure::invalid(vec![FieldError {
                document: None,
                pointer: format!("/{index}"),
                detail,
            }])
        } else {
            Failure::new(ProblemKind::MalformedRequest, detail)
        }
    })
}
