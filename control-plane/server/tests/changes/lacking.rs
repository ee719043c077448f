//! What the agent of an environment lacks is refused before anything is recorded or asked: every action, for a
//! capability that the connector does not declare, and for a protocol that has no words for it.

use gatehouse_control_plane_api::agent::SessionRequest;
use gatehouse_schemas::descriptor::Descriptor;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    agent::Agent,
    harness::{Answer, ControlPlane, check, descriptor},
    scene::{id, scene, served},
};

/// An action of the Admin API in an environment in which `orders` is deployed.
#[derive(Debug, Clone, Copy)]
enum Ask {
    Deploy,
    Undeploy,
    Resolve(&'static str),
    Plan(&'static str, &'static str),
    Observe,
    Discover,
    Check,
}

impl Ask {
    /// Why it is refused; none if it is not.
    async fn refusal(self, control_plane: &ControlPlane, deployment: &str) -> Option<String> {
        let answer = match self {
            Self::Deploy => control_plane.deploy("carts", "local").await,
            Self::Undeploy => control_plane.delete(&format!("deployments/{deployment}")).await,
            Self::Resolve(how) => {
                let path = format!("deployments/{deployment}/drift-resolution");
                control_plane.post(&path, json!({"resolution": how})).await
            }
            Self::Plan(action, api) => return planned(control_plane, action, api).await,
            Self::Observe => {
                control_plane
                    .post("environments/local/observations", json!({}))
                    .await
            }
            Self::Discover => {
                control_plane
                    .post("discoveries", json!({"environment": "local"}))
                    .await
            }
            Self::Check => control_plane.post("environments/local/checks", json!({})).await,
        };
        refused(answer)
    }
}

fn refused(answer: Answer) -> Option<String> {
    if answer.status != StatusCode::CONFLICT {
        assert!(answer.status.is_success(), "{:#}", answer.body);
        return None;
    }
    let (kind, detail) = answer.problem(409);
    // Without drift there is nothing to resolve; that is no matter of the agent.
    (kind == "capability-lacking").then_some(detail)
}

async fn planned(control_plane: &ControlPlane, action: &str, api: &str) -> Option<String> {
    let revision = (action == "rollback").then_some(1);
    let item = json!({"action": action, "api": api, "environment": "local", "revision": revision});
    let plan = control_plane
        .post("plans", json!({"items": [item]}))
        .await
        .expect(202);
    let item = &plan["items"][0];
    match plan["state"].as_str() {
        Some("Refused") => item["message"].as_str().map(str::to_owned),
        _ => None,
    }
}

/// `orders` is deployed, `legacy` was imported from the environment, `carts` is in the catalog.
async fn world(control_plane: &ControlPlane) -> (Agent, String) {
    let agent = scene(control_plane).await;
    control_plane.with_api("carts", "/carts").await;
    let deployment = served(control_plane, &agent, "orders", "local").await;
    (agent, id(&deployment).to_owned())
}

fn without(capability: &str) -> Descriptor {
    let mut value = json!(descriptor());
    value["capabilities"][capability] = json!(false);
    serde_json::from_value(value).expect("a descriptor")
}

async fn session(agent: &Agent, descriptor: Descriptor, protocol: u32) {
    let request = SessionRequest {
        descriptor,
        protocol_min: 1,
        protocol_max: protocol,
    };
    agent
        .client
        .session(&agent.token, &request)
        .await
        .expect("a session");
}

#[tokio::test]
async fn a_capability_that_is_not_declared_is_named_by_every_action_that_takes_it() {
    check(|control_plane| async move {
        let (agent, deployment) = world(&control_plane).await;
        let table = [
            (Ask::Deploy, "deploy"),
            (Ask::Undeploy, "undeploy"),
            (Ask::Resolve("revert"), "deploy"),
            (Ask::Resolve("adopt"), "deploy"),
            (Ask::Plan("deploy", "carts"), "deploy"),
            (Ask::Plan("deploy", "carts"), "observe"),
            (Ask::Plan("undeploy", "orders"), "undeploy"),
            (Ask::Plan("undeploy", "orders"), "observe"),
            (Ask::Plan("rollback", "orders"), "deploy"),
            (Ask::Plan("revert", "orders"), "observe"),
            (Ask::Observe, "observe"),
            (Ask::Discover, "discover"),
            (Ask::Check, "check"),
        ];
        for (ask, lacking) in table {
            session(&agent, without(lacking), 2).await;
            let told = ask.refusal(&control_plane, &deployment).await.unwrap_or_default();
            let what = format!(
                ": its agent `test agent` (gateway type `test`, connector version 1.0.0) does not declare the capability \
                 `{lacking}`; "
            );
            assert!(
                told.starts_with("environment `local` cannot ") && told.contains(&what),
                "{ask:?} without `{lacking}`: {told}"
            );
        }
        assert_eq!(control_plane.get("discoveries").await.expect(200)["items"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn what_protocol_1_has_no_words_for_is_refused_at_once_and_the_rest_goes_on() {
    check(|control_plane| async move {
        let (agent, deployment) = world(&control_plane).await;
        session(&agent, descriptor(), 1).await;
        let old = [
            Ask::Plan("deploy", "carts"),
            Ask::Plan("undeploy", "orders"),
            Ask::Plan("rollback", "orders"),
            Ask::Plan("revert", "orders"),
            Ask::Resolve("adopt"),
            Ask::Observe,
            Ask::Check,
        ];
        for ask in old {
            let told = ask.refusal(&control_plane, &deployment).await.unwrap_or_default();
            let remedy = ": its agent `test agent` (gateway type `test`, connector version 1.0.0) speaks protocol 1, and \
                          that takes protocol 2; update the agent";
            assert!(
                told.starts_with("environment `local` cannot ") && told.ends_with(remedy),
                "{ask:?}: {told}"
            );
        }
        for ask in [Ask::Deploy, Ask::Discover, Ask::Undeploy] {
            assert_eq!(ask.refusal(&control_plane, &deployment).await, None, "{ask:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_api_is_held_against_the_gateways_limits_before_it_is_recorded() {
    check(|control_plane| async move {
        let (agent, _) = world(&control_plane).await;
        let mut small = descriptor();
        small.capabilities.limits.operations_per_api = Some(2);
        session(&agent, small, 2).await;
        let operation = |path: &str| json!({"match": {"method": "GET", "path": path}});
        let mut api = crate::harness::api("wide", "/wide");
        api["spec"]["operations"] = json!([operation("/a"), operation("/b"), operation("/c")]);
        control_plane.apply(json!([api])).await;
        let too_wide = "api `wide` has 3 operations, and the gateway of environment `local` (gateway type `test`, connector \
                        version 1.0.0) takes at most 2 of one API; split the API, or deploy it to a gateway that takes more";
        let (kind, detail) = control_plane.deploy("wide", "local").await.problem(409);
        assert_eq!((kind.as_str(), detail.as_str()), ("capability-lacking", too_wide));
        let told = planned(&control_plane, "deploy", "wide").await;
        assert_eq!(told.as_deref(), Some(too_wide));

        let mut full = descriptor();
        full.capabilities.limits.apis = Some(1);
        session(&agent, full, 2).await;
        let (_, detail) = control_plane.deploy("carts", "local").await.problem(409);
        assert_eq!(
            detail,
            "1 APIs are deployed there already, and the gateway of environment `local` (gateway type `test`, connector \
             version 1.0.0) takes at most 1; undeploy one that is not needed before `carts` is deployed, or deploy it elsewhere"
        );
        // What is there already does not count against itself.
        control_plane.apply(json!([crate::harness::api("orders", "/orders/v2")])).await;
        control_plane.deploy("orders", "local").await.expect(202);
    })
    .await;
}

#[tokio::test]
async fn what_a_newer_connector_says_of_itself_is_taken_as_far_as_it_is_known() {
    check(|control_plane| async move {
        control_plane.with_environment("local", "read-write").await;
        let agent = Agent::enroll(&control_plane).await;
        let token = secrecy::ExposeSecret::expose_secret(&agent.token).to_owned();
        let mut newer: Value = json!(descriptor());
        newer["capabilities"]["teleport"] = json!({"range": 3});
        newer["horoscope"] = json!("libra");
        let body = json!({"descriptor": newer, "protocolMin": 2, "protocolMax": 9});
        let request = control_plane.anonymous(reqwest::Method::POST, "/agent/v1/session");
        let answer = crate::harness::send(request.bearer_auth(token).json(&body)).await;
        assert_eq!(answer.expect(200)["protocol"], 2);
        control_plane
            .post("environments/local/checks", json!({}))
            .await
            .expect(202);
    })
    .await;
}
