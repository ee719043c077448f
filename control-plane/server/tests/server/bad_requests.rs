//! Requests that are wrong in themselves: always a problem that says what to do.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{api, check, send};

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    check(|control_plane| async move {
        let ask = |method: Method, path: &str| send(control_plane.request(method, path));
        let (kind, detail) = ask(Method::GET, "/api/v1/nothing").await.problem(404);
        assert_eq!(kind, "not-found");
        assert!(detail.contains("/api/v1/nothing"), "{detail}");
        ask(Method::GET, "/").await.problem(404);
        let answer = ask(Method::PATCH, "/api/v1/apis").await;
        assert_eq!(answer.header("allow"), "GET,HEAD,POST");
        assert_eq!(answer.problem(405).0, "method-not-allowed");
        let answer = send(control_plane.anonymous(Method::PATCH, "/api/v1/tokens/x")).await;
        assert_eq!(answer.problem(405).0, "method-not-allowed");
    })
    .await;
}

#[tokio::test]
async fn broken_json_is_told_with_line_and_column() {
    check(|control_plane| async move {
        let request = control_plane
            .request(Method::POST, "/api/v1/apply")
            .header("content-type", "application/json")
            .body("{\"documents\": [\n  {\"kind\": }]}");
        let (kind, detail) = send(request).await.problem(400);
        assert_eq!(kind, "malformed-request");
        assert!(detail.contains("line 2 column 12"), "{detail}");
    })
    .await;
}

#[tokio::test]
async fn other_content_types_are_refused() {
    check(|control_plane| async move {
        let request = || {
            control_plane
                .request(Method::POST, "/api/v1/apply")
                .body("documents: []")
        };
        let (kind, detail) = send(request().header("content-type", "application/yaml"))
            .await
            .problem(415);
        assert_eq!(kind, "unsupported-media-type");
        assert!(detail.contains("`application/yaml`"), "{detail}");
        send(request()).await.problem(415);
        let json = control_plane
            .request(Method::POST, "/api/v1/apply")
            .body("{\"documents\": []}");
        send(json.header("content-type", "application/json; charset=utf-8"))
            .await
            .expect(200);
    })
    .await;
}

#[tokio::test]
async fn a_body_of_33_mebibytes_is_too_large() {
    check(|control_plane| async move {
        let body = json!({"documents": [], "padding": "x".repeat(33 * 1024 * 1024)});
        let (kind, detail) = control_plane.post("apply", body).await.problem(413);
        assert_eq!(kind, "too-large");
        assert!(detail.contains("32 MiB"), "{detail}");
    })
    .await;
}

#[tokio::test]
async fn an_unknown_field_names_the_nearest_known_one() {
    check(|control_plane| async move {
        let mut document = api("orders", "/orders");
        document["spec"]["upstream"] = json!({});
        let answer = control_plane.post("apis", document).await;
        let errors = answer.body["errors"].clone();
        assert_eq!(answer.problem(422).0, "invalid");
        assert_eq!(errors[0]["pointer"], "/spec/upstream", "{errors:#}");
        assert!(
            errors[0]["detail"]
                .as_str()
                .expect("a detail")
                .contains("`upstreams`"),
            "{errors:#}"
        );
        let answer = control_plane
            .post("deployments", json!({"api": "a", "enviroment": "b"}))
            .await;
        let detail = answer.body["errors"].to_string();
        assert!(detail.contains("environment"), "{detail}");
        answer.problem(422);
    })
    .await;
}

#[tokio::test]
async fn bad_parameters_are_problems() {
    check(|control_plane| async move {
        for path in [
            "apis?limit=0",
            "apis?limit=501",
            "apis?limit=many",
            "apis?cursor=nonsense",
            "apis?labelSelector=tier",
            "apis?unknown=1",
            "apis?project=Not_A_Name",
            "apis/Not_A_Name",
            "deployments/not-a-uuid",
            "apis/orders/revisions/one",
            "discoveries?cursor=%00",
        ] {
            let (kind, detail) = control_plane.get(path).await.problem(400);
            assert_eq!(kind, "malformed-request", "{path}");
            assert!(!detail.is_empty(), "{path}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_request_keeps_the_id_it_came_with() {
    check(|control_plane| async move {
        let request = control_plane
            .request(Method::GET, "/api/v1/apis/none")
            .header("x-request-id", "mine-1");
        let answer = send(request).await;
        assert_eq!(answer.header("x-request-id"), "mine-1");
        assert_eq!(answer.body["requestId"], "mine-1");
        assert_ne!(control_plane.get("apis").await.header("x-request-id"), "");
    })
    .await;
}

#[tokio::test]
async fn documents_that_cannot_be_are_told_with_places() {
    let cases = [
        (
            json!({"basePath": "/a", "upstreams": {"main": {"url": "ftp://files"}}}),
            "/spec/upstreams/main/url",
        ),
        (
            json!({"basePath": "a", "upstreams": {"main": {"url": "http://a"}}}),
            "/spec/basePath",
        ),
        (
            json!({"basePath": "/a", "upstreams": {"other": {"url": "http://a"}}}),
            "/spec/upstreams",
        ),
        (
            json!({"basePath": "/a", "upstreams": {"main": {"url": "http://a"}},
                "definition": {"openapi": {"inline": {"swagger": "1.2"}}}}),
            "/spec/definition/openapi/inline",
        ),
        (
            json!({"basePath": "/a", "upstreams": {"main": {"url": "http://a"}},
                "definition": {"openapi": {"fingerprint": "sha256:none"}}}),
            "/spec/definition/openapi/fingerprint",
        ),
        (
            json!({"basePath": "/a", "upstreams": {"main": {"url": "http://a"}}, "policies": [
                {"type": "auth.apiKey", "with": {"keys": [{"consumer": "shop", "secretRef": "nowhere"}]}}]}),
            "/spec/policies/0/with/keys/0/secretRef",
        ),
    ];
    check(move |control_plane| {
        let cases = cases.clone();
        async move {
            for (spec, pointer) in cases {
                let body = json!({"metadata": {"name": "wrong"}, "spec": spec});
                let answer = control_plane.post("apis", body).await;
                let errors = answer.body["errors"].clone();
                answer.problem(422);
                let found = errors.as_array().into_iter().flatten();
                let places: Vec<&str> = found.filter_map(|error| error["pointer"].as_str()).collect();
                assert!(
                    places.iter().any(|place| place.starts_with(pointer)),
                    "{pointer}: {errors:#}"
                );
            }
            assert_eq!(
                control_plane.get("apis").await.expect(200)["items"],
                Value::Array(Vec::new())
            );
        }
    })
    .await;
}
