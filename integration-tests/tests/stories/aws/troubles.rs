//! What goes wrong with AWS: each with its exit code and words that name the object and what to do.

use gatehouse_integration_tests::{aws::Aws, stack::secret, upstream::Upstream};
use serde_json::{Value, json};

use super::{KEY, World, orders, theirs};

impl World {
    /// The environment `aws` with other settings, and with static keys out of a variable of the agent.
    async fn environment(&self, settings: &Value, key_variable: Option<&str>) -> Value {
        let mut document = self.aws.environment("aws");
        for (name, value) in settings.as_object().unwrap() {
            document["spec"]["settings"][name] = value.clone();
        }
        if let Some(variable) = key_variable {
            let secret = json!({"env": "AWS_SECRET_ACCESS_KEY"});
            document["spec"]["credentials"] =
                json!({"accessKeyId": {"env": variable}, "secretAccessKey": secret});
        }
        document
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_are_misspelt_missing_or_of_another_form() {
    let world = World::start(Aws::fake().await).await;
    for (settings, said) in [
        (json!({"regoin": "eu-central-1"}), "did you mean `region`?"),
        (json!({"region": "Frankfurt"}), "/spec/settings/region"),
        (json!({"kind": "REST"}), "/spec/settings/kind"),
        (json!({"endpointType": "public"}), "/spec/settings/endpointType"),
        (json!({"roleArn": "gatehouse"}), "/spec/settings/roleArn"),
    ] {
        let document = world.environment(&settings, None).await;
        world.register(&document).await.expect_code(3).expect_said(said);
    }
    let mut document = world.aws.environment("aws");
    document["spec"]["settings"]
        .as_object_mut()
        .unwrap()
        .remove("stage");
    world
        .register(&document)
        .await
        .expect_code(3)
        .expect_said("setting `stage` is missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_wrong_one_that_may_only_read_and_one_half_of_a_key() {
    let world = World::start(Aws::fake().await).await;
    let mine = Upstream::start("mine").await;
    world
        .admin
        .apply(json!([secret("shop-key", KEY.1), orders(&mine)]))
        .await;

    let wrong = "AWS does not know the access key in this region";
    let document = world.environment(&json!({}), Some("AWS_WRONG_KEY_ID")).await;
    world.register(&document).await.expect_code(0);
    world.run("env check aws").await.expect_code(1).expect_said(wrong);
    world
        .run("discover aws --wait")
        .await
        .expect_code(1)
        .expect_said(wrong);
    world
        .run("deploy orders --to aws --wait")
        .await
        .expect_code(1)
        .expect_said(wrong);

    let document = world.environment(&json!({}), Some("AWS_READER_KEY_ID")).await;
    world.register(&document).await.expect_code(0);
    world
        .run("env check aws")
        .await
        .expect_code(1)
        .expect_said("IAM allows to read APIs and usage plans")
        .expect_said("IAM does not allow `apigateway:POST on /restapis`")
        .expect_said("attach the policy that `gatehouse env permissions` prints");
    world
        .run("deploy orders --to aws --wait")
        .await
        .expect_code(1)
        .expect_said("AccessDenied")
        .expect_said("of the policy that `gatehouse env permissions` prints allows it; attach that policy");
    let mut document = world.environment(&json!({}), Some("AWS_READER_KEY_ID")).await;
    document["spec"]["mode"] = json!("read-only");
    world.register(&document).await.expect_code(0);
    world
        .run("env check aws")
        .await
        .expect_code(0)
        .expect_said("IAM allows to change nothing, and the mode does not need it");
    world.run("discover aws --wait").await.expect_code(0);

    let mut document = world.environment(&json!({}), Some("AWS_READER_KEY_ID")).await;
    document["spec"]["credentials"]
        .as_object_mut()
        .unwrap()
        .remove("secretAccessKey");
    world.register(&document).await.expect_code(0);
    world
        .run("env check aws")
        .await
        .expect_code(1)
        .expect_said("environment `aws` names one half of an access key; add `secretAccessKey`");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_not_be_assumed() {
    let world = World::start(Aws::fake().await).await;
    let role = "arn:aws:iam::111111111111:role/gatehouse";
    let document = world.environment(&json!({"roleArn": role}), None).await;
    world.register(&document).await.expect_code(0);
    world
        .run("env check aws")
        .await
        .expect_code(1)
        .expect_said("AWS refused AssumeRole of the environment's role (`roleArn`)")
        .expect_said("let the role's trust policy name this identity");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_nobody_answers_at() {
    let world = World::start(Aws::fake().await).await;
    let nowhere = format!("http://{}", gatehouse_integration_tests::ports::free_address());
    let settings = json!({"endpointUrl": nowhere, "stsEndpointUrl": nowhere});
    let document = world.environment(&settings, None).await;
    world.register(&document).await.expect_code(0);
    let said = "cannot be reached";
    for command in ["env check aws", "discover aws --wait"] {
        world
            .run(command)
            .await
            .expect_code(1)
            .expect_said(said)
            .expect_said("see that the region is right");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_cannot_be_a_key_and_an_api_that_is_not_ours() {
    let world = World::start(Aws::fake().await).await;
    let mine = Upstream::start("mine").await;
    world
        .admin
        .apply(json!([secret("shop-key", "too-short"), orders(&mine)]))
        .await;
    let refused = world.run("deploy orders --to aws --wait").await.expect_code(1);
    assert!(!format!("{}{}", refused.stdout, refused.stderr).contains("too-short"));
    refused.expect_said(
        "the secret `shop-key` of `orders` cannot be an API key of AWS, which takes 20 to 128 characters",
    );

    // Names are free on AWS: an API of others with the same name is another one, and stays.
    let id = world
        .aws
        .make(&theirs("orders", &mine, &[("get", "/items/{id}")]), "live");
    let theirs_url = format!("{}/items/1", world.aws.url_of(&id));
    let url = world.deploy(&orders(&mine)).await;
    assert_ne!(url, world.aws.url_of(&id));
    assert_eq!(world.status(reqwest::Method::GET, &theirs_url, &[]).await, 200);
}
