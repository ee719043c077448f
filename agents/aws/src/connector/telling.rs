//! What is told of an API: what AWS holds, which is not taken for what was asked for.

use gatehouse_connector_sdk::{
    connector::Deployed,
    error::Result,
    schemas::{
        canonical::Fingerprint,
        observed::{Observation, ObservedApi},
    },
};
use serde_json::{Value, json};

use super::{
    deploying::Outcome,
    looking::{Found, Held},
    seeing,
};
use crate::{apis::Api, client::Account, mark, record::Record};

/// What is there: under the identity, marked or not; only if nothing is, what carries our mark. An API without the
/// environment's stage is not in the environment.
pub(super) async fn look(account: &Account<'_>, found: &Found) -> Result<Observation> {
    let held = match found {
        Found::Nothing => return Ok(Observation::Absent),
        Found::Foreign(held) => return seeing::foreign(account, &held.api.id).await,
        Found::Ours(held) => held,
    };
    if held.stage.is_none() {
        return Ok(Observation::Absent);
    }
    let Some(record) = held.record() else {
        return Ok(Observation::Unknown {
            reason: without_record(account, &held.api),
        });
    };
    if !held.is_intact(&record) {
        return drifted(account, held, record).await;
    }
    Ok(Observation::Present(Box::new(observed(
        account, &held.api, record,
    ))))
}

/// An API of ours as it was applied.
fn observed(account: &Account<'_>, api: &Api, record: Record) -> ObservedApi {
    ObservedApi {
        external_ref: api.id.external_ref(),
        name: api.name.clone(),
        version: None,
        tags: mark::others(&api.tags),
        mark: Some(record.mark),
        endpoint_urls: endpoint_urls(account, api, &record.content.base_path),
        content: record.content,
        definition: None,
        fingerprint: record.fingerprint,
    }
}

/// An API of ours as it is now, since somebody changed it.
async fn drifted(account: &Account<'_>, held: &Held, record: Record) -> Result<Observation> {
    let mut content = match seeing::changed(account, held, &record).await? {
        Ok(content) => content,
        Err(reason) => return Ok(Observation::Unknown { reason }),
    };
    if held.api.name != record.beside.name {
        content.display_name.clone_from(&held.api.name);
    }
    if !held.is_reached(&record) {
        let path = held.paths.first().map(String::as_str).unwrap_or_default();
        content.base_path = format!("/{path}");
    }
    let mut told = json!({"content": content, "secrets": record.secrets});
    // Even where the content cannot say it, this is not what was applied.
    if !held.is_reached(&record) || !held.is_guarded(&record) {
        told["reached"] = json!({"paths": held.paths, "isGuarded": held.is_guarded(&record)});
    }
    if content == record.content && !held.has_settings(&record) {
        told["settings"] = json!(held.stage.as_ref().map(|stage| &stage.settings));
    }
    let fingerprint = Fingerprint::of_value(&told);
    Ok(Observation::Present(Box::new(ObservedApi {
        content,
        fingerprint,
        ..observed(account, &held.api, record)
    })))
}

/// Where consumers reach an API: what people said of the environment, else its domain name, else the stage's own URL.
pub(super) fn endpoint_urls(account: &Account<'_>, api: &Api, base_path: &str) -> Vec<String> {
    let below = |base: &str| {
        format!(
            "{}{}",
            base.trim_end_matches('/'),
            base_path.trim_end_matches('/')
        )
    };
    let endpoints = &account.context.environment.endpoints;
    match (&account.settings.domain_name, endpoints.is_empty()) {
        (_, false) => endpoints.iter().map(|endpoint| below(&endpoint.url)).collect(),
        (Some(domain), true) => vec![below(&format!("https://{domain}"))],
        (None, true) => {
            let settings = &account.settings;
            let endpoints = Some(&settings.vpc_endpoint_ids).filter(|_| settings.is_private());
            settings.stage_urls(&api.id.id, endpoints.map_or(&[], Vec::as_slice))
        }
    }
}

fn without_record(account: &Account<'_>, api: &Api) -> String {
    format!(
        "the stage `{}` of REST API `{}` ({}) carries our mark, and its variables `gatehouseRecord…` are gone or changed, so that nobody knows what was applied; remove the stage, and deploy again",
        account.settings.stage, api.name, api.id.id
    )
}

/// What AWS holds where there was nothing to do.
pub(super) fn applied(account: &Account<'_>, held: &Held, record: &Record) -> Deployed {
    Deployed {
        external_ref: held.api.id.external_ref(),
        endpoint_urls: endpoint_urls(account, &held.api, &record.content.base_path),
        observed: record.fingerprint.clone(),
    }
}

/// What AWS holds once a deploy is through.
pub(super) fn deployed(account: &Account<'_>, outcome: &Outcome) -> Result<Deployed> {
    let held = Held {
        api: outcome.api.clone(),
        stage: Some(outcome.stage.clone()),
        plan: None,
        paths: Vec::new(),
        truststore: None,
    };
    let record = &outcome.record;
    let serves = outcome.stage.deployment.as_deref() == Some(record.served.id.as_str());
    let recorded = held.record();
    let observed = match recorded {
        Some(recorded) if serves => recorded.fingerprint,
        _ => Fingerprint::of_value(&Value::Null),
    };
    Ok(Deployed {
        external_ref: outcome.api.id.external_ref(),
        endpoint_urls: endpoint_urls(account, &outcome.api, &record.content.base_path),
        observed,
    })
}
