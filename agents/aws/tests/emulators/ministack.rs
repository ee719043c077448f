//! What the deployed documents mean to a data plane that enforces them: MiniStack's.

use gatehouse_connector_conformance::{SECRET_BEGINNING, desired};
use gatehouse_fake_aws::emulators::{Emulator, Importing, function};
use reqwest::{Client, header::AUTHORIZATION};
use serde_json::{Value, json};

use crate::{
    operator::{content, operator},
    upstream::Upstream,
};

/// Lets in who has the token `good`, and asks everybody else to come with one.
const AUTHORIZER: &str = r#"
def handler(event, context):
    if event.get("authorizationToken") != "Bearer good":
        raise Exception("Unauthorized")
    statement = {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": event["methodArn"]}
    return {"principalId": "caller", "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}}
"#;

/// A MiniStack that imports documents, a function there, and an API with policies.
struct World {
    _front: Importing,
    _upstream: Upstream,
    url: String,
}

impl World {
    /// None where MiniStack is not installed.
    async fn with(policies: &Value) -> Option<Self> {
        let ministack = Emulator::MiniStack.start().await.unwrap()?;
        let function = function(ministack.endpoint(), "authorize", AUTHORIZER)
            .await
            .unwrap();
        let front = Importing::in_front_of(ministack).await.unwrap();
        let settings = json!({"oauth2Authorizer": {"functionArn": function}});
        let operator = operator(&front.endpoint(), &front.data_plane(), &settings);
        let upstream = Upstream::start("one").await;
        let deployed = operator
            .deploy(&desired(1, &content(&upstream.url, policies)))
            .await
            .unwrap();
        Some(Self {
            _front: front,
            _upstream: upstream,
            url: deployed.endpoint_urls[0].clone(),
        })
    }

    /// The status of a call with these headers.
    async fn status(&self, headers: &[(&str, &str)]) -> u16 {
        let client = Client::builder().no_proxy().build().unwrap();
        let mut request = client.get(format!("{}/items", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap().status().as_u16()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ministack_asks_the_function_who_may_call() {
    let oauth2 = json!([{"type": "auth.oauth2", "with": {
        "introspectionUrl": "https://login.example.com/introspect", "clientId": "gateway", "clientSecretRef": "login",
    }}]);
    let Some(world) = World::with(&oauth2).await else {
        return;
    };
    assert_eq!(world.status(&[]).await, 401);
    assert_eq!(world.status(&[(AUTHORIZATION.as_str(), "Bearer bad")]).await, 401);
    assert_eq!(
        world.status(&[(AUTHORIZATION.as_str(), "Bearer good")]).await,
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn ministack_counts_the_calls_of_a_key() {
    let limits = json!([{"requests": 2, "per": "second"}]);
    let policies = json!([
        {"type": "auth.apiKey", "with": {"keys": [{"consumer": "shop", "secretRef": "shop-key"}]}},
        {"type": "ratelimit", "with": {"limits": limits, "key": "consumer"}},
    ]);
    let Some(world) = World::with(&policies).await else {
        return;
    };
    let key = format!("{SECRET_BEGINNING}-shop-key");
    assert_eq!(world.status(&[]).await, 403);
    let mut seen = Vec::new();
    while !seen.contains(&429) && seen.len() < 200 {
        seen.push(world.status(&[("x-api-key", &key)]).await);
    }
    assert_eq!((seen.first(), seen.last()), (Some(&200), Some(&429)), "{seen:?}");
}
