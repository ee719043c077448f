//! What goes wrong with a Kong: each with its exit code and words that name the object and what to do.

use gatehouse_fake_kong::{FakeKongOptions, Plugins};
use gatehouse_integration_tests::{
    cli::Outcome,
    kong::{Kong, READER_VARIABLE, WRONG_VARIABLE, environment},
    stack::{api, api_key_policy, secret},
    upstream::Upstream,
};
use serde_json::{Value, json};

use super::{World, orders, with_key};

async fn world(options: FakeKongOptions) -> World {
    World::start(Kong::fake(options).await).await
}

impl World {
    /// The environment `kong` with the token in another variable.
    async fn with_token_of(&self, variable: &str) {
        let mut document = self.kong.environment("kong");
        document["spec"]["credentials"]["adminToken"]["env"] = json!(variable);
        self.register(&document).await.expect_code(0);
    }

    /// Deploys an API to the environment `kong`, and waits a little.
    async fn deploy(&self, document: Value) -> Outcome {
        let name = document["metadata"]["name"].as_str().unwrap().to_owned();
        self.admin.apply(with_key(document)).await;
        self.run(&format!("deploy {name} --to kong --wait")).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_and_one_that_may_only_read() {
    let world = world(FakeKongOptions::default()).await;
    world.with_token_of(WRONG_VARIABLE).await;
    let wrong = "correct the credential `adminToken` of the environment, or its setting `tokenHeader`";
    world
        .run("env check kong")
        .await
        .expect_code(1)
        .expect_said(wrong);
    world
        .run("discover kong --wait")
        .await
        .expect_code(1)
        .expect_said("the Kong of environment `kong` refused to read the node's information with 401")
        .expect_said(wrong);
    let upstream = Upstream::start("mine").await;
    world
        .deploy(orders(&upstream))
        .await
        .expect_code(1)
        .expect_said(wrong);

    world.with_token_of(READER_VARIABLE).await;
    world
        .run("env check kong")
        .await
        .expect_code(1)
        .expect_said("the credential may read services")
        .expect_said("the credential may not change services, which the mode needs; give it a role that may");
    world
        .deploy(orders(&upstream))
        .await
        .expect_code(1)
        .expect_said("403")
        .expect_said("give the token a role that may do this, or choose another mode for the environment");
    assert!(world.kong.everything().await.is_empty());
    // What it may is enough to look.
    let mut document = world.kong.environment("kong");
    document["spec"]["credentials"]["adminToken"]["env"] = json!(READER_VARIABLE);
    document["spec"]["mode"] = json!("read-only");
    world.register(&document).await.expect_code(0);
    world
        .run("env check kong")
        .await
        .expect_code(0)
        .expect_said("the credential may not change services, and the mode does not need it");
    world.run("discover kong --wait").await.expect_code(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kong_that_is_down() {
    let mut world = world(FakeKongOptions::default()).await;
    let admin_url = world.kong.admin_url.clone();
    world.kong.fake = None;
    let said = format!(
        "did not answer the call to read the node's information; see that its Admin API is at {admin_url}"
    );
    world
        .run("env check kong")
        .await
        .expect_code(1)
        .expect_said(&said);
    world
        .run("discover kong --wait")
        .await
        .expect_code(1)
        .expect_said(&said);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_of_others_with_the_same_name_or_the_same_path_stays_as_it_is() {
    let world = world(FakeKongOptions::default()).await;
    let (mine, other) = (Upstream::start("mine").await, Upstream::start("other").await);
    let id = world.theirs("orders", &other).await;
    let before = world.kong.everything().await;
    world
        .deploy(orders(&mine))
        .await
        .expect_code(1)
        .expect_said(&format!(
            "Kong has a service `orders` ({id}) that does not carry our mark and stays as it is"
        ))
        .expect_said("rename or remove it there, import and adopt it, or give the API another name");
    let mut invoices = api("invoices", &mine.url());
    invoices["spec"]["basePath"] = json!("/orders");
    world
        .deploy(invoices)
        .await
        .expect_code(1)
        .expect_said(
            "of service `orders` takes any method of `/orders` on any host is in the way of `invoices`",
        )
        .expect_said("remove it on Kong, import and adopt it, or choose another base path");
    assert_eq!(world.kong.everything().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn plugins_that_are_not_enabled_and_those_of_kong_enterprise() {
    let plugins = ["key-auth", "acl", "request-termination", "request-transformer"].map(str::to_owned);
    let options = FakeKongOptions {
        plugins: Plugins::Only(plugins.into()),
        ..FakeKongOptions::default()
    };
    let world = world(options).await;
    let mine = Upstream::start("mine").await;
    world
        .run("env check kong")
        .await
        .expect_code(0)
        .expect_said("`cors`")
        .expect_said("cannot be deployed; add them to `plugins` in kong.conf and restart Kong");
    world
        .deploy(orders(&mine))
        .await
        .expect_code(1)
        .expect_said("`orders` needs the plugin `cors`, which this Kong (open source) does not have")
        .expect_said("add it to `plugins` in kong.conf and restart Kong, or take the policy away");

    let mut asked = api("asked", &mine.url());
    asked["spec"]["policies"] = json!([{"type": "auth.oauth2", "with": {
        "introspectionUrl": "https://login.example.com/introspect", "clientId": "gateway", "clientSecretRef": "shop-key",
    }}]);
    world
        .deploy(asked)
        .await
        .expect_code(1)
        .expect_said("`asked` needs the plugin `openid-connect`, which this Kong (open source) does not have")
        .expect_said("it comes with Kong Enterprise and Konnect only; take the policy away, or deploy it to one of those");
    assert!(world.kong.everything().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_lead_nowhere() {
    let world = world(FakeKongOptions::default()).await;
    world
        .register(&environment(
            "misspelt",
            &json!({"deployment": "self-managed", "adminURL": "http://127.0.0.1:8001"}),
        ))
        .await
        .expect_code(3)
        .expect_said("adminURL");
    world
        .register(&environment("other", &json!({"deployment": "hosted"})))
        .await
        .expect_code(3)
        .expect_said("deployment");
    world
        .register(&environment(
            "konnect",
            &json!({"deployment": "konnect", "region": "eu"}),
        ))
        .await
        .expect_code(0);
    world.run("env check konnect").await.expect_code(1).expect_said(
        "a Kong that is `konnect` needs `controlPlane`; add it to `spec.settings` of environment `konnect`",
    );
    world
        .register(&environment("nowhere", &json!({"deployment": "self-managed"})))
        .await
        .expect_code(0);
    world.run("env check nowhere").await.expect_code(1).expect_said(
        "a Kong that is `self-managed` needs `adminUrl`; add it to `spec.settings` of environment `nowhere`",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_another_consumer_has() {
    let world = world(FakeKongOptions::default()).await;
    world
        .kong
        .make("/consumers", &json!({"username": "theirs"}))
        .await;
    world
        .kong
        .make(
            "/consumers/theirs/key-auth",
            &json!({"key": "taken-key-of-others"}),
        )
        .await;
    let before = world.kong.everything().await;
    let mine = Upstream::start("mine").await;
    let mut document = api("orders", &mine.url());
    document["spec"]["policies"] = json!([api_key_policy("shop", "shop-key")]);
    world
        .admin
        .apply(json!([secret("shop-key", "taken-key-of-others"), document]))
        .await;
    let refused = world.run("deploy orders --to kong --wait").await.expect_code(1);
    assert!(!format!("{}{}", refused.stdout, refused.stderr).contains("taken-key-of-others"));
    refused.expect_said("consumer");
    world
        .run("undeploy orders --from kong --wait")
        .await
        .expect_code(0);
    assert_eq!(world.kong.everything().await, before);
}
