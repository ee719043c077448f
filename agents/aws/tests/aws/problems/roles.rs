//! Roles that are assumed, and those that cannot be.

use expect_test::expect;
use gatehouse_connector_sdk::connector::{CheckSeverity, Connector as _};
use gatehouse_fake_aws::{FakeAwsOptions, Fault, Role};
use serde_json::{Value, json};

use super::{
    credentials::check,
    scene::{KEY, Scene, options},
};

const ROLE: &str = "arn:aws:iam::111111111111:role/gatehouse";

fn accounts(policy: Option<&str>) -> FakeAwsOptions {
    FakeAwsOptions {
        roles: vec![Role {
            arn: ROLE.to_owned(),
            external_id: Some("contract-7".to_owned()),
            policy: policy.map(str::to_owned),
        }],
        ..options()
    }
}

fn role(arn: &str, external_id: &str) -> Value {
    json!({"roleArn": arn, "externalId": external_id, "roleSessionName": "live"})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_assumed_with_its_external_id() {
    let scene = Scene::of(accounts(None), &json!({"kind": "rest"})).await;
    let operator = scene.another(&role(ROLE, "contract-7"), (KEY, None));
    let report = operator.connector.check(&operator.context).await.unwrap();
    let worst = report.findings.iter().map(|finding| finding.severity).max();
    assert_eq!(worst, Some(CheckSeverity::Ok), "{report:?}");
    let identity = "the credentials are those of arn:aws:sts::111111111111:assumed-role/gatehouse/live in account 111111111111, region eu-central-1";
    assert_eq!(report.findings[0].message, identity);
    let deployed = operator.deploy(&scene.revision(1)).await.unwrap();
    assert_eq!(scene.served(&deployed).await, "200 /revision-1/items");
    let keys: Vec<String> = scene
        .aws
        .calls()
        .into_iter()
        .map(|call| call.access_key)
        .collect();
    let assuming = keys.iter().filter(|key| *key == KEY).count();
    assert_eq!(assuming, 1, "the session is kept: {keys:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_with_another_external_id_is_told_with_its_settings() {
    let scene = Scene::of(accounts(None), &json!({"kind": "rest"})).await;
    let wrong = scene.another(&role(ROLE, "contract-8"), (KEY, None));
    check(&scene, &wrong, expect![[r#"
        check: Error: AWS refused AssumeRole of the environment's role (`roleArn`) in environment `under-test` (eu-central-1) with 403 AccessDenied: User: arn:aws:iam::111111111111:user/AKIAEVERYTHING000000 is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::111111111111:role/gatehouse; let the role's trust policy name this identity and the environment's `externalId`, and let the identity assume it; or correct `roleArn` and `externalId`
        discover: Forbidden: AWS refused AssumeRole of the environment's role (`roleArn`) in environment `under-test` (eu-central-1) with 403 AccessDenied: User: arn:aws:iam::111111111111:user/AKIAEVERYTHING000000 is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::111111111111:role/gatehouse; let the role's trust policy name this identity and the environment's `externalId`, and let the identity assume it; or correct `roleArn` and `externalId`
        observe: Forbidden: AWS refused AssumeRole of the environment's role (`roleArn`) in environment `under-test` (eu-central-1) with 403 AccessDenied: User: arn:aws:iam::111111111111:user/AKIAEVERYTHING000000 is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::111111111111:role/gatehouse; let the role's trust policy name this identity and the environment's `externalId`, and let the identity assume it; or correct `roleArn` and `externalId`
        deploy: Forbidden: AWS refused AssumeRole of the environment's role (`roleArn`) in environment `under-test` (eu-central-1) with 403 AccessDenied: User: arn:aws:iam::111111111111:user/AKIAEVERYTHING000000 is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::111111111111:role/gatehouse; let the role's trust policy name this identity and the environment's `externalId`, and let the identity assume it; or correct `roleArn` and `externalId`
        undeploy: Forbidden: AWS refused AssumeRole of the environment's role (`roleArn`) in environment `under-test` (eu-central-1) with 403 AccessDenied: User: arn:aws:iam::111111111111:user/AKIAEVERYTHING000000 is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::111111111111:role/gatehouse; let the role's trust policy name this identity and the environment's `externalId`, and let the identity assume it; or correct `roleArn` and `externalId`
        served: 200 /revision-1/items"#]]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_is_not_there_is_told_with_its_settings() {
    let scene = Scene::of(accounts(None), &json!({"kind": "rest"})).await;
    let wrong = scene.another(
        &role("arn:aws:iam::111111111111:role/other", "contract-7"),
        (KEY, None),
    );
    check(&scene, &wrong, expect![[r#"
        check: Error: AWS refused AssumeRole of the environment's role (`roleArn`) in environment `under-test` (eu-central-1) with 403 AccessDenied: User: arn:aws:iam::111111111111:user/AKIAEVERYTHING000000 is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::111111111111:role/other; let the role's trust policy name this identity and the environment's `externalId`, and let the identity assume it; or correct `roleArn` and `externalId`
        discover: Forbidden: AWS refused AssumeRole of the environment's role (`roleArn`) in environment `under-test` (eu-central-1) with 403 AccessDenied: User: arn:aws:iam::111111111111:user/AKIAEVERYTHING000000 is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::111111111111:role/other; let the role's trust policy name this identity and the environment's `externalId`, and let the identity assume it; or correct `roleArn` and `externalId`
        observe: Forbidden: AWS refused AssumeRole of the environment's role (`roleArn`) in environment `under-test` (eu-central-1) with 403 AccessDenied: User: arn:aws:iam::111111111111:user/AKIAEVERYTHING000000 is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::111111111111:role/other; let the role's trust policy name this identity and the environment's `externalId`, and let the identity assume it; or correct `roleArn` and `externalId`
        deploy: Forbidden: AWS refused AssumeRole of the environment's role (`roleArn`) in environment `under-test` (eu-central-1) with 403 AccessDenied: User: arn:aws:iam::111111111111:user/AKIAEVERYTHING000000 is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::111111111111:role/other; let the role's trust policy name this identity and the environment's `externalId`, and let the identity assume it; or correct `roleArn` and `externalId`
        undeploy: Forbidden: AWS refused AssumeRole of the environment's role (`roleArn`) in environment `under-test` (eu-central-1) with 403 AccessDenied: User: arn:aws:iam::111111111111:user/AKIAEVERYTHING000000 is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::111111111111:role/other; let the role's trust policy name this identity and the environment's `externalId`, and let the identity assume it; or correct `roleArn` and `externalId`
        served: 200 /revision-1/items"#]]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_for_keys_that_nobody_knows_is_told_as_that() {
    let scene = Scene::of(accounts(None), &json!({"kind": "rest"})).await;
    let wrong = scene.another(&role(ROLE, "contract-7"), ("AKIAUNKNOWN000000000", None));
    check(&scene, &wrong, expect![[r#"
        check: Error: AWS refused AssumeRole of the environment's role (`roleArn`) in environment `under-test` (eu-central-1) with 403 InvalidClientTokenId: The security token included in the request is invalid; AWS does not know the access key in this region, or not with this session token; correct the credentials or `region`
        discover: Unauthorized: AWS refused AssumeRole of the environment's role (`roleArn`) in environment `under-test` (eu-central-1) with 403 InvalidClientTokenId: The security token included in the request is invalid; AWS does not know the access key in this region, or not with this session token; correct the credentials or `region`
        observe: Unauthorized: AWS refused AssumeRole of the environment's role (`roleArn`) in environment `under-test` (eu-central-1) with 403 InvalidClientTokenId: The security token included in the request is invalid; AWS does not know the access key in this region, or not with this session token; correct the credentials or `region`
        deploy: Unauthorized: AWS refused AssumeRole of the environment's role (`roleArn`) in environment `under-test` (eu-central-1) with 403 InvalidClientTokenId: The security token included in the request is invalid; AWS does not know the access key in this region, or not with this session token; correct the credentials or `region`
        undeploy: Unauthorized: AWS refused AssumeRole of the environment's role (`roleArn`) in environment `under-test` (eu-central-1) with 403 InvalidClientTokenId: The security token included in the request is invalid; AWS does not know the access key in this region, or not with this session token; correct the credentials or `region`
        served: 200 /revision-1/items"#]]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_do_nothing_is_told_the_statement_that_it_lacks() {
    let scene = Scene::of(accounts(Some(r#"{"Statement": []}"#)), &json!({"kind": "rest"})).await;
    let wrong = scene.another(&role(ROLE, "contract-7"), (KEY, None));
    let error = wrong.observe(&scene.revision(1)).await.unwrap_err();
    expect!["AWS refused GetRestApis of the REST APIs in environment `under-test` (eu-central-1) with 403 AccessDeniedException: User: arn:aws:sts::111111111111:assumed-role/gatehouse/live is not authorized to perform: apigateway:GET on resource: arn:aws:apigateway:eu-central-1::/restapis because no identity-based policy allows the apigateway:GET action; the statement `Read` of the policy that `gatehouse env permissions` prints allows it; attach that policy to this identity"].assert_eq(&scene.text(&error));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_sts_that_answers_nobody_is_told_with_its_setting() {
    let scene = Scene::of(accounts(None), &json!({"kind": "rest"})).await;
    let mut settings = role(ROLE, "contract-7");
    settings["stsEndpointUrl"] = json!("http://127.0.0.1:9");
    let wrong = scene.another(&settings, (KEY, None));
    check(&scene, &wrong, expect![[r#"
        check: Unavailable: STS in `eu-central-1` cannot be reached for AssumeRole of the environment's role (`roleArn`) in environment `under-test`; see that the region is right and the agent reaches its endpoint (`spec.settings.region`, `stsEndpointUrl`)
        discover: Unavailable: STS in `eu-central-1` cannot be reached for AssumeRole of the environment's role (`roleArn`) in environment `under-test`; see that the region is right and the agent reaches its endpoint (`spec.settings.region`, `stsEndpointUrl`)
        observe: Unavailable: STS in `eu-central-1` cannot be reached for AssumeRole of the environment's role (`roleArn`) in environment `under-test`; see that the region is right and the agent reaches its endpoint (`spec.settings.region`, `stsEndpointUrl`)
        deploy: Unavailable: STS in `eu-central-1` cannot be reached for AssumeRole of the environment's role (`roleArn`) in environment `under-test`; see that the region is right and the agent reaches its endpoint (`spec.settings.region`, `stsEndpointUrl`)
        undeploy: Unavailable: STS in `eu-central-1` cannot be reached for AssumeRole of the environment's role (`roleArn`) in environment `under-test`; see that the region is right and the agent reaches its endpoint (`spec.settings.region`, `stsEndpointUrl`)
        served: 200 /revision-1/items"#]]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_sts_that_is_busy_is_asked_again() {
    let scene = Scene::of(accounts(None), &json!({"kind": "rest"})).await;
    let throttled = Fault::Answer {
        status: 400,
        error: "Throttling".to_owned(),
        message: "Rate exceeded".to_owned(),
        retry_after: None,
    };
    scene.aws.fail_operation("AssumeRole", throttled);
    let operator = scene.another(&role(ROLE, "contract-7"), (KEY, None));
    operator.deploy(&scene.revision(1)).await.unwrap();
    assert_eq!(scene.aws.pending_faults(), 0);
}
