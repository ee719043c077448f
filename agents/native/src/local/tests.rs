//! Local files, good and bad.

use gatehouse_gateway_core::Gateway;

use super::*;

const GOOD: &str = "
kind: Api
metadata: {name: legacy}
spec:
  basePath: /legacy
  upstreams: {main: {url: http://127.0.0.1:9}}
";

async fn read_one(text: &str) -> Result<Vec<ApiConfig>, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("apis.yaml");
    let definition = r#"{"openapi": "3.0.3", "info": {"title": "Legacy", "version": "1"}, "paths": {"/things": {"get": {"responses": {}}}}}"#;
    std::fs::write(folder.path().join("legacy.json"), definition).unwrap();
    std::fs::write(&file, text).unwrap();
    read(&file).await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn an_api_of_the_file_carries_no_mark() {
    let configs = read_one(GOOD).await.unwrap();
    assert_eq!(configs.len(), 1);
    assert_eq!(configs[0].external_ref.0, "file/legacy");
    assert_eq!(configs[0].mark, None);
}

#[tokio::test]
async fn a_definition_may_be_in_a_file_beside_it() {
    let text = format!("{GOOD}  definition: {{openapi: {{file: legacy.json}}}}\n");
    let configs = read_one(&text).await.unwrap();
    assert_eq!(configs[0].content.operations.len(), 1);
    assert_eq!(configs[0].content.display_name, "Legacy");
}

#[tokio::test]
async fn mistakes_are_told_with_their_place() {
    for (text, words) in [
        ("kind: Api\n  metadata: [", vec!["line 2"]),
        (
            &*GOOD.replace("basePath", "basePaht"),
            vec!["document 1", "/spec", "basePath"],
        ),
        (&*format!("{GOOD}---{GOOD}"), vec!["document 2", "file/legacy"]),
        (
            "kind: Secret\nmetadata: {name: s}\nspec: {value: x}\n",
            vec!["document 1", "only Api"],
        ),
        (
            &*format!(
                "{GOOD}  policies: [{{type: auth.apiKey, with: {{keys: [{{consumer: a, secretRef: s}}]}}}}]\n"
            ),
            vec!["secret `s`"],
        ),
        (
            &*format!(
                "{GOOD}  policies: [{{type: native, with: {{gatewayType: native, config: {{a: 1}}}}}}]\n"
            ),
            vec![
                "document 1",
                "`legacy` asks for `native`",
                "no language of its own",
                "remove it",
            ],
        ),
        (
            &*format!("{GOOD}  definition: {{openapi: {{file: gone.json}}}}\n"),
            vec!["gone.json"],
        ),
    ] {
        let message = read_one(text).await.unwrap_err();
        for word in words {
            assert!(message.contains(word), "{word} is missing: {message}");
        }
    }
}

#[tokio::test]
async fn what_left_the_file_is_not_served_any_more() {
    let gateway = Gateway::prepare(Default::default()).await.unwrap();
    let first = read_one(GOOD).await.unwrap();
    serve(&gateway, None, first).await.unwrap();
    assert_eq!(gateway.apis().len(), 1);
    let second = read_one(&GOOD.replace("legacy", "other")).await.unwrap();
    serve(&gateway, None, second).await.unwrap();
    let served: Vec<String> = gateway
        .apis()
        .iter()
        .map(|config| config.external_ref.0.clone())
        .collect();
    assert_eq!(served, ["file/other"]);
}

#[tokio::test]
async fn what_the_control_plane_deployed_is_not_pushed_aside() {
    let gateway = Gateway::prepare(Default::default()).await.unwrap();
    let configs = read_one(GOOD).await.unwrap();
    let mut deployed = configs[0].clone();
    deployed.external_ref = ExternalRef("native/e/a".to_owned());
    deployed.mark = Some(gatehouse_schemas::desired::Mark {
        environment_id: gatehouse_schemas::identity::EnvironmentId(uuid::Uuid::nil()),
        api_id: gatehouse_schemas::identity::ApiId(uuid::Uuid::nil()),
        api_name: "deployed".parse().unwrap(),
        revision: gatehouse_schemas::identity::RevisionNumber(1),
    });
    gateway.put_api(deployed.clone()).await.unwrap();
    serve(&gateway, None, configs).await.unwrap();
    let served = gateway.apis();
    assert_eq!(served.len(), 1);
    assert_eq!(*served[0], deployed);
}

/// From the file to the answer: what the definition beside an API says is what its callers are held to.
#[tokio::test]
async fn callers_are_held_to_the_definition_beside_an_api() {
    let folder = tempfile::tempdir().unwrap();
    let definition = json!({
        "openapi": "3.1.0", "info": {"title": "Orders", "version": "1"},
        "paths": {"/orders": {"get": {"parameters": [
            {"name": "limit", "in": "query", "required": true, "schema": {"$ref": "#/components/schemas/Limit"}}]}}},
        "components": {"schemas": {"Limit": {"type": "integer", "maximum": 10}}},
    });
    let apis = |policy: &str| {
        format!(
            "kind: Api\nmetadata: {{name: shop}}\nspec:\n  basePath: /shop\n  definition: {{openapi: {{file: orders.json}}}}\n  \
             upstreams: {{main: {{url: \"http://127.0.0.1:9\"}}}}\n  policies:\n    - {policy}\n"
        )
    };
    let file = folder.path().join("apis.yaml");
    let validate = "{type: request.validate, with: {definition: [parameters]}}";
    std::fs::write(folder.path().join("orders.json"), definition.to_string()).unwrap();
    std::fs::write(&file, apis(validate)).unwrap();
    let gateway = Gateway::start(Default::default()).await.unwrap();
    for config in read(&file).await.unwrap() {
        gateway.put_api(config).await.unwrap();
    }
    let answer = async |query: &str| {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("http://{}/shop/orders{query}", gateway.address());
        let answer = http.get(url).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    // Nobody listens at the upstream.
    assert_eq!(answer("?limit=10").await.0, 502);
    let (status, problem) = answer("?limit=11").await;
    assert_eq!(status, 400);
    assert!(problem.contains("/query/limit"), "{problem}");
    assert_eq!(answer("").await.0, 400);

    std::fs::write(
        folder.path().join("orders.json"),
        definition.to_string().replace("/schemas/Limit", "/schemas/Gone"),
    )
    .unwrap();
    let refused = read(&file).await.unwrap_err().to_string();
    assert!(
        refused.contains("/components/schemas/Gone") && refused.contains("/paths/~1orders/get"),
        "{refused}"
    );
}
