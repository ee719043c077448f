//! The connector and LocalStack, which serves what is deployed.

use gatehouse_agent_aws::{ACCESS_KEY_ID, AwsConnector, SECRET_ACCESS_KEY};
use gatehouse_connector_conformance::{Connection, Operator, SECRET_BEGINNING, desired};
use gatehouse_connector_sdk::schemas::observed::Observation;
use gatehouse_fake_aws::emulators::Emulator;
use secrecy::SecretString;
use serde_json::{Value, json};

fn connection(endpoint: &str) -> Connection {
    let settings = json!({
        "region": "eu-central-1", "stage": "live", "kind": "rest",
        "endpointUrl": endpoint, "stsEndpointUrl": endpoint,
        "dataPlaneUrl": format!("{endpoint}/_aws/execute-api/{{api}}/{{stage}}"),
    });
    let keys = [(ACCESS_KEY_ID, "test"), (SECRET_ACCESS_KEY, "test")];
    Connection {
        settings: settings.as_object().cloned().unwrap(),
        credentials: keys
            .map(|(name, value)| (name.to_owned(), SecretString::from(value)))
            .into(),
    }
}

fn content(upstream: &str, policies: &Value) -> Value {
    json!({
        "displayName": "Orders", "version": "v1", "type": "rest", "direction": "ingress",
        "basePath": "/orders/v1",
        "upstreams": {"main": {"url": upstream, "timeoutMs": 3000, "connectTimeoutMs": 1000}},
        "policies": policies,
        "operations": [
            {"id": "root", "match": {"method": "GET", "path": "/"}},
            {"id": "listItems", "match": {"method": "GET", "path": "/items"}},
            {"id": "getItem", "match": {"method": "GET", "path": "/items/{id}"}},
        ],
    })
}

async fn upstream() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = axum::Router::new().fallback(|uri: axum::http::Uri| async move { format!("upstream {uri}") });
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    format!("http://{address}/base")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_is_deployed_called_updated_put_back_and_removed() {
    let Some(localstack) = Emulator::LocalStack.start().await.unwrap() else {
        return;
    };
    let operator = Operator::new(AwsConnector::new(), connection(localstack.endpoint()));
    let upstream = upstream().await;
    let open = desired(1, &content(&upstream, &json!([])));
    let deployed = operator.deploy(&open).await.unwrap();
    assert_eq!(deployed.observed, open.fingerprint);
    let http = reqwest::Client::new();
    let base = deployed.endpoint_urls[0].clone();
    let get = async |path: &str, key: Option<&str>| {
        let mut request = http.get(format!("{base}{path}"));
        if let Some(key) = key {
            request = request.header("x-api-key", key);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    println!("{:?}", get("/items/7?a=b", None).await);
    let observed = operator.observed(&open).await.unwrap();
    assert_eq!(observed.fingerprint, open.fingerprint);

    let keyed = json!([{"type": "auth.apiKey", "with": {"in": "header", "name": "x-api-key", "forward": false,
        "keys": [{"consumer": "shop", "secretRef": "shop-key"}]}}]);
    let closed = desired(2, &content(&upstream, &keyed));
    operator.deploy(&closed).await.unwrap();
    println!("{:?}", get("/items/7", None).await);
    let key = format!("{SECRET_BEGINNING}-shop-key");
    println!("{:?}", get("/items/7", Some(&key)).await);
    assert_eq!(
        operator.observed(&closed).await.unwrap().fingerprint,
        closed.fingerprint
    );
    operator.deploy(&open).await.unwrap();
    println!("{:?}", get("/items/7", None).await);
    operator.undeploy(&open, None).await.unwrap();
    assert_eq!(operator.observe(&open).await.unwrap(), Observation::Absent);
}
