//! The sample API: made on the first start, then left to the user; only its backend's port is kept right.

use std::time::Duration;

use gatehouse_control_plane_api::{
    admin::{ApiResource, ApplyRequest, DeployRequest, Deployment},
    client::Client,
};
use gatehouse_schemas::{
    condition::{ConditionStatus, ConditionType},
    identity::ResourceName,
};
use serde_json::{Value, json};

use super::{LOCAL, backend::Backend};
use crate::{
    verbs::deploy,
    waiting::{self, Look},
};

/// The sample API's name.
const NAME: &str = "sample";
/// How long the first request may take to come through.
const PATIENCE: Duration = Duration::from_secs(30);

/// Makes the sample API and asks for its deployment, unless there is an API of this name.
pub(super) async fn make(client: &Client, backend: &Backend) -> anyhow::Result<()> {
    if find(client).await?.is_some() {
        return Ok(());
    }
    client
        .apply(&ApplyRequest {
            documents: vec![document(&backend.url())],
            dry_run: false,
        })
        .await?;
    deploy(client).await
}

/// Points the sample API to where its backend is now, if it still points to where that was before.
pub(super) async fn keep(client: &Client, backend: &Backend) -> anyhow::Result<()> {
    let (Some(previous), Some(api)) = (backend.previous_url(), find(client).await?) else {
        return Ok(());
    };
    if api
        .spec
        .upstreams
        .get("main")
        .is_none_or(|main| main.url != previous)
    {
        return Ok(());
    }
    let was_deployed = api
        .status
        .deployments
        .iter()
        .any(|place| place.environment.as_str() == LOCAL);
    let mut spec = serde_json::to_value(&api.spec)?;
    spec["upstreams"]["main"]["url"] = json!(backend.url());
    let document = json!({"kind": "Api", "metadata": api.metadata, "spec": spec});
    client
        .apply(&ApplyRequest {
            documents: vec![document],
            dry_run: false,
        })
        .await?;
    if was_deployed {
        deploy(client).await
    } else {
        Ok(())
    }
}

async fn find(client: &Client) -> anyhow::Result<Option<ApiResource>> {
    match client.get("apis", NAME).await {
        Ok(api) => Ok(Some(api)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Waits until a request comes through the gateway, and gives its URL. None if the sample API is not deployed.
pub(super) async fn flowing(client: &Client) -> anyhow::Result<Option<String>> {
    let (api, environment) = (name(NAME)?, name(LOCAL)?);
    let Some(deployment) = client.find_deployment(&api, &environment).await? else {
        return Ok(None);
    };
    let http = reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(5))
        .build()?;
    let flowing = waiting::quietly_until(PATIENCE, async || {
        let found = client.deployment(deployment.id).await?;
        // Asked for each time: a gateway that moved says so only after its agent has looked at it.
        match url(&found) {
            Some(url) => answer(&http, url).await,
            None => Ok(Look::NotYet(deploy::state(&found))),
        }
    });
    let url = flowing
        .await?
        .map_err(|state| anyhow::anyhow!("the sample API is not served yet: {state}"))?;
    Ok(Some(url))
}

/// What to ask for, once the deployment is reported.
fn url(deployment: &Deployment) -> Option<String> {
    let is_deployed = deployment.conditions.iter().any(|condition| {
        condition.r#type == ConditionType::Deployed
            && condition.status == ConditionStatus::True
            && condition.observed_generation >= deployment.generation
    });
    let endpoint = deployment.endpoint_urls.first().filter(|_| is_deployed)?;
    Some(format!("{}/hello/world", endpoint.trim_end_matches('/')))
}

async fn answer(http: &reqwest::Client, url: String) -> anyhow::Result<Look<String>> {
    Ok(match http.get(&url).send().await {
        Ok(response) if response.status().is_success() => Look::Done(url),
        Ok(response) => Look::NotYet(format!("{url} answers {}", response.status())),
        Err(error) => Look::NotYet(format!("{url} does not answer: {}", error.without_url())),
    })
}

async fn deploy(client: &Client) -> anyhow::Result<()> {
    let request = DeployRequest {
        accept_loss: false,
        api: name(NAME)?,
        revision: None,
        environment: name(LOCAL)?,
    };
    client.deploy(&request).await?;
    Ok(())
}

fn name(text: &str) -> anyhow::Result<ResourceName> {
    Ok(text.parse()?)
}

fn document(backend: &str) -> Value {
    json!({
        "kind": "Api",
        "metadata": {"name": NAME},
        "spec": {
            "displayName": "Sample API",
            "basePath": "/sample",
            "upstreams": {"main": {"url": backend}},
            "definition": {"openapi": {"inline": definition()}},
        },
    })
}

fn definition() -> Value {
    let answer = json!({"200": {"description": "An answer", "content": {"application/json": {"schema": {"type": "object"}}}}});
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Sample API", "version": "1.0.0", "description": "Made by `gatehouse dev`."},
        "paths": {
            "/hello/{name}": {
                "parameters": [{"name": "name", "in": "path", "required": true, "schema": {"type": "string"}}],
                "get": {"operationId": "greet", "summary": "Greets somebody", "responses": answer},
            },
            "/headers": {
                "get": {"operationId": "headers", "summary": "Tells which headers the backend received", "responses": answer},
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use gatehouse_schemas::{openapi, parse};

    use super::*;

    #[test]
    fn the_sample_is_a_valid_document_with_two_operations() {
        let document = document("http://127.0.0.1:9");
        parse::document(&document).unwrap();
        assert_eq!(openapi::read(&definition()).unwrap().operations.len(), 2);
    }
}
