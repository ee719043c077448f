//! Looking at one API: what is served, in our words, and whether it is what was deployed.

use gatehouse_connector_sdk::{
    connector::ApiReference,
    error::{ErrorKind, Result},
};
use gatehouse_schemas::{
    canonical::Fingerprint,
    desired::Mark,
    environment::Endpoint,
    identity::{ExternalRef, RevisionNumber},
    observed::{Observation, ObservedApi},
};
use serde_json::json;

use super::{
    client::{Client, Export, Snapshot},
    content::{Base, content},
    locate,
    translate::{API, CONTENT, ENVIRONMENT, FINGERPRINT, FORM, NAME, REVISION, SECRETS},
};

/// Looks at one API. Only an answer that it is not there makes it absent.
pub(super) async fn observe(client: &Client<'_>, api: &ApiReference) -> Result<Observation> {
    if let Some(reference) = &api.external_ref {
        match client.export(&reference.0, false).await {
            Ok(export) => return Ok(present(client, &export)),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    let Some(chosen) = locate::by_mark(client, &api.mark).await?.into_iter().next() else {
        return Ok(Observation::Absent);
    };
    match client.export(&chosen.id, false).await {
        Ok(export) => Ok(present(client, &export)),
        // It was in the listing a moment ago.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Observation::Unknown {
            reason: format!("API `{}` is listed and cannot be found", chosen.id),
        }),
        Err(error) => Err(error),
    }
}

fn present(client: &Client<'_>, export: &Export) -> Observation {
    Observation::Present(Box::new(observed(export, &client.context.environment.endpoints)))
}

/// An API as an observation tells it: what its stage serves or, without a stage, its draft.
pub(super) fn observed(export: &Export, endpoints: &[Endpoint]) -> ObservedApi {
    let nothing = Snapshot::default();
    let shown = export
        .served
        .as_ref()
        .or(export.draft.as_ref())
        .unwrap_or(&nothing);
    let form = shown.form();
    let mark = mark(export, shown);
    let base = base(shown).filter(|_| mark.is_some());
    let (content, definition) = content(&form, base.as_ref(), shown.definition.as_ref());
    let in_order = export.served.is_some() && form.fingerprint().0 == shown.tag(FORM);
    let fingerprint = match (&mark, in_order) {
        (Some(_), true) => Fingerprint(shown.tag(FINGERPRINT).to_owned()),
        (Some(_), false) => {
            Fingerprint::of_value(&json!({"vendorForm": form, "served": export.served.is_some()}))
        }
        (None, _) => Fingerprint::of_value(&json!(content)),
    };
    ObservedApi {
        external_ref: ExternalRef(export.id.clone()),
        name: export.name.clone(),
        version: Some(export.etag.clone()),
        tags: tags(&export.tags),
        mark,
        endpoint_urls: match export.served {
            Some(_) => endpoint_urls(&export.id, &content.base_path, endpoints),
            None => Vec::new(),
        },
        content,
        definition,
        fingerprint,
    }
}

/// The tags that are neither ours nor the vendor's own, as the vendor writes them.
pub(super) fn tags(all: &std::collections::BTreeMap<String, String>) -> Vec<String> {
    all.iter()
        .filter(|(name, _)| !name.starts_with("gatehouse-") && !name.starts_with("vendor:"))
        .map(|(name, value)| match value.as_str() {
            "" => name.clone(),
            value => format!("{name}={value}"),
        })
        .collect()
}

/// Where consumers reach it: every API has a host of its own, unless people said where the gateway is.
pub(super) fn endpoint_urls(id: &str, base_path: &str, endpoints: &[Endpoint]) -> Vec<String> {
    let below = base_path.trim_end_matches('/');
    if endpoints.is_empty() {
        return vec![format!("https://{id}.gateway.simulated.example{below}")];
    }
    let urls = endpoints.iter().map(|it| it.url.trim_end_matches('/'));
    urls.map(|url| format!("{url}{below}")).collect()
}

/// The mark of an object; its revision is that of the deployment that is served, 0 before the first.
fn mark(export: &Export, shown: &Snapshot) -> Option<Mark> {
    let tag = |name: &str| export.tags.get(name);
    Some(Mark {
        environment_id: tag(ENVIRONMENT)?.parse().ok()?,
        api_id: tag(API)?.parse().ok()?,
        api_name: tag(NAME)?.parse().ok()?,
        revision: RevisionNumber(shown.tag(REVISION).parse().unwrap_or_default()),
    })
}

fn base(shown: &Snapshot) -> Option<Base> {
    Some(Base {
        content: serde_json::from_str(shown.tag(CONTENT)).ok()?,
        secrets: serde_json::from_str(shown.tag(SECRETS)).ok()?,
    })
}
