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
use uuid::Uuid;

use super::{
    caller::Caller,
    discovery::{of_caller, wrong_state},
    lines::Lines,
};
use crate::{
    extract::Path,
    failure::{Answer, Failure},
};

/// Findings are written away when so many bytes of them have come.
const BATCH_BYTES: usize = 1024 * 1024;
const BATCH_ITEMS: usize = 200;

/// Sends a page of findings, one JSON value per line.
///
/// Pages are numbered from 1. The same page may be sent again and replaces what was there of it; a page that breaks off
/// counts for nothing.
#[utoipa::path(post, path = "/agent/v1/discoveries/{id}/pages/{number}", operation_id = "discoveryPage", tag = "agent",
    params(
        ("id" = DiscoveryId, Path, description = "Which discovery"),
        ("number" = u32, Path, description = "Which page, from 1", minimum = 1),
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
    request: Request,
) -> Answer<StatusCode> {
    if number == 0 {
        return Err(Failure::new(
            ProblemKind::MalformedRequest,
            "pages are numbered from 1",
        ));
    }
    is_ndjson(request.headers())?;
    open(&caller, id).await?;
    let page = Page {
        caller: &caller,
        id,
        number,
        attempt: Uuid::now_v7(),
    };
    match page.receive(Lines::of(request.into_body())).await {
        Ok((items, seen)) => page.finish(items, &seen).await?,
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
            "discovery `{id}` has ended; findings cannot be added to it"
        )));
    }
    if discovery.state == DiscoveryState::Pending {
        transaction.start_discovery(id).await?;
        transaction.commit().await?;
    }
    Ok(())
}

/// One attempt at a page.
struct Page<'a> {
    caller: &'a Caller,
    id: DiscoveryId,
    number: u32,
    attempt: Uuid,
}

impl Page<'_> {
    /// How many findings came, and which of them are unchanged.
    async fn receive(&self, mut lines: Lines) -> Answer<(u64, Vec<ExternalRef>)> {
        let (mut batch, mut bytes, mut count, mut seen) = (Vec::new(), 0, 0_u64, Vec::new());
        while let Some(line) = lines.next().await? {
            bytes += line.len();
            batch.push(finding(&line, count)?);
            count += 1;
            if bytes >= BATCH_BYTES || batch.len() >= BATCH_ITEMS {
                self.write(std::mem::take(&mut batch), &mut seen).await?;
                bytes = 0;
            }
        }
        self.write(batch, &mut seen).await?;
        Ok((count, seen))
    }

    async fn write(&self, batch: Vec<DiscoveredItem>, seen: &mut Vec<ExternalRef>) -> Answer<()> {
        let findings = PackedFindings::of(batch).await?;
        seen.extend_from_slice(findings.unchanged());
        if findings.len() == findings.unchanged().len() {
            return Ok(());
        }
        let mut transaction = self.caller.begin().await?;
        transaction
            .add_items(self.id, self.number, self.attempt, &findings)
            .await?;
        Ok(transaction.commit().await?)
    }

    /// The discovery may have ended while the page came in.
    async fn finish(&self, items: u64, seen: &[ExternalRef]) -> Answer<()> {
        let mut transaction = self.caller.begin().await?;
        let (discovery, _) = of_caller(&mut transaction, self.caller, self.id).await?;
        if discovery.state.is_final() {
            transaction.drop_attempt(self.id, self.attempt).await?;
            transaction.commit().await?;
            return Err(wrong_state(format!(
                "discovery `{}` ended while the page came in",
                self.id
            )));
        }
        let end = PageEnd {
            items,
            seen,
            position: None,
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
