//! What is too large for AWS is refused before any call.

use expect_test::expect;
use gatehouse_connector_conformance::desired;
use gatehouse_connector_sdk::{
    error::ErrorKind,
    schemas::{canonical::Fingerprint, desired::DesiredApi},
};
use serde_json::{Value, json};

use super::scene::Scene;

/// Words that cannot be said in fewer letters.
fn wordy(scene: &Scene, words: u32) -> DesiredApi {
    let mut content: Value = serde_json::to_value(scene.revision(1).content).unwrap();
    let words: Vec<String> = (0..words)
        .map(|number| Fingerprint::of_value(&json!(number)).0)
        .collect();
    content["upstreams"]["main"]["url"] = json!("https://orders.internal");
    content["policies"] = json!([{"type": "request.validate", "with": {}}]);
    content["operations"][0]["policies"] =
        json!([{"type": "request.validate", "with": {"bodySchema": {"type": "string", "enum": words}}}]);
    desired(1, &content)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_the_stage_cannot_remember_is_refused_before_any_call() {
    let scene = Scene::rest().await;
    let request = scene.planned(&wordy(&scene, 2_000)).await;
    scene.aws.forget_calls();
    let error = scene.carry_out(&request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    expect!["`orders` is too large: what is applied is kept in variables of the stage, packed, where it takes 105774 characters of 38400 that there are; make it several APIs, take the largest `bodySchema` out, or keep fewer deployments (`keptDeployments`)"].assert_eq(&scene.text(&error));
    assert_eq!(scene.calls(), Vec::<String>::new());
}
