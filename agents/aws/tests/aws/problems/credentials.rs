//! Credentials that are not good, and endpoints that are not those of AWS's region.

use expect_test::{Expect, expect};
use gatehouse_agent_aws::AwsConnector;
use gatehouse_connector_conformance::Operator;
use gatehouse_connector_sdk::{
    connector::{ApiReference, Connector as _, PageRequest},
    error::{ErrorKind, Result},
    schemas::desired::DesiredApi,
};
use gatehouse_fake_aws::{AccessKey, FakeAwsOptions};
use serde_json::{Value, json};

use super::scene::{KEY, REGION, Scene, options};

const EXPIRED: &str = "ASIAEXPIRED000000000";
const TEMPORARY: &str = "ASIATEMPORARY0000000";
const NOTHING: &str = "AKIANOTHING000000000";
const READER: &str = "AKIAREADER0000000000";
const DENIED: &str = "AKIADENIED0000000000";

fn accounts() -> FakeAwsOptions {
    let statement = |effect: &str, action: &str| json!({"Effect": effect, "Action": action, "Resource": "*"});
    let policy = |statements: &[Value]| json!({"Statement": statements}).to_string();
    let reading = statement("Allow", "apigateway:GET");
    let denying = [statement("Allow", "*"), statement("Deny", "apigateway:PUT")];
    FakeAwsOptions {
        access_keys: vec![
            AccessKey::new(KEY),
            AccessKey::new(EXPIRED).with_session_token("token").expired(),
            AccessKey::new(TEMPORARY).with_session_token("token"),
            AccessKey::new(NOTHING).with_policy(&policy(&[])),
            AccessKey::new(READER).with_policy(&policy(&[reading])),
            AccessKey::new(DENIED).with_policy(&policy(&denying)),
        ],
        region: Some(REGION.to_owned()),
        ..options()
    }
}

/// What people read of each operation, and what is served meanwhile; then that the right ones mend it.
pub(super) async fn check(scene: &Scene, wrong: &Operator<AwsConnector>, expected: Expect) {
    let (first, second) = (scene.revision(1), scene.revision(2));
    let deployed = scene.deploy(&first).await;
    let request = scene.planned(&second).await;
    let api = ApiReference {
        external_ref: request.external_ref.clone(),
        mark: second.mark.clone(),
    };
    let (connector, context) = (&wrong.connector, &wrong.context);
    let checked = connector.check(context).await.map(|report| {
        let each = report.findings.iter();
        let each: Vec<String> = each
            .map(|it| format!("{:?}: {}", it.severity, it.message))
            .collect();
        each.join("\n  ")
    });
    let page = PageRequest {
        limit: 10,
        ..PageRequest::default()
    };
    let told = [
        told(scene, "check", checked),
        told(
            scene,
            "discover",
            connector
                .discover(context, page)
                .await
                .map(|page| format!("{} APIs", page.items.len())),
        ),
        told(
            scene,
            "observe",
            connector
                .observe(context, &api)
                .await
                .map(|it| super::scene::said(&it)),
        ),
        told(
            scene,
            "deploy",
            connector
                .deploy(context, &request)
                .await
                .map(|_| "is through".to_owned()),
        ),
        told(
            scene,
            "undeploy",
            connector
                .undeploy(context, &api)
                .await
                .map(|()| "is through".to_owned()),
        ),
        format!("served: {}", scene.served(&deployed).await),
    ];
    let id = deployed.external_ref.0.trim_start_matches("restapis/");
    expected.assert_eq(&told.join("\n").replace(id, "(ID)"));
    mended(scene, wrong, &second).await;
}

/// The same connector, once the environment has the right credentials.
async fn mended(scene: &Scene, wrong: &Operator<AwsConnector>, desired: &DesiredApi) {
    let request = scene.planned(desired).await;
    let deployed = wrong
        .connector
        .deploy(&scene.operator.context, &request)
        .await
        .unwrap();
    assert_eq!(scene.served(&deployed).await, "200 /revision-2/items");
}

fn told(scene: &Scene, operation: &str, result: Result<String>) -> String {
    match result {
        Ok(text) => format!("{operation}: {}", scene.still(&text)),
        Err(error) => format!("{operation}: {:?}: {}", error.kind(), scene.text(&error)),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_have_expired_are_to_be_renewed() {
    let scene = Scene::of(accounts(), &json!({"kind": "rest"})).await;
    let wrong = scene.another(&json!({}), (EXPIRED, Some("token")));
    check(&scene, &wrong, expect![[r#"
        check: Error: AWS refused GetCallerIdentity of the credentials in environment `under-test` (eu-central-1) with 403 ExpiredToken: The security token included in the request is expired; the credentials have expired; renew them where the agent finds them
        discover: Unauthorized: AWS refused GetRestApis of the REST APIs in environment `under-test` (eu-central-1) with 403 ExpiredTokenException: The security token included in the request is expired; the credentials have expired; renew them where the agent finds them
        observe: Unauthorized: AWS refused GetRestApi of `orders` in environment `under-test` (eu-central-1) with 403 ExpiredTokenException: The security token included in the request is expired; the credentials have expired; renew them where the agent finds them
        deploy: Unauthorized: AWS refused GetRestApi of `orders` in environment `under-test` (eu-central-1) with 403 ExpiredTokenException: The security token included in the request is expired; the credentials have expired; renew them where the agent finds them
        undeploy: Unauthorized: AWS refused GetRestApi of `orders` in environment `under-test` (eu-central-1) with 403 ExpiredTokenException: The security token included in the request is expired; the credentials have expired; renew them where the agent finds them
        served: 200 /revision-1/items"#]]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_key_that_nobody_knows_is_to_be_corrected() {
    let scene = Scene::of(accounts(), &json!({"kind": "rest"})).await;
    let wrong = scene.another(&json!({}), ("AKIAUNKNOWN000000000", None));
    check(&scene, &wrong, expect![[r#"
        check: Error: AWS refused GetCallerIdentity of the credentials in environment `under-test` (eu-central-1) with 403 InvalidClientTokenId: The security token included in the request is invalid; AWS does not know the access key in this region, or not with this session token; correct the credentials or `region`
        discover: Unauthorized: AWS refused GetRestApis of the REST APIs in environment `under-test` (eu-central-1) with 403 UnrecognizedClientException: The security token included in the request is invalid; AWS does not know the access key in this region, or not with this session token; correct the credentials or `region`
        observe: Unauthorized: AWS refused GetRestApi of `orders` in environment `under-test` (eu-central-1) with 403 UnrecognizedClientException: The security token included in the request is invalid; AWS does not know the access key in this region, or not with this session token; correct the credentials or `region`
        deploy: Unauthorized: AWS refused GetRestApi of `orders` in environment `under-test` (eu-central-1) with 403 UnrecognizedClientException: The security token included in the request is invalid; AWS does not know the access key in this region, or not with this session token; correct the credentials or `region`
        undeploy: Unauthorized: AWS refused GetRestApi of `orders` in environment `under-test` (eu-central-1) with 403 UnrecognizedClientException: The security token included in the request is invalid; AWS does not know the access key in this region, or not with this session token; correct the credentials or `region`
        served: 200 /revision-1/items"#]]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn temporary_keys_want_their_session_token() {
    let scene = Scene::of(accounts(), &json!({"kind": "rest"})).await;
    let wrong = scene.another(&json!({}), (TEMPORARY, Some("another token")));
    check(&scene, &wrong, expect![[r#"
        check: Error: AWS refused GetCallerIdentity of the credentials in environment `under-test` (eu-central-1) with 403 InvalidClientTokenId: The security token included in the request is invalid; AWS does not know the access key in this region, or not with this session token; correct the credentials or `region`
        discover: Unauthorized: AWS refused GetRestApis of the REST APIs in environment `under-test` (eu-central-1) with 403 UnrecognizedClientException: The security token included in the request is invalid; AWS does not know the access key in this region, or not with this session token; correct the credentials or `region`
        observe: Unauthorized: AWS refused GetRestApi of `orders` in environment `under-test` (eu-central-1) with 403 UnrecognizedClientException: The security token included in the request is invalid; AWS does not know the access key in this region, or not with this session token; correct the credentials or `region`
        deploy: Unauthorized: AWS refused GetRestApi of `orders` in environment `under-test` (eu-central-1) with 403 UnrecognizedClientException: The security token included in the request is invalid; AWS does not know the access key in this region, or not with this session token; correct the credentials or `region`
        undeploy: Unauthorized: AWS refused GetRestApi of `orders` in environment `under-test` (eu-central-1) with 403 UnrecognizedClientException: The security token included in the request is invalid; AWS does not know the access key in this region, or not with this session token; correct the credentials or `region`
        served: 200 /revision-1/items"#]]).await;
    let right = scene.another(&json!({}), (TEMPORARY, Some("token")));
    assert!(right.connector.check(&right.context).await.is_ok());
    right.deploy(&scene.revision(3)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_without_permissions_is_told_the_statement_that_it_lacks() {
    let scene = Scene::of(accounts(), &json!({"kind": "rest"})).await;
    let wrong = scene.another(&json!({}), (NOTHING, None));
    check(&scene, &wrong, expect![[r#"
        check: Ok: the credentials are those of arn:aws:iam::111111111111:user/AKIANOTHING000000000 in account 111111111111, region eu-central-1
          Error: AWS refused GetRestApi of the REST APIs in environment `under-test` (eu-central-1) with 403 AccessDeniedException: User: arn:aws:iam::111111111111:user/AKIANOTHING000000000 is not authorized to perform: apigateway:GET on resource: arn:aws:apigateway:eu-central-1::/restapis/gatehouse-probe because no identity-based policy allows the apigateway:GET action; the statement `Read` of the policy that `gatehouse env permissions` prints allows it; attach that policy to this identity
          Error: IAM does not allow `apigateway:POST on /restapis`, `apigateway:PUT on /restapis/*`, `apigateway:POST on /restapis/*/deployments`, `apigateway:POST on /restapis/*/stages`, `apigateway:PATCH on /restapis/*/stages/*`, `apigateway:DELETE on /restapis/*`, `apigateway:POST on /apikeys`, `apigateway:PATCH on /apikeys/*`, `apigateway:DELETE on /apikeys/*`, `apigateway:POST on /usageplans`, `apigateway:POST on /usageplans/*/keys`, `apigateway:PATCH on /usageplans/*`, `apigateway:DELETE on /usageplans/*`, `apigateway:PUT on /tags/*`, which the mode needs; attach the policy that `gatehouse env permissions` prints
        discover: Forbidden: AWS refused GetRestApis of the REST APIs in environment `under-test` (eu-central-1) with 403 AccessDeniedException: User: arn:aws:iam::111111111111:user/AKIANOTHING000000000 is not authorized to perform: apigateway:GET on resource: arn:aws:apigateway:eu-central-1::/restapis because no identity-based policy allows the apigateway:GET action; the statement `Read` of the policy that `gatehouse env permissions` prints allows it; attach that policy to this identity
        observe: Forbidden: AWS refused GetRestApi of `orders` in environment `under-test` (eu-central-1) with 403 AccessDeniedException: User: arn:aws:iam::111111111111:user/AKIANOTHING000000000 is not authorized to perform: apigateway:GET on resource: arn:aws:apigateway:eu-central-1::/restapis/(ID) because no identity-based policy allows the apigateway:GET action; the statement `Read` of the policy that `gatehouse env permissions` prints allows it; attach that policy to this identity
        deploy: Forbidden: AWS refused GetRestApi of `orders` in environment `under-test` (eu-central-1) with 403 AccessDeniedException: User: arn:aws:iam::111111111111:user/AKIANOTHING000000000 is not authorized to perform: apigateway:GET on resource: arn:aws:apigateway:eu-central-1::/restapis/(ID) because no identity-based policy allows the apigateway:GET action; the statement `Read` of the policy that `gatehouse env permissions` prints allows it; attach that policy to this identity
        undeploy: Forbidden: AWS refused GetRestApi of `orders` in environment `under-test` (eu-central-1) with 403 AccessDeniedException: User: arn:aws:iam::111111111111:user/AKIANOTHING000000000 is not authorized to perform: apigateway:GET on resource: arn:aws:apigateway:eu-central-1::/restapis/(ID) because no identity-based policy allows the apigateway:GET action; the statement `Read` of the policy that `gatehouse env permissions` prints allows it; attach that policy to this identity
        served: 200 /revision-1/items"#]]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_that_may_only_read_is_told_the_statement_that_it_lacks() {
    let scene = Scene::of(accounts(), &json!({"kind": "rest"})).await;
    let wrong = scene.another(&json!({}), (READER, None));
    check(&scene, &wrong, expect![[r#"
        check: Ok: the credentials are those of arn:aws:iam::111111111111:user/AKIAREADER0000000000 in account 111111111111, region eu-central-1
          Ok: IAM allows to read APIs and usage plans
          Error: IAM does not allow `apigateway:POST on /restapis`, `apigateway:PUT on /restapis/*`, `apigateway:POST on /restapis/*/deployments`, `apigateway:POST on /restapis/*/stages`, `apigateway:PATCH on /restapis/*/stages/*`, `apigateway:DELETE on /restapis/*`, `apigateway:POST on /apikeys`, `apigateway:PATCH on /apikeys/*`, `apigateway:DELETE on /apikeys/*`, `apigateway:POST on /usageplans`, `apigateway:POST on /usageplans/*/keys`, `apigateway:PATCH on /usageplans/*`, `apigateway:DELETE on /usageplans/*`, `apigateway:PUT on /tags/*`, which the mode needs; attach the policy that `gatehouse env permissions` prints
        discover: 1 APIs
        observe: present
        deploy: Forbidden: AWS refused PutRestApi of `orders` in environment `under-test` (eu-central-1) with 403 AccessDeniedException: User: arn:aws:iam::111111111111:user/AKIAREADER0000000000 is not authorized to perform: apigateway:PUT on resource: arn:aws:apigateway:eu-central-1::/restapis/(ID) because no identity-based policy allows the apigateway:PUT action; the statement `Replace` of the policy that `gatehouse env permissions` prints allows it; attach that policy to this identity
        undeploy: Forbidden: AWS refused DeleteRestApi of `orders` in environment `under-test` (eu-central-1) with 403 AccessDeniedException: User: arn:aws:iam::111111111111:user/AKIAREADER0000000000 is not authorized to perform: apigateway:DELETE on resource: arn:aws:apigateway:eu-central-1::/restapis/(ID) because no identity-based policy allows the apigateway:DELETE action; the statement `Remove` of the policy that `gatehouse env permissions` prints allows it; attach that policy to this identity
        served: 200 /revision-1/items"#]]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_policy_denies_is_told_with_action_and_object() {
    let scene = Scene::of(accounts(), &json!({"kind": "rest"})).await;
    let first = scene.deploy(&scene.revision(1)).await;
    let denied = scene.another(&json!({}), (DENIED, None));
    let error = denied.deploy(&scene.revision(2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    let text = scene.text(&error).replace(&first.external_ref.0, "(API)");
    expect!["AWS refused PutRestApi of `orders` in environment `under-test` (eu-central-1) with 403 AccessDeniedException: User: arn:aws:iam::111111111111:user/AKIADENIED0000000000 is not authorized to perform: apigateway:PUT on resource: arn:aws:apigateway:eu-central-1::/(API) with an explicit deny in an identity-based policy; a policy denies it whatever another one allows; whoever administers the account has to take that away"].assert_eq(&text);
    assert_eq!(scene.served(&first).await, "200 /revision-1/items");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_endpoint_of_another_region_is_told_as_that() {
    let scene = Scene::of(accounts(), &json!({"kind": "rest"})).await;
    let wrong = scene.another(&json!({"region": "us-east-1"}), (KEY, None));
    check(&scene, &wrong, expect![[r#"
        check: Error: AWS refused GetCallerIdentity of the credentials in environment `under-test` (us-east-1) with 403 InvalidSignatureException: Credential should be scoped to a valid region; `region` and the endpoint that is called (`endpointUrl`, `stsEndpointUrl`) are not of one region; correct one of them
        discover: Unauthorized: AWS refused GetRestApis of the REST APIs in environment `under-test` (us-east-1) with 403 InvalidSignatureException: Credential should be scoped to a valid region; `region` and the endpoint that is called (`endpointUrl`, `stsEndpointUrl`) are not of one region; correct one of them
        observe: Unauthorized: AWS refused GetRestApi of `orders` in environment `under-test` (us-east-1) with 403 InvalidSignatureException: Credential should be scoped to a valid region; `region` and the endpoint that is called (`endpointUrl`, `stsEndpointUrl`) are not of one region; correct one of them
        deploy: Unauthorized: AWS refused GetRestApi of `orders` in environment `under-test` (us-east-1) with 403 InvalidSignatureException: Credential should be scoped to a valid region; `region` and the endpoint that is called (`endpointUrl`, `stsEndpointUrl`) are not of one region; correct one of them
        undeploy: Unauthorized: AWS refused GetRestApi of `orders` in environment `under-test` (us-east-1) with 403 InvalidSignatureException: Credential should be scoped to a valid region; `region` and the endpoint that is called (`endpointUrl`, `stsEndpointUrl`) are not of one region; correct one of them
        served: 200 /revision-1/items"#]]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_where_nothing_answers_is_told_with_its_setting() {
    let scene = Scene::of(accounts(), &json!({"kind": "rest"})).await;
    let nowhere = "http://127.0.0.1:9";
    let wrong = scene.another(
        &json!({"endpointUrl": nowhere, "stsEndpointUrl": nowhere}),
        (KEY, None),
    );
    check(&scene, &wrong, expect![[r#"
        check: Unavailable: STS in `eu-central-1` cannot be reached for GetCallerIdentity of the credentials in environment `under-test`; see that the region is right and the agent reaches its endpoint (`spec.settings.region`, `stsEndpointUrl`)
        discover: Unavailable: API Gateway in `eu-central-1` cannot be reached for GetRestApis of the REST APIs in environment `under-test`; see that the region is right and the agent reaches its endpoint (`spec.settings.region`, `endpointUrl`)
        observe: Unavailable: API Gateway in `eu-central-1` cannot be reached for GetRestApi of `orders` in environment `under-test`; see that the region is right and the agent reaches its endpoint (`spec.settings.region`, `endpointUrl`)
        deploy: Unavailable: API Gateway in `eu-central-1` cannot be reached for GetRestApi of `orders` in environment `under-test`; see that the region is right and the agent reaches its endpoint (`spec.settings.region`, `endpointUrl`)
        undeploy: Unavailable: API Gateway in `eu-central-1` cannot be reached for GetRestApi of `orders` in environment `under-test`; see that the region is right and the agent reaches its endpoint (`spec.settings.region`, `endpointUrl`)
        served: 200 /revision-1/items"#]]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_not_aws_is_told_with_its_setting() {
    let scene = Scene::of(accounts(), &json!({"kind": "rest"})).await;
    let elsewhere = json!({"endpointUrl": scene.upstream(), "stsEndpointUrl": scene.upstream()});
    let wrong = scene.another(&elsewhere, (KEY, None));
    check(&scene, &wrong, expect![[r#"
        check: Unexpected: the answer to GetCallerIdentity of the credentials in environment `under-test` has status 200 and is none of AWS; see that `stsEndpointUrl` leads to STS
        discover: Unexpected: the answer to GetRestApis of the REST APIs in environment `under-test` has status 200 and is none of AWS; see that `endpointUrl` leads to API Gateway
        observe: Unexpected: the answer to GetRestApi of `orders` in environment `under-test` has status 200 and is none of AWS; see that `endpointUrl` leads to API Gateway
        deploy: Unexpected: the answer to GetRestApi of `orders` in environment `under-test` has status 200 and is none of AWS; see that `endpointUrl` leads to API Gateway
        undeploy: Unexpected: the answer to GetRestApi of `orders` in environment `under-test` has status 200 and is none of AWS; see that `endpointUrl` leads to API Gateway
        served: 200 /revision-1/items"#]]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_has_nothing_does_not_say_that_the_api_is_gone() {
    let scene = Scene::of(accounts(), &json!({"kind": "rest"})).await;
    let nothing = format!("{}/nothing", scene.upstream());
    let elsewhere = json!({"endpointUrl": nothing, "stsEndpointUrl": nothing});
    let wrong = scene.another(&elsewhere, (KEY, None));
    check(&scene, &wrong, expect![[r#"
        check: Unexpected: the answer to GetCallerIdentity of the credentials in environment `under-test` has status 404 and is none of AWS; see that `stsEndpointUrl` leads to STS
        discover: Unexpected: the answer to GetRestApis of the REST APIs in environment `under-test` has status 404 and is none of AWS; see that `endpointUrl` leads to API Gateway
        observe: Unexpected: the answer to GetRestApi of `orders` in environment `under-test` has status 404 and is none of AWS; see that `endpointUrl` leads to API Gateway
        deploy: Unexpected: the answer to GetRestApi of `orders` in environment `under-test` has status 404 and is none of AWS; see that `endpointUrl` leads to API Gateway
        undeploy: Unexpected: the answer to GetRestApi of `orders` in environment `under-test` has status 404 and is none of AWS; see that `endpointUrl` leads to API Gateway
        served: 200 /revision-1/items"#]]).await;
}
