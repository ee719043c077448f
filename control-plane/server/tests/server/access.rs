//! Tokens and roles.

use std::{os::unix::fs::PermissionsExt as _, time::Duration};

use gatehouse_control_plane_api::admin::Role;
use gatehouse_control_plane_server::{Server, create_join_token, openapi};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{check, now, options, send};

#[tokio::test]
async fn the_first_start_writes_an_admin_token_that_only_its_owner_can_read() {
    check(|control_plane| async move {
        let file = control_plane.server.admin_token_file().expect("a file");
        let mode = std::fs::metadata(&file).expect("the file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let whoami = control_plane.get("whoami").await.expect(200);
        assert_eq!(whoami["name"], "admin");
        assert_eq!(whoami["role"], "admin");
    })
    .await;
}

#[tokio::test]
async fn a_second_start_keeps_the_first_token() {
    let folder = tempfile::tempdir().expect("a folder");
    let read = || std::fs::read_to_string(folder.path().join("admin-token")).expect("a token");
    let first = Server::start(options(&folder, None)).await.expect("a start");
    let token = read();
    first.shutdown(Duration::from_secs(5)).await;
    let second = Server::start(options(&folder, None))
        .await
        .expect("a second start");
    assert_eq!(read(), token);
    let url = format!("http://{}/api/v1/whoami", second.address());
    send(reqwest::Client::new().get(url).bearer_auth(token.trim()))
        .await
        .expect(200);
    second.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn without_a_valid_token_nothing_is_answered() {
    check(|control_plane| async move {
        let ask = |request: reqwest::RequestBuilder| async move { send(request).await.problem(401) };
        let anonymous = || control_plane.anonymous(Method::GET, "/api/v1/apis");
        let (kind, detail) = ask(anonymous()).await;
        assert_eq!(kind, "unauthenticated");
        assert!(detail.contains("Authorization: Bearer"), "{detail}");
        let (_, detail) = ask(anonymous().bearer_auth("gth_wrong")).await;
        assert!(detail.contains("not known"), "{detail}");
        ask(anonymous().basic_auth("admin", Some("admin"))).await;
        ask(anonymous().header("authorization", "Bearer")).await;
        let challenge = send(anonymous()).await;
        assert_eq!(challenge.header("www-authenticate"), "Bearer realm=\"gatehouse\"");
    })
    .await;
}

#[tokio::test]
async fn the_last_admin_cannot_lock_everybody_out() {
    check(|control_plane| async move {
        let first = control_plane.get("tokens").await.expect(200)["items"][0].clone();
        assert_eq!(first["role"], "admin");
        let path = format!("tokens/{}", first["id"].as_str().expect("an id"));
        let (kind, detail) = control_plane.delete(&path).await.problem(409);
        assert_eq!(kind, "wrong-state");
        assert!(detail.contains("gatehouse token create"), "{detail}");
        control_plane.token("second", Role::Admin).await;
        control_plane.delete(&path).await.expect(204);
    })
    .await;
}

#[tokio::test]
async fn a_stranger_may_not_send_much() {
    check(|control_plane| async move {
        let body = json!({"agentId": uuid::Uuid::nil(), "key": "k".repeat(20_000)});
        let request = control_plane
            .anonymous(Method::POST, "/agent/v1/token")
            .json(&body);
        send(request).await.problem(413);
    })
    .await;
}

#[tokio::test]
async fn a_token_is_shown_once_and_ends_when_revoked() {
    check(|control_plane| async move {
        let created = control_plane
            .post("tokens", json!({"name": "ci", "role": "viewer"}))
            .await
            .expect(201);
        let text = created["token"].as_str().expect("the text").to_owned();
        assert!(text.starts_with("gth_"), "{text}");
        let ask = || {
            send(
                control_plane
                    .anonymous(Method::GET, "/api/v1/whoami")
                    .bearer_auth(&text),
            )
        };
        assert_eq!(ask().await.expect(200)["role"], "viewer");
        let listed = control_plane.get("tokens").await.expect(200);
        assert!(!listed.to_string().contains(&text));
        let (kind, _) = control_plane
            .post("tokens", json!({"name": "ci", "role": "admin"}))
            .await
            .problem(409);
        assert_eq!(kind, "already-exists");
        let id = created["id"].as_str().expect("an id");
        control_plane.delete(&format!("tokens/{id}")).await.expect(204);
        let (_, detail) = ask().await.problem(401);
        assert!(detail.contains("was revoked"), "{detail}");
        control_plane.delete(&format!("tokens/{id}")).await.problem(404);
        control_plane
            .post("tokens", json!({"name": "ci", "role": "viewer"}))
            .await
            .expect(201);
    })
    .await;
}

#[tokio::test]
async fn an_expired_token_is_refused_with_a_message_that_says_so() {
    check(|control_plane| async move {
        let text = "gth_expired";
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
        let hash = gatehouse_schemas::canonical::hexadecimal(hash.as_ref());
        let name = "old".parse().expect("a name");
        let mut transaction = control_plane.transaction().await;
        transaction
            .create_token(&name, "admin", &hash, Some(now()))
            .await
            .expect("a token");
        transaction.commit().await.expect("a commit");
        let request = control_plane
            .anonymous(Method::GET, "/api/v1/whoami")
            .bearer_auth(text);
        let (_, detail) = send(request).await.problem(401);
        assert!(detail.contains("`old` expired at"), "{detail}");
    })
    .await;
}

#[tokio::test]
async fn tokens_live_as_long_as_a_token_may() {
    check(|control_plane| async move {
        for seconds in [0_u64, 315_360_001] {
            let body = json!({"name": "ci", "role": "viewer", "ttlSeconds": seconds});
            control_plane.post("tokens", body).await.problem(422);
        }
        let body = json!({"name": "ci", "role": "viewer", "ttlSeconds": 60});
        let created = control_plane.post("tokens", body).await.expect(201);
        assert!(created["expiresAt"].is_string(), "{created:#}");
    })
    .await;
}

#[tokio::test]
async fn join_tokens_are_made_listed_and_deleted() {
    check(|control_plane| async move {
        let created = control_plane
            .post("join-tokens", json!({"gatewayType": "native"}))
            .await
            .expect(201);
        assert!(created["token"].as_str().expect("a token").starts_with("gtj_"));
        let listed = control_plane.get("join-tokens").await.expect(200);
        assert_eq!(listed["items"][0]["id"], created["id"]);
        assert_eq!(listed["items"][0].get("token"), None);
        let path = format!("join-tokens/{}", created["id"].as_str().expect("an id"));
        control_plane.delete(&path).await.expect(204);
        control_plane.delete(&path).await.problem(404);
        let native = "native".parse().expect("a name");
        create_join_token(&control_plane.server, &native, Duration::from_secs(60))
            .await
            .expect("a token");
        assert_eq!(
            control_plane.get("join-tokens").await.expect(200)["items"]
                .as_array()
                .map(Vec::len),
            Some(1)
        );
    })
    .await;
}

#[tokio::test]
async fn publishers_apply_apis_and_policies_and_nothing_else() {
    check(|control_plane| async move {
        let token = control_plane.token("publisher", Role::Publisher).await;
        let apply = |document: Value| {
            let body = json!({"documents": [document]});
            send(
                control_plane
                    .anonymous(Method::POST, "/api/v1/apply")
                    .bearer_auth(&token)
                    .json(&body),
            )
        };
        apply(crate::harness::api("orders", "/orders")).await.expect(200);
        let (kind, detail) = apply(crate::harness::environment("local", "read-write"))
            .await
            .problem(403);
        assert_eq!(kind, "forbidden");
        assert!(
            detail.contains("writing the kind `Environment` needs the role `admin`"),
            "{detail}"
        );
        apply(json!({"kind": "Secret", "metadata": {"name": "s"}, "spec": {"value": "v"}}))
            .await
            .problem(403);
        apply(json!({"kind": "Project", "metadata": {"name": "p"}}))
            .await
            .problem(403);
        control_plane.get("environments/local").await.problem(404);
    })
    .await;
}

/// Whatever the OpenAPI document lists refuses callers without a token, and lets viewers change nothing.
#[tokio::test]
async fn every_operation_of_the_admin_api_asks_who_calls() {
    check(|control_plane| async move {
        let viewer = control_plane.token("viewer", Role::Viewer).await;
        let publisher = control_plane.token("publisher", Role::Publisher).await;
        let document = openapi::admin_document();
        let mut operations = 0;
        for (path, item) in document["paths"].as_object().expect("paths") {
            for (method, operation) in item.as_object().expect("operations") {
                operations += 1;
                let path = path.replace("{name}", "none").replace("{number}", "1");
                let path = path.replace("{id}", &uuid::Uuid::nil().to_string());
                let path = path.replace("{item}", &uuid::Uuid::nil().to_string());
                let verb: Method = method.to_uppercase().parse().expect("a method");
                let ask = || control_plane.anonymous(verb.clone(), &path).json(&json!({}));
                let what = format!("{verb} {path}");
                assert_eq!(send(ask()).await.status, 401, "{what} without a token");
                let as_viewer = send(ask().bearer_auth(&viewer)).await.status;
                let as_publisher = send(ask().bearer_auth(&publisher)).await.status;
                let role = operation["x-gatehouse-role"].as_str().expect("a role");
                let secret_lists =
                    path.starts_with("/api/v1/tokens") || path.starts_with("/api/v1/join-tokens");
                if verb != Method::GET || secret_lists {
                    assert_eq!(as_viewer, 403, "{what} as a viewer");
                    assert_ne!(role, "viewer", "{what}");
                } else {
                    assert_ne!(as_viewer, 403, "{what} as a viewer");
                }
                assert_eq!(
                    as_publisher == 403,
                    role == "admin",
                    "{what} as a publisher: {as_publisher}"
                );
            }
        }
        assert!(operations > 40, "the document lists {operations} operations");
    })
    .await;
}
