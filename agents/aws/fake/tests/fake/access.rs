//! Who may call: access keys, sessions, policies, regions, and STS.

use gatehouse_fake_aws::{AccessKey, FakeAwsOptions, Role};
use serde_json::{Value, json};

use crate::client::{Client, KEY};

const READ_ONLY: &str =
    r#"{"Statement": [{"Effect": "Allow", "Action": "apigateway:GET", "Resource": "*"}]}"#;
const ROLE: &str = "arn:aws:iam::222222222222:role/path/gatehouse";

async fn client() -> Client {
    let role = Role {
        arn: ROLE.to_owned(),
        external_id: Some("agreed".to_owned()),
        policy: Some(READ_ONLY.to_owned()),
    };
    let keys = vec![
        AccessKey::new(KEY),
        AccessKey::new("AKIAREADER").with_policy(READ_ONLY),
        AccessKey::new("ASIATEMPORARY").with_session_token("token"),
        AccessKey::new("ASIAEXPIRED")
            .with_session_token("token")
            .expired(),
        AccessKey::new("AKIAOTHER").in_account("333333333333"),
    ];
    Client::with(FakeAwsOptions {
        access_keys: keys,
        roles: vec![role],
        ..FakeAwsOptions::default()
    })
    .await
}

#[tokio::test]
async fn a_key_that_nobody_knows_is_refused() {
    let mut client = client().await;
    client.access_key = "AKIANOBODY".to_owned();
    let said = "The security token included in the request is invalid.";
    assert_eq!(
        client.get("/restapis").await.refusal(),
        (403, "UnrecognizedClientException", said)
    );
    client.access_key = "ASIATEMPORARY".to_owned();
    assert_eq!(
        client.get("/restapis").await.refusal().1,
        "UnrecognizedClientException"
    );
    client.token = Some("token".to_owned());
    assert_eq!(client.get("/restapis").await.status, 200);
    client.access_key = "ASIAEXPIRED".to_owned();
    let said = "The security token included in the request is expired";
    assert_eq!(
        client.get("/restapis").await.refusal(),
        (403, "ExpiredTokenException", said)
    );
}

#[tokio::test]
async fn who_may_only_read_is_told_what_is_missing() {
    let mut client = client().await;
    client.access_key = "AKIAREADER".to_owned();
    assert_eq!(client.get("/restapis").await.status, 200);
    let refused = client.call("POST", "/restapis", json!({ "name": "a" })).await;
    let said = "User: arn:aws:iam::111111111111:user/AKIAREADER is not authorized to perform: apigateway:POST on \
                resource: arn:aws:apigateway:eu-central-1::/restapis because no identity-based policy allows the \
                apigateway:POST action";
    assert_eq!(refused.refusal(), (403, "AccessDeniedException", said));
    let refused = client
        .call("POST", "/v2/apis", json!({ "name": "a", "protocolType": "HTTP" }))
        .await;
    assert!(
        refused
            .refusal()
            .2
            .contains("resource: arn:aws:apigateway:eu-central-1::/apis because")
    );
}

#[tokio::test]
async fn regions_and_accounts_see_their_own() {
    let mut client = client().await;
    let api = client
        .call("POST", "/restapis", json!({ "name": "a" }))
        .await
        .id();
    let path = format!("/restapis/{api}");
    assert_eq!(client.get(&path).await.status, 200);
    client.region = "us-east-1".to_owned();
    let said = format!("Invalid API identifier specified 111111111111:{api}");
    assert_eq!(
        client.get(&path).await.refusal(),
        (404, "NotFoundException", said.as_str())
    );
    client.region = "eu-central-1".to_owned();
    client.access_key = "AKIAOTHER".to_owned();
    let said = format!("Invalid API identifier specified 333333333333:{api}");
    assert_eq!(
        client.get(&path).await.refusal(),
        (404, "NotFoundException", said.as_str())
    );
}

#[tokio::test]
async fn a_policy_that_leaves_resource_policies_out_refuses_documents_with_one() {
    let policy = r#"{"Statement": [{"Effect": "Allow", "Action": ["apigateway:POST", "apigateway:PUT"], "Resource": "*"}]}"#;
    let client = Client::with(FakeAwsOptions {
        access_keys: vec![AccessKey::new(KEY).with_policy(policy)],
        ..FakeAwsOptions::default()
    })
    .await;
    let api = client
        .call("POST", "/restapis", json!({ "name": "a" }))
        .await
        .id();
    let mut document = crate::documents::pets("http://127.0.0.1");
    let path = format!("/restapis/{api}?mode=overwrite");
    assert_eq!(client.call("PUT", &path, document.clone()).await.status, 200);
    document["x-amazon-apigateway-policy"] = json!({ "Statement": [] });
    let refused = client.call("PUT", &path, document).await;
    assert!(refused.refusal().2.contains("apigateway:UpdateRestApiPolicy"));
}

fn between<'a>(text: &'a str, name: &str) -> &'a str {
    let (_, rest) = text.split_once(&format!("<{name}>")).unwrap();
    rest.split_once(&format!("</{name}>")).unwrap().0
}

#[tokio::test]
async fn sts_says_who_calls_and_lends_a_role() {
    let mut client = client().await;
    let who = client.form("Action=GetCallerIdentity&Version=2011-06-15").await;
    assert_eq!(
        between(&who.1, "Arn"),
        format!("arn:aws:iam::111111111111:user/{KEY}")
    );
    assert_eq!(between(&who.1, "Account"), "111111111111");

    let form = |id: &str| {
        let arn = ROLE.replace(':', "%3A").replace('/', "%2F");
        format!("Action=AssumeRole&Version=2011-06-15&RoleArn={arn}&RoleSessionName=tests&ExternalId={id}")
    };
    let refused = client.form(&form("wrong")).await;
    assert_eq!((refused.0, between(&refused.1, "Code")), (403, "AccessDenied"));
    assert!(
        between(&refused.1, "Message").contains("is not authorized to perform: sts:AssumeRole on resource")
    );

    let lent = client.form(&form("agreed")).await;
    client.access_key = between(&lent.1, "AccessKeyId").to_owned();
    client.token = Some(between(&lent.1, "SessionToken").to_owned());
    let who = client.form("Action=GetCallerIdentity&Version=2011-06-15").await;
    assert_eq!(
        between(&who.1, "Arn"),
        "arn:aws:sts::222222222222:assumed-role/gatehouse/tests"
    );
    assert_eq!(client.get("/restapis").await.status, 200);
    assert_eq!(
        client
            .call("POST", "/restapis", json!({ "name": "a" }))
            .await
            .status,
        403
    );

    client.access_key = "AKIANOBODY".to_owned();
    let refused = client.form("Action=GetCallerIdentity&Version=2011-06-15").await;
    assert_eq!(
        (refused.0, between(&refused.1, "Code")),
        (403, "InvalidClientTokenId")
    );
}

#[tokio::test]
async fn a_call_without_a_signature_is_refused() {
    let client = client().await;
    let (status, body) = client.raw("GET", "/restapis", Value::Null).await;
    assert_eq!(
        (status, &body["message"]),
        (403, &json!("Missing Authentication Token"))
    );
}
