//! Custom domains and their mappings, in both versions.

use serde_json::{Value, json};

use crate::client::Client;
use crate::deploy::deployed;
use crate::documents::pets;
use crate::upstream::Upstream;

const CERTIFICATE: &str = "arn:aws:acm:eu-central-1:111111111111:certificate/1";

#[tokio::test]
async fn a_domain_leads_to_a_stage() {
    let client = Client::start().await;
    let (api, _) = deployed(&client, &pets("http://127.0.0.1:9")).await;
    let given = json!({
        "domainName": "api.example.com", "regionalCertificateArn": CERTIFICATE,
        "endpointConfiguration": {"types": ["REGIONAL"]}, "mutualTlsAuthentication": {"truststoreUri": "s3://bucket/ca.pem"},
    });
    let made = client.call("POST", "/domainnames", given.clone()).await.ok();
    assert_eq!(
        made["mutualTlsAuthentication"]["truststoreUri"],
        "s3://bucket/ca.pem"
    );
    assert_eq!(client.call("POST", "/domainnames", given).await.status, 400);
    let mappings = "/domainnames/api.example.com/basepathmappings";
    let mapping = json!({ "basePath": "pets", "restApiId": api, "stage": "prod" });
    client.call("POST", mappings, mapping.clone()).await.ok();
    let refused = client.call("POST", mappings, mapping).await;
    let said = "Base path already exists for this domain name";
    assert_eq!(refused.refusal(), (409, "ConflictException", said));
    client
        .call("POST", mappings, json!({ "restApiId": api, "stage": "prod" }))
        .await
        .ok();
    let all = client.get(mappings).await.ok();
    assert_eq!(
        all["item"],
        json!([
            { "basePath": "(none)", "restApiId": api, "stage": "prod" }, { "basePath": "pets", "restApiId": api, "stage": "prod" },
        ])
    );
    let refused = client
        .call("POST", mappings, json!({ "basePath": "v1", "restApiId": "none" }))
        .await;
    assert_eq!(
        refused.refusal(),
        (
            400,
            "BadRequestException",
            "Invalid REST API identifier specified"
        )
    );
    assert_eq!(
        client
            .call("DELETE", &format!("/restapis/{api}"), Value::Null)
            .await
            .status,
        400
    );
    let of_version_2 = client
        .get("/v2/domainnames/api.example.com/apimappings")
        .await
        .ok();
    assert_eq!(of_version_2["items"][1]["apiMappingKey"], "pets");
    for path in ["%28none%29", "pets"] {
        client.get(&format!("{mappings}/{path}")).await.ok();
        assert_eq!(
            client
                .call("DELETE", &format!("{mappings}/{path}"), Value::Null)
                .await
                .status,
            202
        );
        assert_eq!(
            client
                .call("DELETE", &format!("{mappings}/{path}"), Value::Null)
                .await
                .status,
            404
        );
    }
    client.get("/domainnames").await.ok();
    let patches = [("replace", "/mutualTlsAuthentication/truststoreUri", "")];
    let changed = client.patch("/domainnames/api.example.com", &patches).await.ok();
    assert!(changed.get("mutualTlsAuthentication").is_none());
    assert_eq!(
        client
            .call("DELETE", "/domainnames/api.example.com", Value::Null)
            .await
            .status,
        202
    );
    assert_eq!(client.get("/domainnames/api.example.com").await.status, 404);
}

#[tokio::test]
async fn version_2_has_the_same_domains() {
    let client = Client::start().await;
    let (api, _) = deployed(&client, &pets("http://127.0.0.1:9")).await;
    let given = json!({
        "domainName": "api.example.com", "domainNameConfigurations": [{"certificateArn": CERTIFICATE}],
        "tags": {"team": "pets"},
    });
    let made = client.call("POST", "/v2/domainnames", given).await.ok();
    assert_eq!(made["tags"], json!({"team": "pets"}));
    client.get("/domainnames/api.example.com").await.ok();
    let mappings = "/v2/domainnames/api.example.com/apimappings";
    let mapping = json!({ "apiId": api, "stage": "prod", "apiMappingKey": "a/b" });
    let made = client.call("POST", mappings, mapping).await.ok();
    let path = format!("{mappings}/{}", made["apiMappingId"].as_str().unwrap());
    let changed = client
        .call(
            "PATCH",
            &path,
            json!({ "apiId": api, "stage": "prod", "apiMappingKey": "c" }),
        )
        .await
        .ok();
    assert_eq!(changed["apiMappingKey"], "c");
    client.get(&path).await.ok();
    assert_eq!(client.call("DELETE", &path, Value::Null).await.status, 204);
    client.get("/v2/domainnames").await.ok();
    assert_eq!(
        client
            .call("DELETE", "/v2/domainnames/api.example.com", Value::Null)
            .await
            .status,
        204
    );
}

#[tokio::test]
async fn a_domain_serves_what_is_mapped_also_where_the_usual_endpoint_is_off() {
    let (client, upstream) = (Client::start().await, Upstream::start().await);
    let (api, _) = deployed(&client, &pets(&upstream.url)).await;
    let path = format!("/restapis/{api}");
    client
        .patch(&path, &[("replace", "/disableExecuteApiEndpoint", "true")])
        .await
        .ok();
    let deployment = client
        .call("POST", &format!("{path}/deployments"), json!({}))
        .await
        .id();
    let switched = [("replace", "/deploymentId", deployment.as_str())];
    client.patch(&format!("{path}/stages/prod"), &switched).await.ok();
    let given = json!({ "domainName": "api.example.com", "regionalCertificateArn": CERTIFICATE });
    client.call("POST", "/domainnames", given).await.ok();
    let mapping = json!({ "basePath": "shop", "restApiId": api, "stage": "prod" });
    client
        .call("POST", "/domainnames/api.example.com/basepathmappings", mapping)
        .await
        .ok();
    let host = [("host", "api.example.com")];
    let answer = client.ask("GET", "/shop/pets/7", &host).await;
    assert_eq!((answer.status, &answer.body["path"]), (200, &json!("/pets/7")));
    assert_eq!(client.ask("GET", "/shopping/pets", &host).await.status, 403);
    assert_eq!(
        client.ask("GET", &format!("/{api}/prod/pets"), &[]).await.status,
        403
    );
}

/// A snapshot says nothing of it: what is said of the API counts from the next change of a stage on.
#[tokio::test]
async fn whether_the_usual_endpoint_is_off_is_no_part_of_a_snapshot() {
    let (client, upstream) = (Client::start().await, Upstream::start().await);
    let (api, deployment) = deployed(&client, &pets(&upstream.url)).await;
    let path = format!("/restapis/{api}");
    let status = async || {
        client
            .ask("GET", &format!("/{api}/prod/pets/7"), &[])
            .await
            .status
    };
    let off = [("replace", "/disableExecuteApiEndpoint", "true")];
    client.patch(&path, &off).await.ok();
    assert_eq!(status().await, 200);
    let switched = [("replace", "/deploymentId", deployment.as_str())];
    client.patch(&format!("{path}/stages/prod"), &switched).await.ok();
    assert_eq!(status().await, 403);
}

#[tokio::test]
async fn a_domain_that_asks_for_certificates_lets_nobody_in_without() {
    let (client, upstream) = (Client::start().await, Upstream::start().await);
    let (api, _) = deployed(&client, &pets(&upstream.url)).await;
    let given = json!({
        "domainName": "api.example.com", "regionalCertificateArn": CERTIFICATE,
        "mutualTlsAuthentication": {"truststoreUri": "s3://bucket/ca.pem"},
    });
    client.call("POST", "/domainnames", given).await.ok();
    let mapping = json!({ "restApiId": api, "stage": "prod" });
    client
        .call("POST", "/domainnames/api.example.com/basepathmappings", mapping)
        .await
        .ok();
    let host = [("host", "api.example.com")];
    assert_eq!(client.ask("GET", "/pets/7", &host).await.status, 403);
}
