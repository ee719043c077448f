//! What is told of an API: what the Kong holds, which is not taken for what was asked for.

use gatehouse_connector_sdk::{
    connector::Deployed,
    context::Context,
    error::{Error, ErrorKind, Result},
    schemas::{
        desired::DesiredApi,
        identity::ExternalRef,
        observed::{Observation, ObservedApi},
    },
};

use super::{listing, paging};
use crate::{
    client::{Client, node::Node},
    config,
    holding::Holding,
    observed,
};

/// Where consumers reach the gateway: what people said of the environment, else what its settings say.
pub(super) fn reached_at(context: &Context) -> Result<Vec<String>> {
    let endpoints = &context.environment.endpoints;
    if !endpoints.is_empty() {
        return Ok(endpoints.iter().map(|endpoint| endpoint.url.clone()).collect());
    }
    Ok(config::read(context)?.proxy_url.into_iter().collect())
}

/// What is there: under the identity, marked or not; only if nothing is, what carries our mark.
pub(super) async fn look(
    client: &Client,
    node: &Node,
    holding: &Holding,
    known: Option<&ExternalRef>,
    reached_at: &[String],
) -> Result<Observation> {
    let current = holding.current();
    let is_current = current
        .as_ref()
        .is_some_and(|current| Some(&current.record.external_ref) == known);
    if let Some(known) = known.filter(|_| !is_current)
        && let Some(api) = listing::foreign(client, node.edition, known, reached_at).await?
    {
        return Ok(Observation::Present(Box::new(api)));
    }
    if let Some(current) = current {
        return Ok(Observation::Present(Box::new(observed::observed(
            &current, holding, reached_at,
        ))));
    }
    Ok(match holding.unrecorded() {
        Some(_) => Observation::Unknown {
            reason: paging::without_record(),
        },
        None => Observation::Absent,
    })
}

/// What the gateway holds, which is not taken for what was asked for.
pub(super) fn told(holding: &Holding, reached_at: &[String], desired: &DesiredApi) -> Result<Deployed> {
    let Some(current) = holding.current() else {
        return Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "`{}` was deployed to Kong, and is not there any more; somebody removed it meanwhile",
                desired.mark.api_name
            ),
        ));
    };
    let ObservedApi {
        external_ref,
        endpoint_urls,
        fingerprint,
        ..
    } = observed::observed(&current, holding, reached_at);
    Ok(Deployed {
        external_ref,
        endpoint_urls,
        observed: fingerprint,
    })
}
