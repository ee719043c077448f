//! REST APIs that are built piece by piece, as people do by hand.

use serde_json::{Value, json};

use crate::client::Client;
use crate::upstream::Upstream;

#[tokio::test]
async fn an_api_is_built_piece_by_piece() {
    let (client, upstream) = (Client::start().await, Upstream::start().await);
    let made = client
        .call("POST", "/restapis", json!({ "name": "a" }))
        .await
        .ok();
    let (api, root) = (
        made["id"].as_str().unwrap(),
        made["rootResourceId"].as_str().unwrap(),
    );
    let resources = format!("/restapis/{api}/resources");
    let part = json!({ "pathPart": "pets" });
    let pets = client
        .call("POST", &format!("{resources}/{root}"), part.clone())
        .await
        .id();
    let refused = client.call("POST", &format!("{resources}/{root}"), part).await;
    let said = "Another resource with the same parent already has this name: pets";
    assert_eq!(refused.refusal(), (409, "ConflictException", said));
    let pet = client
        .call(
            "POST",
            &format!("{resources}/{pets}"),
            json!({ "pathPart": "{id}" }),
        )
        .await
        .id();

    let method = format!("{resources}/{pet}/methods/GET");
    let given = json!({ "authorizationType": "NONE", "requestParameters": {"method.request.path.id": true} });
    client.call("PUT", &method, given.clone()).await.ok();
    assert_eq!(client.call("PUT", &method, given).await.status, 409);
    let integration = json!({
        "type": "HTTP_PROXY", "httpMethod": "GET", "uri": format!("{}/a/{{id}}", upstream.url),
        "requestParameters": {"integration.request.path.id": "method.request.path.id"},
    });
    client
        .call("PUT", &format!("{method}/integration"), integration)
        .await
        .ok();
    client
        .call("PUT", &format!("{method}/responses/200"), json!({}))
        .await
        .ok();
    client
        .call(
            "PUT",
            &format!("{method}/integration/responses/200"),
            json!({ "selectionPattern": "2.." }),
        )
        .await
        .ok();
    client
        .call(
            "POST",
            &format!("/restapis/{api}/deployments"),
            json!({ "stageName": "prod" }),
        )
        .await
        .ok();
    let path = format!("/{api}/prod/pets/7");
    assert_eq!(client.ask("GET", &path, &[]).await.body["path"], "/a/7");

    let elsewhere = format!("{}/b/{{id}}", upstream.url);
    client
        .patch(
            &format!("{method}/integration"),
            &[("replace", "/uri", &elsewhere)],
        )
        .await
        .ok();
    let patches = [
        ("replace", "/apiKeyRequired", "true"),
        ("add", "/requestParameters/method.request.header.x", "false"),
    ];
    assert_eq!(client.patch(&method, &patches).await.ok()["apiKeyRequired"], true);
    assert_eq!(client.ask("GET", &path, &[]).await.body["path"], "/a/7");

    assert_eq!(
        client
            .call("DELETE", &format!("{method}/integration"), Value::Null)
            .await
            .status,
        204
    );
    assert_eq!(client.call("DELETE", &method, Value::Null).await.status, 204);
    assert_eq!(client.call("DELETE", &method, Value::Null).await.status, 404);
    assert_eq!(
        client
            .call("DELETE", &format!("{resources}/{pets}"), Value::Null)
            .await
            .status,
        202
    );
    assert_eq!(client.get(&format!("{resources}/{pet}")).await.status, 404);
    assert_eq!(
        client
            .call("DELETE", &format!("{resources}/{root}"), Value::Null)
            .await
            .status,
        400
    );
}
