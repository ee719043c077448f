//! APIs from a file beside the gateway: served without a control plane, and not managed by one.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use gatehouse_gateway_core::{ApiConfig, Prepared, policy_support};
use gatehouse_schemas::{
    api::{ApiSpec, DocumentSource},
    canonical::Fingerprint,
    descriptor::Fidelity,
    identity::{ExternalRef, ResourceName},
    openapi, parse,
    policy::Policy,
    resource::{Document, Spec},
    revision, route,
};
use serde_json::{Value, json};
use tracing::warn;

use crate::{NativeError, config::GATEWAY_TYPE};

/// What the identities of local APIs begin with.
const PREFIX: &str = "file/";

/// Reads a file of `Api` resources, YAML or JSON, strictly.
pub(crate) async fn read(file: &Path) -> Result<Vec<ApiConfig>, NativeError> {
    let text = read_text(file).await?;
    let values = parse::documents(&text).map_err(|error| invalid(file, error.to_string()))?;
    let mut configs: Vec<ApiConfig> = Vec::new();
    for (position, mut value) in values.into_iter().enumerate() {
        let wrong = |detail: String| invalid(file, format!("document {}: {detail}", position + 1));
        put_definition_in_place(file, &mut value).await?;
        let document = parse::document(&value).map_err(|issues| wrong(listed(&issues)))?;
        let config = config(document).map_err(&wrong)?;
        if let Some(other) = configs.iter().find(|other| collide(other, &config)) {
            return Err(wrong(format!(
                "`{}` has the name, or the host and path, of `{}`",
                config.external_ref, other.external_ref
            )));
        }
        configs.push(config);
    }
    Ok(configs)
}

/// Puts local APIs into a gateway, and takes out those that the file does not hold any more. One that is in
/// the way of what the control plane deployed is left out.
pub(crate) async fn serve(
    gateway: &Prepared,
    file: Option<&Path>,
    configs: Vec<ApiConfig>,
) -> Result<(), NativeError> {
    let file = file.unwrap_or(Path::new("")).to_owned();
    let refused = |source| NativeError::Refused {
        file: file.clone(),
        source,
    };
    let kept: BTreeSet<&ExternalRef> = configs.iter().map(|config| &config.external_ref).collect();
    for served in gateway.apis() {
        let external_ref = &served.external_ref;
        if served.mark.is_none() && external_ref.0.starts_with(PREFIX) && !kept.contains(external_ref) {
            gateway.remove_api(external_ref).await.map_err(refused)?;
        }
    }
    for config in configs {
        if let Some(other) = gateway
            .apis()
            .iter()
            .find(|other| other.mark.is_some() && collide(other, &config))
        {
            warn!(
                "`{}` is left out: `{}` has its host and path",
                config.external_ref, other.external_ref
            );
            gateway.remove_api(&config.external_ref).await.map_err(refused)?;
            continue;
        }
        gateway.put_api(config).await.map_err(refused)?;
    }
    Ok(())
}

fn collide(one: &ApiConfig, other: &ApiConfig) -> bool {
    one.external_ref == other.external_ref || !route::conflicts(&one.content, &other.content).is_empty()
}

/// Replaces `definition: {openapi: {file: PATH}}` by the document; the path is relative to the file it is in.
async fn put_definition_in_place(file: &Path, value: &mut Value) -> Result<(), NativeError> {
    let Some(source) = value.pointer_mut("/spec/definition/openapi") else {
        return Ok(());
    };
    let Some(path) = source.get("file").and_then(Value::as_str) else {
        return Ok(());
    };
    let path: PathBuf = file.parent().unwrap_or(Path::new("")).join(path);
    let text = read_text(&path).await?;
    let document = openapi::parse(&text).map_err(|error| invalid(&path, error.to_string()))?;
    *source = json!({ "inline": document });
    Ok(())
}

fn config(document: Document) -> Result<ApiConfig, String> {
    let name = document.metadata.name.clone();
    let kind = document.kind();
    let Spec::Api(spec) = document.spec else {
        return Err(format!(
            "`{name}` is of kind {kind}; only Api can be served from a file"
        ));
    };
    let content = content(&name, &spec)?;
    if let Some(secret) = content.secret_names().first() {
        return Err(format!(
            "`{name}` refers to secret `{secret}`, which only a control plane can give; deploy it from there"
        ));
    }
    refuse_losses(&name, &content)?;
    Ok(ApiConfig {
        external_ref: ExternalRef(format!("{PREFIX}{name}")),
        mark: None,
        fingerprint: Fingerprint::of(&content).map_err(|error| error.to_string())?,
        content,
        secret_hashes: Default::default(),
        secrets: Default::default(),
    })
}

/// Nobody accepts a loss here, so there must be none.
fn refuse_losses(name: &ResourceName, content: &revision::RevisionContent) -> Result<(), String> {
    let of_operations = content
        .operations
        .iter()
        .flat_map(|operation| &operation.policies);
    for policy in content.policies.iter().chain(of_operations) {
        if let Some(reason) = unsupported(policy) {
            return Err(format!(
                "`{name}` asks for `{}`, which is not enforced here: {reason}; remove it, or serve the API elsewhere",
                policy.type_name()
            ));
        }
    }
    Ok(())
}

fn unsupported(policy: &Policy) -> Option<String> {
    if let Policy::Native(fragment) = policy
        && fragment.gateway_type.as_str() != GATEWAY_TYPE
    {
        return None;
    }
    let support = policy_support().into_iter();
    let mut own = support.filter(|support| support.policy == policy.type_name());
    match own.next().map(|support| support.fidelity) {
        Some(Fidelity::Unsupported { reason }) => Some(reason),
        Some(Fidelity::Exact | Fidelity::Approximated { .. }) => None,
        None => Some("it is not known".to_owned()),
    }
}

fn content(name: &ResourceName, spec: &ApiSpec) -> Result<revision::RevisionContent, String> {
    let definition = match spec.definition.as_ref().map(|definition| &definition.openapi) {
        None => None,
        Some(DocumentSource::Inline(document)) => {
            Some(openapi::read(document).map_err(|issues| listed(&issues))?)
        }
        Some(DocumentSource::Fingerprint(_)) => {
            return Err(format!(
                "`{name}` refers to a definition that a control plane holds; use `file` or `inline`"
            ));
        }
    };
    let definition = definition.map(|definition| (Fingerprint::of_value(&definition.canonical), definition));
    let definition = definition
        .as_ref()
        .map(|(fingerprint, definition)| (fingerprint, definition));
    revision::build(name, spec, definition).map_err(|issues| listed(&issues))
}

async fn read_text(file: &Path) -> Result<String, NativeError> {
    tokio::fs::read_to_string(file)
        .await
        .map_err(|source| NativeError::Unreadable {
            file: file.to_owned(),
            source,
        })
}

fn invalid(file: &Path, detail: String) -> NativeError {
    NativeError::Invalid {
        file: file.to_owned(),
        detail,
    }
}

fn listed(issues: &[parse::Issue]) -> String {
    let sentences: Vec<String> = issues.iter().map(ToString::to_string).collect();
    sentences.join("; ")
}

#[cfg(test)]
mod tests;
