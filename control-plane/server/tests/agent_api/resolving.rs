//! Secrets: to those who need them, and nobody else.

use gatehouse_control_plane_api::agent::SecretsRequest;
use gatehouse_schemas::identity::EnvironmentId;
use serde_json::json;
use uuid::Uuid;

use crate::{
    agent::{Agent, environment_id, refusal},
    harness::{ControlPlane, check, descriptor},
};

async fn with_secrets(control_plane: &ControlPlane) {
    control_plane
        .apply(json!([
            {"kind": "Secret", "metadata": {"name": "gateway-token"}, "spec": {"value": "for the gateway"}},
            {"kind": "Secret", "metadata": {"name": "consumer-key"}, "spec": {"value": "for a consumer"}},
            {"kind": "Secret", "metadata": {"name": "unrelated"}, "spec": {"value": "for nobody"}},
            {"kind": "Environment", "metadata": {"name": "local"}, "spec": {
                "gatewayType": "test", "credentials": {"adminToken": {"secretRef": "gateway-token"}}}},
            {"kind": "Environment", "metadata": {"name": "other"}, "spec": {"gatewayType": "kong"}},
            {"kind": "Api", "metadata": {"name": "orders"}, "spec": {
                "basePath": "/orders", "upstreams": {"main": {"url": "http://127.0.0.1:9"}},
                "policies": [{"type": "auth.apiKey", "with": {"keys": [{"consumer": "shop", "secretRef": "consumer-key"}]}}]}},
        ]))
        .await;
}

fn names(names: &[&str]) -> SecretsRequest {
    SecretsRequest {
        names: names.iter().map(|name| name.parse().expect("a name")).collect(),
    }
}

#[tokio::test]
async fn an_agent_gets_what_its_environment_and_deployments_refer_to() {
    check(|control_plane| async move {
        with_secrets(&control_plane).await;
        let agent = Agent::start(&control_plane, descriptor()).await;
        let id = environment_id(&control_plane, "local").await;
        let ask = |request: SecretsRequest| {
            let agent = &agent;
            async move { agent.client.secrets(&agent.token, id, &request).await }
        };
        let given = ask(names(&["gateway-token"]))
            .await
            .map(|response| response.values);
        assert_eq!(given.expect("values")["gateway-token"], "for the gateway");
        // Not before it is needed there.
        let (status, kind, detail) = refusal(ask(names(&["gateway-token", "consumer-key"])).await);
        assert_eq!((status, kind.as_str()), (403, "forbidden"));
        assert_eq!(
            detail,
            "neither the environment's credentials nor its deployments refer to `consumer-key`"
        );
        control_plane.deploy("orders", "local").await.expect(202);
        let given = ask(names(&["consumer-key"]))
            .await
            .map(|response| response.values);
        assert_eq!(given.expect("values")["consumer-key"], "for a consumer");
        for name in ["unrelated", "missing"] {
            assert_eq!(refusal(ask(names(&[name])).await).0, 403, "{name}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_agent_that_does_not_act_gets_nothing() {
    check(|control_plane| async move {
        with_secrets(&control_plane).await;
        let holder = Agent::start(&control_plane, descriptor()).await;
        let standby = Agent::start(&control_plane, descriptor()).await;
        let id = environment_id(&control_plane, "local").await;
        let request = names(&["gateway-token"]);
        let (status, kind, _) = refusal(standby.client.secrets(&standby.token, id, &request).await);
        assert_eq!((status, kind.as_str()), (409, "stale"));
        for id in [
            environment_id(&control_plane, "other").await,
            EnvironmentId(Uuid::now_v7()),
        ] {
            let (status, _, detail) = refusal(holder.client.secrets(&holder.token, id, &request).await);
            assert_eq!(status, 404);
            assert_eq!(
                detail,
                format!("there is no environment of this agent's gateway type `{id}`")
            );
        }
    })
    .await;
}

#[tokio::test]
async fn a_new_value_of_a_credential_is_news_of_its_environment() {
    check(|control_plane| async move {
        with_secrets(&control_plane).await;
        let agent = Agent::start(&control_plane, descriptor()).await;
        let mut position = agent.work(0).await.generation;
        for (name, labels, value, news) in [
            ("gateway-token", json!({}), "rotated", true),
            ("gateway-token", json!({"tier": "gold"}), "rotated", false),
            ("unrelated", json!({}), "also rotated", false),
        ] {
            control_plane
                .apply(json!([{"kind": "Secret", "metadata": {"name": name, "labels": labels}, "spec": {"value": value}}]))
                .await;
            let work = agent.work(position.0).await;
            let told: Vec<_> = work.environments.iter().map(|environment| environment.name.as_str()).collect();
            assert_eq!(told, if news { vec!["local"] } else { vec![] }, "{name} {labels}");
            position = work.generation;
        }
    })
    .await;
}
