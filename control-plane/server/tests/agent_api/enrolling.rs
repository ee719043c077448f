//! Join tokens, keys, tokens, sessions; and the end of an agent.

use std::time::Duration;

use gatehouse_control_plane_api::agent::{PROTOCOL_MAX, SessionRequest, TokenRequest};
use gatehouse_schemas::identity::AgentId;
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use crate::{
    agent::{Agent, HOUR, LONG, client, enroll_request, join_token, key, refusal, session_request},
    harness::{check, descriptor, send},
};

#[tokio::test]
async fn a_join_token_makes_one_agent_even_if_the_answer_was_lost() {
    check(|control_plane| async move {
        let client = client(&control_plane);
        let (join, own) = (join_token(&control_plane, HOUR).await, key());
        let first = client
            .enroll(&enroll_request(&join, &own))
            .await
            .expect("enrolled");
        let again = client
            .enroll(&enroll_request(&join, &own))
            .await
            .expect("the same agent");
        assert_eq!(first.agent_id, again.agent_id);
        let (status, kind, detail) = refusal(client.enroll(&enroll_request(&join, &key())).await);
        assert_eq!((status, kind.as_str()), (401, "unauthenticated"));
        assert_eq!(
            detail,
            "the join token was used already; get a new one with `gatehouse agent join-token --type test`"
        );
        let agents = control_plane.get("agents").await.expect(200);
        assert_eq!(agents["items"].as_array().map(Vec::len), Some(1));
        let events = control_plane.get("audit-events").await.expect(200);
        let enrolled = events["items"]
            .as_array()
            .expect("events")
            .iter()
            .filter(|event| event["action"] == "agent.enrolled");
        assert_eq!(enrolled.count(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_join_token_that_cannot_be_used_says_which_and_how_to_get_another() {
    check(|control_plane| async move {
        let client = client(&control_plane);
        let expired = join_token(&control_plane, Duration::ZERO).await;
        let mut other_type = enroll_request(&join_token(&control_plane, HOUR).await, &key());
        other_type.gateway_type = "kong".parse().expect("a name");
        for (request, reason) in [
            (enroll_request("gtj_unknown", &key()), "is not known here"),
            (enroll_request(&expired, &key()), "expired at"),
            (other_type, "is for gateway type `test`"),
        ] {
            let (status, _, detail) = refusal(client.enroll(&request).await);
            assert_eq!(status, 401);
            assert!(
                detail.contains(reason) && detail.contains("gatehouse agent join-token --type"),
                "{detail}"
            );
        }
        let agents = control_plane.get("agents").await.expect(200);
        assert_eq!(agents["items"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn a_malformed_enrolment_names_the_places_and_spends_nothing() {
    check(|control_plane| async move {
        let client = client(&control_plane);
        let join = join_token(&control_plane, HOUR).await;
        let mut request = enroll_request(&join, &key());
        request.key_sha256 = "XYZ".to_owned();
        request.name = "\n".to_owned();
        let (status, kind, detail) = refusal(client.enroll(&request).await);
        assert_eq!((status, kind.as_str()), (422, "invalid"));
        assert_eq!(detail, "3 places in the request are wrong; `errors` lists them");
        let body = serde_json::to_value(&request).expect("JSON");
        let answer = send(control_plane.anonymous(Method::POST, "/agent/v1/enroll").json(&body)).await;
        assert_eq!(
            answer.body["errors"],
            json!([
                {"pointer": "/name", "detail": "it must have 1 to 200 characters"},
                {"pointer": "/name", "detail": "it must not contain control characters"},
                {"pointer": "/keySha256", "detail": "it must be a SHA-256 in hexadecimal: 64 digits and letters from a to f"},
            ])
        );
        client
            .enroll(&enroll_request(&join, &key()))
            .await
            .expect("the token is not spent");
    })
    .await;
}

#[tokio::test]
async fn only_the_agents_own_key_gives_a_token() {
    check(|control_plane| async move {
        let agent = Agent::enroll(&control_plane).await;
        let wrong = TokenRequest {
            agent_id: agent.id,
            key: key(),
        };
        let (status, _, detail) = refusal(agent.client.token(&wrong).await);
        assert_eq!(status, 401);
        assert_eq!(
            detail,
            format!("the key is not the one agent `{}` enrolled with", agent.id)
        );
        let nobody = TokenRequest {
            agent_id: AgentId(Uuid::new_v4()),
            key: agent.key.clone(),
        };
        let (status, _, detail) = refusal(agent.client.token(&nobody).await);
        assert_eq!(status, 401);
        assert_eq!(
            detail,
            format!(
                "agent `{}` is not enrolled here; enroll it with a token from `gatehouse agent join-token`",
                nobody.agent_id
            )
        );
    })
    .await;
}

#[tokio::test]
async fn requests_without_an_agents_token_are_refused() {
    check(|control_plane| async move {
        let path = "/agent/v1/work";
        let without = send(control_plane.anonymous(Method::GET, path)).await;
        assert_eq!(without.header("www-authenticate"), "Bearer realm=\"gatehouse\"");
        assert_eq!(without.problem(401).0, "unauthenticated");
        // An administrator is not an agent.
        let admin = send(control_plane.request(Method::GET, path)).await;
        assert_eq!(admin.problem(401).0, "unauthenticated");
        let agent = Agent::enroll(&control_plane).await;
        let token = secrecy::ExposeSecret::expose_secret(&agent.token).to_owned();
        let as_admin = send(
            control_plane
                .anonymous(Method::GET, "/api/v1/apis")
                .bearer_auth(&token),
        )
        .await;
        assert_eq!(as_admin.problem(401).0, "unauthenticated");
        let middle = token.len() / 2;
        let other = if &token[middle..=middle] == "A" { "B" } else { "A" };
        let changed = format!("{}{other}{}", &token[..middle], &token[middle + 1..]);
        let changed = send(control_plane.anonymous(Method::GET, path).bearer_auth(changed)).await;
        assert_eq!(
            changed.problem(401).1,
            "the token is not an agent's token of this control plane; get one with `POST /agent/v1/token`"
        );
    })
    .await;
}

#[tokio::test]
async fn a_revoked_agent_is_out_at_once_even_while_it_waits() {
    check(|control_plane| async move {
        control_plane.with_environment("local", "read-write").await;
        let agent = Agent::start(&control_plane, descriptor()).await;
        let position = agent.work(0).await.generation.0;
        let id = agent.id;
        let waiting = tokio::spawn(async move { (agent.try_work(position, LONG).await, agent) });
        // Revoking must win whether or not the request has begun to wait.
        control_plane.delete(&format!("agents/{id}")).await.expect(204);
        let (result, agent) = waiting.await.expect("an answer");
        let (status, _, detail) = refusal(result);
        assert_eq!(status, 401);
        assert_eq!(
            detail,
            format!(
                "agent `test agent` ({id}) was revoked; to let it join again, give it a token from `gatehouse agent join-token \
                 --type test`"
            )
        );
        let request = TokenRequest {
            agent_id: id,
            key: agent.key.clone(),
        };
        assert_eq!(refusal(agent.client.token(&request).await).0, 401);
        let other = Agent::start(&control_plane, descriptor()).await;
        other.fencing().await;
    })
    .await;
}

#[tokio::test]
async fn a_session_is_for_the_gateway_type_that_the_agent_enrolled_for() {
    check(|control_plane| async move {
        let agent = Agent::enroll(&control_plane).await;
        let mut other = descriptor();
        other.gateway_type = "kong".parse().expect("a name");
        let (status, kind, detail) = refusal(agent.client.session(&agent.token, &session_request(other)).await);
        assert_eq!((status, kind.as_str()), (422, "invalid"));
        assert_eq!(
            detail,
            "/descriptor/gatewayType: the agent enrolled for gateway type `test`, not for `kong`; enroll another agent for it"
        );
    })
    .await;
}

#[tokio::test]
async fn a_session_agrees_on_a_protocol_or_names_both_ranges() {
    check(|control_plane| async move {
        control_plane.with_environment("local", "read-write").await;
        let agent = Agent::enroll(&control_plane).await;
        let request = SessionRequest {
            protocol_min: 90,
            protocol_max: 99,
            ..session_request(descriptor())
        };
        let (status, kind, detail) = refusal(agent.client.session(&agent.token, &request).await);
        assert_eq!((status, kind.as_str()), (409, "protocol-unsupported"));
        assert_eq!(
            detail,
            "the agent speaks protocol versions 90 to 99, this control plane 1 to 2; upgrade the older of the two"
        );
        let request = SessionRequest {
            protocol_max: 99,
            ..session_request(descriptor())
        };
        let session = agent
            .client
            .session(&agent.token, &request)
            .await
            .expect("a session");
        assert_eq!((session.protocol, session.lease_ms), (PROTOCOL_MAX, 2_000));
        assert_eq!(session.environments.len(), 1);
        assert!(session.environments[0].fencing.is_some());
        let read = control_plane
            .get(&format!("agents/{}", agent.id))
            .await
            .expect(200);
        assert_eq!((&read["online"], &read["protocol"]), (&json!(true), &json!(2)));
        assert_eq!(read["descriptor"]["version"], "1.0.0");
        assert_eq!(read["environments"], json!(["local"]));
    })
    .await;
}

#[tokio::test]
async fn a_connector_of_another_type_is_refused() {
    check(|control_plane| async move {
        let agent = Agent::enroll(&control_plane).await;
        let mut other = descriptor();
        other.gateway_type = "kong".parse().expect("a name");
        let (status, kind, _) = refusal(agent.client.session(&agent.token, &session_request(other)).await);
        assert_eq!((status, kind.as_str()), (422, "invalid"));
    })
    .await;
}

#[test]
fn the_document_describes_every_request() {
    let document = gatehouse_control_plane_server::openapi::agent_document();
    let operations: Vec<(String, bool)> = document["paths"]
        .as_object()
        .expect("paths")
        .values()
        .flat_map(|item| item.as_object().expect("operations").values())
        .map(|operation| {
            let open = operation["security"]
                .as_array()
                .is_some_and(|list| list.iter().all(|one| *one == json!({})));
            (operation["operationId"].as_str().expect("an id").to_owned(), open)
        })
        .collect();
    let mut open: Vec<&str> = operations
        .iter()
        .filter(|(_, open)| *open)
        .map(|(id, _)| id.as_str())
        .collect();
    open.sort_unstable();
    assert_eq!(operations.len(), 13, "{operations:?}");
    assert_eq!(
        open,
        ["enroll", "token"],
        "{:#}",
        document["paths"]["/agent/v1/enroll"]["post"]["security"]
    );
}
