//! What belongs to REST APIs and accounts, one by one: authorizers, validators, models, responses, tags, stages.

use serde_json::{Value, json};

use crate::client::Client;
use crate::deploy::deployed;
use crate::documents::pets;

#[tokio::test]
async fn parts_are_made_read_changed_and_deleted() {
    let client = Client::start().await;
    let api = client
        .call("POST", "/restapis", json!({ "name": "a" }))
        .await
        .id();
    let function =
        "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/arn:aws:lambda:x/invocations";
    let parts = [
        (
            "authorizers",
            json!({ "name": "a", "type": "TOKEN", "authorizerUri": function }),
            "id",
            ("/name", "b"),
        ),
        (
            "requestvalidators",
            json!({ "name": "a", "validateRequestBody": true }),
            "id",
            ("/validateRequestParameters", "true"),
        ),
        (
            "models",
            json!({ "name": "Pet", "schema": "{}", "contentType": "application/json" }),
            "name",
            ("/description", "b"),
        ),
    ];
    for (list, given, key, (path, value)) in parts {
        let all = format!("/restapis/{api}/{list}");
        let made = client.call("POST", &all, given).await.ok();
        let one = format!("{all}/{}", made[key].as_str().unwrap());
        assert_eq!(client.get(&one).await.ok(), made);
        assert_eq!(client.get(&all).await.ok()["item"], json!([made]));
        client.patch(&one, &[("replace", path, value)]).await.ok();
        let refused = client.patch(&one, &[("replace", "/nothing", "1")]).await;
        assert!(
            refused.refusal().2.starts_with("Invalid patch path"),
            "{refused:?}"
        );
        assert_eq!(client.call("DELETE", &one, Value::Null).await.status, 202);
        assert_eq!(client.call("DELETE", &one, Value::Null).await.status, 404);
    }
    let documentation = format!("/restapis/{api}/documentation/parts");
    let made = client
        .call(
            "POST",
            &documentation,
            json!({ "location": {"type": "API"}, "properties": "{}" }),
        )
        .await
        .id();
    client.get(&format!("{documentation}/{made}")).await.ok();
    client.get(&documentation).await.ok();
    assert_eq!(
        client
            .call("DELETE", &format!("{documentation}/{made}"), Value::Null)
            .await
            .status,
        202
    );
}

#[tokio::test]
async fn gateway_responses_are_usual_until_they_are_changed() {
    let client = Client::start().await;
    let api = client
        .call("POST", "/restapis", json!({ "name": "a" }))
        .await
        .id();
    let all = format!("/restapis/{api}/gatewayresponses");
    assert_eq!(client.get(&all).await.ok()["item"].as_array().unwrap().len(), 21);
    let one = format!("{all}/UNAUTHORIZED");
    assert_eq!(client.get(&one).await.ok()["defaultResponse"], true);
    client
        .call("PUT", &one, json!({ "statusCode": "418" }))
        .await
        .ok();
    let path = "/responseParameters/gatewayresponse.header.x-a";
    let changed = client.patch(&one, &[("add", path, "'b'")]).await.ok();
    assert_eq!(
        (&changed["statusCode"], &changed["defaultResponse"]),
        (&json!("418"), &json!(false))
    );
    assert_eq!(client.call("DELETE", &one, Value::Null).await.status, 202);
    assert_eq!(client.call("DELETE", &one, Value::Null).await.status, 404);
}

#[tokio::test]
async fn tags_are_of_whatever_has_an_arn() {
    let client = Client::start().await;
    let given = json!({ "name": "a", "tags": {"gatehouse:api": "1"} });
    let made = client.call("POST", "/restapis", given).await.ok();
    assert_eq!(made["tags"], json!({"gatehouse:api": "1"}));
    let api = made["id"].as_str().unwrap();
    let arn = format!("/tags/arn%3Aaws%3Aapigateway%3Aeu-central-1%3A%3A%2Frestapis%2F{api}");
    assert_eq!(
        client
            .call(
                "PUT",
                &arn,
                json!({ "tags": {"team": "pets", "gatehouse:api": "2"} })
            )
            .await
            .status,
        204
    );
    let expected = json!({"gatehouse:api": "2", "team": "pets"});
    assert_eq!(client.get(&arn).await.ok()["tags"], expected);
    assert_eq!(
        client.get(&format!("/restapis/{api}")).await.ok()["tags"],
        expected
    );
    assert_eq!(client.get("/restapis").await.ok()["item"][0]["tags"], expected);
    let removed = format!("{arn}?tagKeys=team&tagKeys=nothing");
    assert_eq!(client.call("DELETE", &removed, Value::Null).await.status, 204);
    assert_eq!(client.get(&arn).await.ok()["tags"], json!({"gatehouse:api": "2"}));
    let refused = client.call("PUT", &arn, json!({ "tags": {"aws:a": "b"} })).await;
    assert_eq!(refused.refusal().1, "BadRequestException");
    let missing = "/tags/arn%3Aaws%3Aapigateway%3Aeu-central-1%3A%3A%2Fusageplans%2Fnone";
    assert_eq!(client.get(missing).await.status, 404);
}

#[tokio::test]
async fn a_stage_is_changed_as_a_whole_or_not_at_all() {
    let client = Client::start().await;
    let (api, deployment) = deployed(&client, &pets("http://127.0.0.1:9")).await;
    let stages = format!("/restapis/{api}/stages");
    let stage = format!("{stages}/prod");
    let again = json!({ "stageName": "prod", "deploymentId": deployment });
    let refused = client.call("POST", &stages, again).await;
    assert_eq!(
        refused.refusal(),
        (409, "ConflictException", "Stage already exists")
    );
    let refused = client
        .call(
            "POST",
            &stages,
            json!({ "stageName": "b", "deploymentId": "none" }),
        )
        .await;
    assert_eq!(refused.refusal().2, "Invalid Deployment identifier specified");
    let patches = [
        ("replace", "/variables/a", "b"),
        ("replace", "/deploymentId", "none"),
    ];
    assert_eq!(
        client.patch(&stage, &patches).await.refusal().2,
        "Deployment id does not exist"
    );
    assert!(client.get(&stage).await.ok().get("variables").is_none());
    let changed = client
        .patch(
            &stage,
            &[
                ("replace", "/*/*/throttling/rateLimit", "12.5"),
                ("replace", "/~1pets/GET/throttling/burstLimit", "7"),
                ("replace", "/*/*/logging/loglevel", "INFO"),
                ("replace", "/cacheClusterEnabled", "true"),
                ("replace", "/accessLogSettings/format", "$context.requestId"),
                ("replace", "/variables/a", "b"),
            ],
        )
        .await
        .ok();
    assert_eq!(changed["methodSettings"]["*/*"]["throttlingRateLimit"], 12.5);
    assert_eq!(changed["methodSettings"]["~1pets/GET"]["throttlingBurstLimit"], 7);
    assert_eq!(
        (&changed["cacheClusterStatus"], &changed["cacheClusterSize"]),
        (&json!("AVAILABLE"), &json!("0.5"))
    );
    let changed = client
        .patch(&stage, &[("remove", "/*/*", ""), ("remove", "/variables/a", "")])
        .await
        .ok();
    assert!(changed["methodSettings"].get("*/*").is_none());
    let long = "a".repeat(513);
    assert_eq!(
        client
            .patch(&stage, &[("replace", "/variables/a", &long)])
            .await
            .status,
        400
    );
    assert_eq!(
        client.get(&stages).await.ok()["item"].as_array().unwrap().len(),
        1
    );
    assert_eq!(
        client
            .call("DELETE", &format!("{stage}/cache/data"), Value::Null)
            .await
            .status,
        202
    );
    assert_eq!(
        client.get(&format!("{stages}/none")).await.refusal().2,
        "Invalid stage identifier specified"
    );
}

#[tokio::test]
async fn an_api_is_changed_by_patches() {
    let client = Client::start().await;
    let api = client
        .call("POST", "/restapis", json!({ "name": "a" }))
        .await
        .id();
    let path = format!("/restapis/{api}");
    let changed = client
        .patch(
            &path,
            &[
                ("replace", "/name", "b"),
                ("replace", "/disableExecuteApiEndpoint", "true"),
                ("add", "/binaryMediaTypes/image~1png", ""),
                ("replace", "/endpointConfiguration/types/EDGE", "REGIONAL"),
                ("replace", "/policy", r#"{"Statement": []}"#),
            ],
        )
        .await
        .ok();
    assert_eq!(
        (&changed["name"], &changed["disableExecuteApiEndpoint"]),
        (&json!("b"), &json!(true))
    );
    assert_eq!(changed["binaryMediaTypes"], json!(["image/png"]));
    assert_eq!(changed["endpointConfiguration"]["types"], json!(["REGIONAL"]));
    assert_eq!(changed["policy"], r#"{\"Statement\":[]}"#);
    let refused = client.patch(&path, &[("replace", "/tags/a", "b")]).await;
    assert!(
        refused
            .refusal()
            .2
            .starts_with("Invalid patch path  '/tags/a' specified for op 'replace'.")
    );
    let changed = client.patch(&path, &[("remove", "/policy", "")]).await.ok();
    assert!(changed.get("policy").is_none());
}

#[tokio::test]
async fn deployments_tell_what_they_are() {
    let client = Client::start().await;
    let (api, deployment) = deployed(&client, &pets("http://127.0.0.1:9")).await;
    let path = format!("/restapis/{api}/deployments/{deployment}");
    let summary = client.get(&format!("{path}?embed=apisummary")).await.ok();
    assert_eq!(
        summary["apiSummary"]["/pets"]["GET"],
        json!({ "authorizationType": "NONE", "apiKeyRequired": false })
    );
    client
        .patch(&path, &[("replace", "/description", "first")])
        .await
        .ok();
    let all = client.get(&format!("/restapis/{api}/deployments")).await.ok();
    assert_eq!(all["item"][0]["description"], "first");
    let to_stage = json!({ "stageName": "test", "variables": {"a": "b"} });
    client
        .call("POST", &format!("/restapis/{api}/deployments"), to_stage)
        .await
        .ok();
    assert_eq!(
        client.get(&format!("/restapis/{api}/stages/test")).await.ok()["variables"]["a"],
        "b"
    );
}

#[tokio::test]
async fn the_account_and_its_links() {
    let client = Client::start().await;
    client.get("/account").await.ok();
    let role = "arn:aws:iam::111111111111:role/logs";
    let changed = client
        .patch("/account", &[("replace", "/cloudwatchRoleArn", role)])
        .await
        .ok();
    assert_eq!(changed["cloudwatchRoleArn"], role);
    let given = json!({ "name": "link", "targetArns": ["arn:aws:elasticloadbalancing:x"] });
    let link = client.call("POST", "/vpclinks", given).await.id();
    client.get("/vpclinks").await.ok();
    client.get(&format!("/vpclinks/{link}")).await.ok();
    assert_eq!(
        client
            .call("DELETE", &format!("/vpclinks/{link}"), Value::Null)
            .await
            .status,
        202
    );
    assert_eq!(client.get(&format!("/vpclinks/{link}")).await.status, 404);
    client.get("/v2/vpclinks").await.ok();
}
