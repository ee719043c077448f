//! What documents make of REST APIs: overwrite, merge, export, refusals.

use gatehouse_fake_aws::FakeAwsOptions;
use serde_json::{Value, json};

use crate::client::Client;
use crate::deploy::deployed;
use crate::documents::{document, pets, proxied};

async fn api(client: &Client) -> String {
    client
        .call("POST", "/restapis", json!({ "name": "made" }))
        .await
        .id()
}

/// A document with nearly everything that API Gateway knows.
fn rich() -> Value {
    let function = "arn:aws:lambda:eu-central-1:111111111111:function:auth";
    let uri =
        format!("arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/{function}/invocations");
    let mut operation = proxied("POST", "http://127.0.0.1:9/pets/{id}", &["id"]);
    operation["operationId"] = json!("changePet");
    operation["security"] = json!([{"key": [], "tokens": []}]);
    operation["x-amazon-apigateway-request-validator"] = json!("all");
    operation["requestBody"] =
        json!({"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}});
    operation["x-amazon-apigateway-integration"]["timeoutInMillis"] = json!(5000);
    let mut document = document(
        "Rich",
        &[
            ("/pets/{id}", "post", operation),
            (
                "/{proxy+}",
                "x-amazon-apigateway-any-method",
                proxied("ANY", "http://127.0.0.1:9/{proxy}", &["proxy"]),
            ),
        ],
    );
    document["info"]["description"] = json!("All of it");
    document["components"] = json!({
        "schemas": {
            "Pet": {"type": "object", "properties": {"toy": {"$ref": "#/components/schemas/Toy"}}}, "Toy": {"type": "string"},
        },
        "securitySchemes": {
            "key": {"type": "apiKey", "name": "X-API-Key", "in": "header"},
            "tokens": {
                "type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "custom",
                "x-amazon-apigateway-authorizer": {
                    "type": "token", "authorizerUri": uri, "authorizerResultTtlInSeconds": 60,
                },
            },
        },
    });
    document["x-amazon-apigateway-request-validators"] =
        json!({"all": {"validateRequestBody": true, "validateRequestParameters": true}});
    document["x-amazon-apigateway-gateway-responses"] = json!({
        "DEFAULT_4XX": {"responseParameters": {"gatewayresponse.header.Access-Control-Allow-Origin": "'*'"}},
    });
    document["x-amazon-apigateway-policy"] = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*",
    }]});
    document["x-amazon-apigateway-binary-media-types"] = json!(["image/png"]);
    document
}

#[tokio::test]
async fn everything_in_a_document_becomes_something() {
    let client = Client::start().await;
    let api = api(&client).await;
    let path = format!("/restapis/{api}");
    let put = client
        .call("PUT", &format!("{path}?mode=overwrite"), rich())
        .await
        .ok();
    assert_eq!(
        (&put["name"], &put["description"], &put["version"]),
        (&json!("Rich"), &json!("All of it"), &json!("1.0"))
    );
    // As if it were within another text, and with the ARN of the API.
    let policy = put["policy"].as_str().unwrap().replace("\\\"", "\"");
    let policy: Value = serde_json::from_str(&policy).unwrap();
    let arn = format!("arn:aws:execute-api:eu-central-1:111111111111:{api}/*");
    assert_eq!(policy["Statement"][0]["Resource"], arn);

    let resources = client.get(&format!("{path}/resources?embed=methods")).await.ok();
    let resource = resources["item"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["path"] == "/pets/{id}")
        .unwrap();
    let method = &resource["resourceMethods"]["POST"];
    assert_eq!(
        (&method["authorizationType"], &method["apiKeyRequired"]),
        (&json!("CUSTOM"), &json!(true))
    );
    assert_eq!(
        method["requestParameters"],
        json!({"method.request.path.id": true})
    );
    assert_eq!(method["methodIntegration"]["type"], "HTTP_PROXY");
    assert_eq!(method["requestModels"]["application/json"], "Pet");
    let authorizer = method["authorizerId"].as_str().unwrap();
    let authorizer = client.get(&format!("{path}/authorizers/{authorizer}")).await.ok();
    assert_eq!(
        authorizer["identitySource"],
        "method.request.header.Authorization"
    );

    let bare = client.get(&format!("{path}/resources")).await.ok();
    let resource = bare["item"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["path"] == "/pets/{id}")
        .unwrap();
    assert_eq!(resource["resourceMethods"], json!({"POST": {}}));
    let id = resource["id"].as_str().unwrap();
    client
        .get(&format!("{path}/resources/{id}/methods/POST"))
        .await
        .ok();
    client
        .get(&format!("{path}/resources/{id}/methods/POST/integration"))
        .await
        .ok();
    let missing = client.get(&format!("{path}/resources/{id}/methods/GET")).await;
    assert_eq!(missing.refusal().2, "Invalid Method identifier specified");
}

#[tokio::test]
async fn what_is_overwritten_is_gone() {
    let client = Client::start().await;
    let api = api(&client).await;
    let path = format!("/restapis/{api}?mode=overwrite");
    client.call("PUT", &path, rich()).await.ok();
    let put = client.call("PUT", &path, pets("http://127.0.0.1:9")).await.ok();
    for gone in ["description", "policy", "binaryMediaTypes"] {
        assert!(put.get(gone).is_none(), "{gone}: {put}");
    }
    for list in ["authorizers", "requestvalidators", "models"] {
        let all = client.get(&format!("/restapis/{api}/{list}")).await.ok();
        assert_eq!(all["item"], json!([]), "{list}");
    }
    let resources = client.get(&format!("/restapis/{api}/resources")).await.ok();
    let paths = resources["item"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["path"].as_str().unwrap());
    let mut paths: Vec<&str> = paths.collect();
    paths.sort_unstable();
    assert_eq!(paths, ["/", "/pets", "/pets/{id}"]);
}

#[tokio::test]
async fn merging_changes_the_name_too_and_keeps_the_rest() {
    let client = Client::start().await;
    let api = api(&client).await;
    client
        .call("PUT", &format!("/restapis/{api}?mode=overwrite"), rich())
        .await
        .ok();
    let mut more = pets("http://127.0.0.1:9");
    more["info"]["version"] = json!("2.0");
    more["x-amazon-apigateway-binary-media-types"] = json!(["image/gif"]);
    let put = client
        .call("PUT", &format!("/restapis/{api}?mode=merge"), more)
        .await
        .ok();
    assert_eq!(
        (&put["name"], &put["version"], &put["description"]),
        (&json!("Pets"), &json!("2.0"), &json!("All of it"))
    );
    assert_eq!(put["binaryMediaTypes"], json!(["image/png", "image/gif"]));
    let resources = client
        .get(&format!("/restapis/{api}/resources?embed=methods"))
        .await
        .ok();
    let pet = resources["item"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["path"] == "/pets/{id}")
        .unwrap();
    let methods: Vec<&String> = pet["resourceMethods"].as_object().unwrap().keys().collect();
    assert_eq!(methods, ["GET", "POST"]);
}

#[tokio::test]
async fn an_export_is_the_stages_snapshot_with_what_was_asked_for() {
    let client = Client::start().await;
    let (api, _) = deployed(&client, &rich()).await;
    let exports = format!("/restapis/{api}/stages/prod/exports");
    // What is put and not deployed is not exported.
    client
        .call(
            "PUT",
            &format!("/restapis/{api}?mode=overwrite"),
            pets("http://127.0.0.1:9"),
        )
        .await
        .ok();
    let plain = client.get(&format!("{exports}/oas30")).await;
    assert_eq!(plain.headers["content-type"], "application/octet-stream");
    assert_eq!(
        plain.headers["content-disposition"],
        "attachment; filename=\"oas30_1.0.json\""
    );
    assert!(
        !plain.text.contains("x-amazon-apigateway-integration"),
        "{}",
        plain.text
    );
    let full = client
        .get(&format!("{exports}/oas30?extensions=apigateway"))
        .await
        .body;
    assert_eq!(full["servers"][0]["variables"]["basePath"]["default"], "prod");
    assert_eq!(
        full["servers"][0]["url"],
        format!("https://{api}.execute-api.eu-central-1.amazonaws.com/{{basePath}}")
    );
    let operation = &full["paths"]["/pets/{id}"]["post"];
    assert_eq!(operation["operationId"], "changePet");
    assert_eq!(operation["security"], json!([{"tokens": []}, {"api_key": []}]));
    assert_eq!(operation["x-amazon-apigateway-request-validator"], "all");
    let integration = &operation["x-amazon-apigateway-integration"];
    assert_eq!(
        (&integration["type"], &integration["passthroughBehavior"]),
        (&json!("http_proxy"), &json!("when_no_match"))
    );
    assert_eq!(integration["timeoutInMillis"], 5000);
    let scheme = &full["components"]["securitySchemes"]["tokens"]["x-amazon-apigateway-authorizer"];
    assert_eq!(
        (&scheme["type"], &scheme["authorizerResultTtlInSeconds"]),
        (&json!("token"), &json!(60))
    );
    assert_eq!(
        full["components"]["schemas"]["Pet"]["properties"]["toy"]["$ref"],
        "#/components/schemas/Toy"
    );
    assert!(full["paths"]["/{proxy+}"]["x-amazon-apigateway-any-method"].is_object());
    assert!(full["x-amazon-apigateway-policy"]["Statement"].is_array());
    let some = client
        .get(&format!("{exports}/oas30?extensions=integrations,authorizers"))
        .await
        .body;
    assert!(some["paths"]["/pets/{id}"]["post"]["x-amazon-apigateway-integration"].is_object());
    assert!(some.get("x-amazon-apigateway-policy").is_none());
    let swagger = client
        .get(&format!("{exports}/swagger?extensions=integrations"))
        .await
        .body;
    assert_eq!(
        (&swagger["swagger"], &swagger["basePath"]),
        (&json!("2.0"), &json!("/prod"))
    );
    assert_eq!(
        client
            .get(&format!("/restapis/{api}/stages/none/exports/oas30"))
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn what_is_exported_can_be_put_again() {
    let client = Client::start().await;
    let (api, _) = deployed(&client, &rich()).await;
    let export = format!("/restapis/{api}/stages/prod/exports/oas30?extensions=apigateway");
    let first = client.get(&export).await.body;
    let deployment = crate::deploy::put(&client, &api, &first).await;
    let switched = [("replace", "/deploymentId", deployment.as_str())];
    client
        .patch(&format!("/restapis/{api}/stages/prod"), &switched)
        .await
        .ok();
    assert_eq!(client.get(&export).await.body, first);
}

async fn refused(document: Value) -> String {
    let client = Client::start().await;
    let api = api(&client).await;
    let answer = client
        .call("PUT", &format!("/restapis/{api}?mode=overwrite"), document)
        .await;
    let (status, error, message) = answer.refusal();
    assert_eq!((status, error), (400, "BadRequestException"));
    message.to_owned()
}

#[tokio::test]
async fn documents_that_api_gateway_cannot_take_are_refused() {
    let mut unmapped = proxied("GET", "http://127.0.0.1:9/{id}", &["id"]);
    unmapped["parameters"] = json!([]);
    let said = refused(document("A", &[("/pets/{id}", "get", unmapped)])).await;
    assert_eq!(
        said,
        "Errors found during import:\n\tUnable to put integration on 'GET' for resource at path '/pets/{id}': Invalid \
         mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression parameter \
         specified: method.request.path.id]"
    );
    let get = || proxied("GET", "http://127.0.0.1:9/", &[]);
    let said = refused(document(
        "A",
        &[("/a/{x}", "get", get()), ("/a/{y}/b", "get", get())],
    ))
    .await;
    assert!(
        said.contains("A sibling ({x}) of this resource already has a variable path part"),
        "{said}"
    );
    let said = refused(document("A", &[("/a b", "get", get())])).await;
    assert!(
        said.contains("Resource's path part only allow a-zA-Z0-9._-:"),
        "{said}"
    );
    let mut slow = get();
    slow["x-amazon-apigateway-integration"]["timeoutInMillis"] = json!(60_000);
    let said = refused(document("A", &[("/a", "get", slow)])).await;
    assert!(
        said.contains("Timeout should be between 50 ms and 29000 ms"),
        "{said}"
    );
    let mut named = pets("http://127.0.0.1:9");
    named["components"] = json!({"schemas": {"My-Pet": {}}});
    assert!(
        refused(named)
            .await
            .contains("Model name must be alphanumeric: My-Pet")
    );
    assert_eq!(
        refused(json!({ "openapi": "3.1.0", "info": {"title": "A"}, "paths": {} })).await,
        "Invalid OpenAPI input."
    );
}

#[tokio::test]
async fn an_api_has_at_most_300_resources() {
    let get = || proxied("GET", "http://127.0.0.1:9/", &[]);
    let paths: Vec<String> = (0..300).map(|number| format!("/p{number}")).collect();
    let operations: Vec<_> = paths.iter().map(|path| (path.as_str(), "get", get())).collect();
    let client = Client::start().await;
    let api = api(&client).await;
    let path = format!("/restapis/{api}?mode=overwrite");
    let refused = client.call("PUT", &path, document("Big", &operations)).await;
    let said = "Maximum number of Resources for this API has been reached.  Please contact AWS if you need additional Resources.";
    assert_eq!(refused.refusal(), (429, "LimitExceededException", said));
    client
        .call("PUT", &path, document("Big", &operations[1..]))
        .await
        .ok();

    let raised = Client::with(FakeAwsOptions {
        resources_per_rest_api: 1000,
        ..FakeAwsOptions::default()
    })
    .await;
    raised
        .call("POST", "/restapis?mode=import", document("Big", &operations))
        .await
        .ok();
}

#[tokio::test]
async fn an_api_is_made_by_a_document_alone() {
    let client = Client::start().await;
    let path = "/restapis?mode=import&endpointConfigurationTypes=REGIONAL";
    let made = client.call("POST", path, pets("http://127.0.0.1:9")).await.ok();
    assert_eq!(
        (&made["name"], &made["endpointConfiguration"]["types"]),
        (&json!("Pets"), &json!(["REGIONAL"]))
    );
    assert!(made.get("tags").is_none());
    let id = made["id"].as_str().unwrap();
    assert_eq!(
        client.get(&format!("/restapis/{id}")).await.ok()["tags"],
        json!({})
    );
}

#[tokio::test]
async fn a_security_scheme_without_meaning_is_a_warning() {
    let client = Client::start().await;
    let mut operation = proxied("GET", "http://127.0.0.1:9/", &[]);
    operation["security"] = json!([{"login": ["read"]}]);
    let mut document = document("A", &[("/a", "get", operation)]);
    document["components"] = json!({"securitySchemes": {"login": {"type": "oauth2", "flows": {}}}});
    let made = client
        .call("POST", "/restapis?mode=import", document.clone())
        .await
        .ok();
    assert_eq!(made["warnings"].as_array().unwrap().len(), 1);
    let strict = client
        .call("POST", "/restapis?mode=import&failonwarnings=true", document)
        .await;
    assert!(strict.refusal().2.starts_with("Warnings found during import:"));
}
