//! A domain name of the account that leads elsewhere than was said.

use serde_json::{Value, json};

use super::scene::{Scene, options};

const NAME: &str = "api.example.com";

#[tokio::test(flavor = "multi_thread")]
async fn a_path_of_the_domain_name_that_somebody_removed_is_drift_and_led_anew() {
    for kind in ["rest", "http"] {
        let scene = Scene::of(options(), &json!({"kind": kind, "domainName": NAME})).await;
        let domain = json!({"domainName": NAME, "domainNameConfigurations": [{"endpointType": "REGIONAL",
            "certificateArn": "arn:aws:acm:eu-central-1:111111111111:certificate/one", "securityPolicy": "TLS_1_2"}]});
        scene.call("POST", "/v2/domainnames", &domain);
        let desired = scene.revision(1);
        scene.deploy(&desired).await;
        let path = format!("/v2/domainnames/{NAME}/apimappings");
        let mappings = scene.call("GET", &path, &Value::Null);
        let mapping = mappings["items"][0]["apiMappingId"].as_str().unwrap();
        scene.call("DELETE", &format!("{path}/{mapping}"), &Value::Null);
        let observed = scene.operator.observed(&desired).await.unwrap();
        assert_ne!(observed.fingerprint, desired.fingerprint, "it is told as drift");
        scene.deploy(&desired).await;
        let mappings = scene.call("GET", &path, &Value::Null);
        assert_eq!(mappings["items"].as_array().unwrap().len(), 1);
        assert_eq!(mappings["items"][0]["apiMappingKey"], json!("orders"));
    }
}
