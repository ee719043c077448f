//! Questions: which policies are in force, and what an agent's credential needs.

use gatehouse_schemas::{
    descriptor::{DerivedWord, PermissionAddition, PermissionSet},
    environment::Mode,
};
use serde_json::{Value, json};

use crate::harness::{check, descriptor};

#[tokio::test]
async fn policies_in_force_are_told_with_their_origin() {
    check(|control_plane| async move {
        let limit = |requests: u32| json!({"type": "ratelimit", "with": {"limits": [{"requests": requests, "per": "second"}]}});
        let cors = |origin: &str| json!({"type": "cors", "with": {"allowOrigins": [origin]}});
        control_plane.with_environment("local", "read-write").await;
        control_plane
            .apply(json!([
                {"kind": "Policy", "metadata": {"name": "everywhere"}, "spec": {
                    "targets": [{"project": "default"}], "policies": [limit(100), cors("https://outer.example.com")]}},
                {"kind": "Policy", "metadata": {"name": "here"}, "spec": {
                    "targets": [{"environment": "local"}], "policies": [limit(50)]}},
                {"kind": "Api", "metadata": {"name": "orders"}, "spec": {
                    "basePath": "/orders", "upstreams": {"main": {"url": "http://127.0.0.1:9"}},
                    "policies": [cors("https://shop.example.com")],
                    "operations": [{"match": {"method": "GET", "path": "/{id}"}, "policies": [limit(1)]},
                        {"match": {"method": "POST", "path": "/"}}]}},
            ]))
            .await;
        let explained = |query: &'static str| {
            let (control_plane, path) = (control_plane.clone(), format!("apis/orders/effective-policies{query}"));
            async move { control_plane.get(&path).await.expect(200) }
        };
        let origins = |explained: &Value| -> Vec<(String, String)> {
            let policies = explained["effective"].as_array().expect("policies").iter();
            policies
                .map(|policy| {
                    let origin = policy["origins"][""][0].as_str().expect("an origin").to_owned();
                    (policy["policy"]["type"].as_str().expect("a type").to_owned(), origin)
                })
                .collect()
        };
        let text = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
        };

        let whole = explained("").await;
        assert_eq!((whole.get("operation"), whole.get("environment")), (None, None));
        let mut found = origins(&whole);
        found.sort();
        assert_eq!(
            found,
            text(&[("cors", "api/orders at /policies/0"), ("ratelimit", "policy/everywhere at /policies/0")])
        );
        assert_eq!(whole["overridden"][0]["origin"], "policy/everywhere at /policies/1", "{whole:#}");

        // As people write it, as a request has it, with the base path or without.
        for query in [
            "?environment=local&method=GET&path=/{id}",
            "?environment=local&method=get&path=/42",
            "?environment=local&method=GET&path=/orders/42",
        ] {
            let one = explained(query).await;
            assert_eq!((&one["operation"], &one["environment"]), (&json!("GET /{id}"), &json!("local")), "{query}");
            let mut found = origins(&one);
            found.sort();
            assert_eq!(
                found,
                text(&[
                    ("cors", "api/orders at /policies/0"),
                    ("ratelimit", "api/orders at /operations/0/policies/0"),
                    ("ratelimit", "policy/everywhere at /policies/0"),
                    ("ratelimit", "policy/here at /policies/0"),
                ]).into_iter().map(|(kind, origin)| {
                    // Operations are sorted by path: `POST /` comes first.
                    (kind, origin.replace("/operations/0/", "/operations/1/"))
                }).collect::<Vec<_>>(),
                "{one:#}"
            );
        }

        let refused = |query: &'static str, status: u16| {
            let (control_plane, path) = (control_plane.clone(), format!("apis/{query}"));
            async move { control_plane.get(&path).await.problem(status).1 }
        };
        assert_eq!(
            refused("orders/effective-policies?method=PUT&path=/42", 404).await,
            "api `orders` has no operation `PUT /42`; did you mean `POST /`?"
        );
        assert_eq!(
            refused("orders/effective-policies?method=GET&path=42", 400).await,
            "an operation is a method and a path that begins with `/`: `?method=GET&path=/orders/{id}`"
        );
        assert_eq!(
            refused("orders/effective-policies?method=GET", 400).await,
            "`method` and `path` belong together: `?method=GET&path=/orders/{id}`; without both, the API as a whole is explained"
        );
        assert_eq!(refused("nothing/effective-policies", 404).await, "there is no api `nothing`");
        assert_eq!(
            refused("orders/effective-policies?environment=nowhere", 404).await,
            "there is no environment `nowhere`"
        );
    })
    .await;
}

#[tokio::test]
async fn permissions_are_those_of_the_connector_with_settings_filled_in() {
    check(|control_plane| async move {
        control_plane.with_environment("local", "read-only").await;
        let path = "environments/local/permissions";
        let (kind, detail) = control_plane.get(path).await.problem(409);
        assert_eq!(kind, "wrong-state");
        assert_eq!(
            detail,
            "no agent for gateway type `test` has connected yet, and only its connector knows the permissions; start one with \
             a token from `gatehouse agent join-token --type test`"
        );
        control_plane.with_agent(&descriptor()).await;
        let (kind, detail) = control_plane.get(path).await.problem(404);
        assert_eq!(kind, "not-found");
        assert_eq!(
            detail,
            "the connector for gateway type `test` offers no permission policies; its documentation says what its credential needs"
        );
    })
    .await;
}

#[tokio::test]
async fn permissions_of_a_mode_are_found_or_refused_with_what_there_is() {
    check(|control_plane| async move {
        let mut generous = descriptor();
        generous.permissions = vec![PermissionSet {
            mode: Mode::ReadOnly,
            language: "a policy".to_owned(),
            document: json!({"allow": ["read {settings.adminUrl}/apis"]}),
            additions: ["adminUrl", "queue"]
                .map(|setting| PermissionAddition {
                    setting: setting.to_owned(),
                    document: json!({"allow": [format!("listen to {{settings.{setting}}}")]}),
                })
                .to_vec(),
            derived: vec![DerivedWord {
                name: "way".to_owned(),
                setting: "adminUrl".to_owned(),
                by_beginning: [("http://".to_owned(), "in the clear".to_owned())].into(),
                otherwise: "encrypted".to_owned(),
            }],
            instructions: "Give it to the user of {settings.adminUrl}, {derived.way}.".to_owned(),
        }];
        control_plane.with_agent(&generous).await;
        control_plane.with_environment("bare", "read-only").await;
        control_plane
            .apply(json!([{"kind": "Environment", "metadata": {"name": "local"},
                "spec": {"gatewayType": "test", "settings": {"adminUrl": "http://127.0.0.1:8001"}}}]))
            .await;
        let found = control_plane.get("environments/local/permissions?mode=read-only").await.expect(200);
        assert_eq!(
            found,
            json!({"environment": "local", "mode": "read-only", "language": "a policy",
                "document": {"allow": ["read http://127.0.0.1:8001/apis", "listen to http://127.0.0.1:8001"]},
                "instructions": "Give it to the user of http://127.0.0.1:8001, in the clear."})
        );
        let (_, detail) = control_plane.get("environments/local/permissions").await.problem(404);
        assert_eq!(
            detail,
            "the connector for gateway type `test` offers no permission policy for mode `read-write`, only for `read-only`; \
             ask for one of those with `--mode` (`mode`)"
        );
        let (_, detail) = control_plane.get("environments/bare/permissions").await.problem(409);
        assert_eq!(
            detail,
            "the policy refers to the setting `adminUrl`, which environment `bare` does not have; add `spec.settings.adminUrl` \
             to it"
        );
        let (_, detail) = control_plane.get("environments/nowhere/permissions").await.problem(404);
        assert_eq!(detail, "there is no environment `nowhere`");
        control_plane.get("environments/local/permissions?mode=odd").await.problem(400);
    })
    .await;
}
