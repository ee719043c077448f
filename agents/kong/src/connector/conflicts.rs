//! What is in the way of an API, and refused before anything is touched.

use gatehouse_connector_sdk::{
    connector::DeployRequest,
    error::{Error, ErrorKind, Result, Retry},
    schemas::{observed::Observation, plan::still_holds},
};

use crate::{
    client::{
        Client,
        node::{Edition, Node},
    },
    entities::Collection,
    translate::{Form, Part, TAG},
};

/// What changed since the plan was made is not overwritten: whoever drives the attempt looks again.
pub(super) fn refuse_unseen(present: &Observation, request: &DeployRequest) -> Result<()> {
    if still_holds(&request.plan, present) {
        return Ok(());
    }
    let api = &request.desired.mark.api_name;
    let message = format!(
        "`{api}` changed on Kong since it was looked at; nothing was touched, and it is looked at again"
    );
    Err(Error::new(ErrorKind::Conflict, message).with_retry(Retry::Backoff))
}

/// Plugins that the Kong does not have are told at once, and by name.
pub(super) fn refuse_missing_plugins(form: &Form, node: &Node, api: &str) -> Result<()> {
    let Some(there) = &node.plugins else {
        return Ok(());
    };
    let Some(missing) = form.plugin_names().find(|name| !there.contains(*name)) else {
        return Ok(());
    };
    let remedy = match node.edition {
        Edition::OpenSource if ENTERPRISE.contains(&missing) => {
            "it comes with Kong Enterprise and Konnect only; take the policy away, or deploy it to one of those"
        }
        _ => "add it to `plugins` in kong.conf and restart Kong, or take the policy away",
    };
    let message = format!(
        "`{api}` needs the plugin `{missing}`, which this Kong ({}) does not have; {remedy}",
        node.edition.name()
    );
    Err(Error::new(ErrorKind::Unsupported, message))
}

/// Where templates are not filled in, every request would be answered with an error.
pub(super) fn refuse_templates(form: &Form, node: &Node, api: &str) -> Result<()> {
    let is_template = |part: &Part| {
        let config = part.fields.get("config");
        config.is_some_and(|config| {
            config["replace"]["uri"]
                .as_str()
                .is_some_and(|uri| uri.contains("$("))
        })
    };
    if node.fills_templates || !form.of(Collection::Plugins).any(is_template) {
        return Ok(());
    }
    let message = format!(
        "`{api}` needs a path that Kong makes of the caller's, and `untrusted_lua` is `off` in its kong.conf; set it to `sandbox`, or let the upstream's URL end with the base path"
    );
    Err(Error::new(ErrorKind::Unsupported, message))
}

/// Plugins of Kong Enterprise and Konnect that fragments and policies name most.
const ENTERPRISE: [&str; 12] = [
    "openid-connect",
    "mtls-auth",
    "request-validator",
    "rate-limiting-advanced",
    "proxy-cache-advanced",
    "request-transformer-advanced",
    "response-transformer-advanced",
    "key-auth-enc",
    "oauth2-introspection",
    "jwt-signer",
    "opa",
    "forward-proxy",
];

/// A service of somebody else that has the API's name.
pub(super) async fn refuse_taken_name(client: &Client, name: &str) -> Result<()> {
    match client.get(Collection::Services, name).await? {
        Some(service) if !service.has_tag(TAG) => Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "Kong has a service `{name}` ({}) that does not carry our mark and stays as it is; rename or remove it there, import and adopt it, or give the API another name",
                service.id()
            ),
        )),
        _ => Ok(()),
    }
}
