//! The keys of token issuers, fetched for Kongs that cannot ask for them themselves.

use std::{collections::BTreeSet, time::Duration};

use gatehouse_connector_sdk::{
    context::Context,
    error::{Error, ErrorKind, Result},
    schemas::{
        desired::DesiredApi,
        policy::{JwtPolicy, Policy},
    },
};
use serde_json::Value;

use crate::{
    client::node::Edition,
    entities::Collection,
    translate::{Form, IssuerKeys, issuer_of, signing_keys},
};

/// How long an issuer may take to tell its keys.
const PATIENCE: Duration = Duration::from_secs(10);

/// The keys that the API's policies accept tokens of; none for a Kong that looks for them itself.
pub(super) async fn keys(
    http: &reqwest::Client,
    context: &Context,
    desired: &DesiredApi,
    edition: Edition,
) -> Result<IssuerKeys> {
    let mut all = IssuerKeys::new();
    if edition != Edition::OpenSource {
        return Ok(all);
    }
    for policy in policies(desired) {
        let issuer = issuer_of(policy);
        if all.contains_key(&issuer) {
            continue;
        }
        let set = key_set(http, context, desired, policy).await?;
        let keys = signing_keys(&set, policy);
        if keys.is_empty() {
            return Err(no_keys(desired, policy));
        }
        all.insert(issuer, keys);
    }
    Ok(all)
}

/// Whether a generation was made with these keys: an issuer may have others now.
pub(super) fn are_there(keys: &IssuerKeys, form: &Form) -> bool {
    let wanted: BTreeSet<&str> = keys.values().flatten().map(|key| key.pem.as_str()).collect();
    let there = form
        .of(Collection::Jwts)
        .filter_map(|part| part.fields.get("rsa_public_key")?.as_str());
    wanted == there.collect()
}

fn policies(desired: &DesiredApi) -> impl Iterator<Item = &JwtPolicy> {
    desired.content.all_policies().filter_map(|policy| match policy {
        Policy::AuthJwt(policy) => Some(policy),
        _ => None,
    })
}

async fn key_set(
    http: &reqwest::Client,
    context: &Context,
    desired: &DesiredApi,
    policy: &JwtPolicy,
) -> Result<Value> {
    let unread = |error: reqwest::Error| {
        let message = format!(
            "the keys of issuer `{}`, which `{}` needs on environment `{}`, cannot be read from {}; see that `jwksUri` is right and the agent can reach it; nothing was touched",
            policy.issuer, desired.mark.api_name, context.environment.name, policy.jwks_uri
        );
        Error::new(ErrorKind::Unavailable, message).with_source(error.without_url())
    };
    let response = http
        .get(&policy.jwks_uri)
        .timeout(PATIENCE)
        .send()
        .await
        .map_err(unread)?;
    let response = response.error_for_status().map_err(unread)?;
    response.json().await.map_err(unread)
}

fn no_keys(desired: &DesiredApi, policy: &JwtPolicy) -> Error {
    Error::new(
        ErrorKind::Invalid,
        format!(
            "`{}` accepts tokens of `{}`, and {} has no key with a `kid` for any of its `algorithms`; correct the policy, or have the issuer publish one; nothing was touched",
            desired.mark.api_name, policy.issuer, policy.jwks_uri
        ),
    )
}
