//! What a check says where AWS, or what stands in for it, does not answer as it should.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    http::{HeaderName, Method, StatusCode, Uri},
};
use gatehouse_agent_aws::AwsConnector;
use gatehouse_connector_conformance::Operator;
use gatehouse_connector_sdk::{
    connector::{CheckSeverity, Connector as _},
    error::ErrorKind,
};
use gatehouse_fake_aws::{AccessKey, FakeAwsOptions, Fault};
use serde_json::json;
use tokio::net::TcpListener;

use super::scene::{KEY, Scene, options};

/// What a check finds: how bad it is, and what.
async fn found(operator: &Operator<AwsConnector>) -> Vec<(CheckSeverity, String)> {
    let report = operator.connector.check(&operator.context).await.unwrap();
    let findings = report.findings.into_iter();
    findings.map(|it| (it.severity, it.message)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aws_that_fails_says_nothing_of_permissions() {
    for (kind, operation) in [
        ("rest", "CreateRestApi"),
        ("http", "ReimportApi"),
        ("rest", "DeleteUsagePlan"),
    ] {
        let scene = Scene::of(options(), &json!({"kind": kind})).await;
        scene.aws.fail_operation(operation, Fault::service_unavailable());
        let operator = &scene.operator;
        let error = operator.connector.check(&operator.context).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{operation}");
        assert!(error.message().contains(operation), "{}", error.message());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_allowed_is_told_with_what_cannot_be_tried() {
    for (kind, expected) in [
        (
            "rest",
            "IAM allows to change what the mode changes; `apigateway:UpdateRestApiPolicy` could not be tried",
        ),
        ("http", "IAM allows to change what the mode changes"),
    ] {
        let scene = Scene::of(options(), &json!({"kind": kind})).await;
        let told = found(&scene.operator).await.pop().unwrap();
        assert_eq!(told, (CheckSeverity::Ok, expected.to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_breaks_down_at_one_probe_tells_of_all_others() {
    let scene = Scene::of(options(), &json!({"kind": "http"})).await;
    let broken = Fault::Answer {
        status: 500,
        error: "InternalFailure".to_owned(),
        message: "it broke down".to_owned(),
        retry_after: None,
    };
    scene.aws.fail_operation("UpdateUsagePlan", broken);
    let told = found(&scene.operator).await.pop().unwrap();
    let expected =
        "IAM allows to change what the mode changes; `apigateway:PATCH on /usageplans/*` could not be tried";
    assert_eq!(told, (CheckSeverity::Ok, expected.to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_of_http_apis_are_a_permission_of_their_own() {
    let everything = json!({"Effect": "Allow", "Action": "apigateway:*", "Resource": "*"});
    let but_tags =
        json!({"Effect": "Deny", "Action": "apigateway:POST", "Resource": "arn:aws:apigateway:*::/tags/*"});
    let policy = json!({"Statement": [everything, but_tags]}).to_string();
    let accounts = FakeAwsOptions {
        access_keys: vec![AccessKey::new(KEY).with_policy(&policy)],
        ..options()
    };
    let scene = Scene::of(accounts, &json!({"kind": "http"})).await;
    let (severity, message) = found(&scene.operator).await.pop().unwrap();
    assert_eq!(severity, CheckSeverity::Error);
    assert!(
        message.contains("IAM does not allow `apigateway:POST on /tags/*`, which"),
        "{message}"
    );
}

/// A server that makes an HTTP API of whatever it is sent, and has nothing else; with the calls that it was sent.
async fn lenient() -> (String, Arc<Mutex<Vec<String>>>) {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let noted = calls.clone();
    let answer = async move |method: Method, uri: Uri| {
        let call = format!("{method} {}", uri.path());
        noted.lock().unwrap().push(call.clone());
        let kind = HeaderName::from_static("x-amzn-errortype");
        match call.as_str() {
            "PUT /v2/apis" => (
                StatusCode::CREATED,
                [(kind, "none")],
                json!({"apiId": "made"}).to_string(),
            ),
            "GET /restapis" | "GET /v2/apis" | "GET /usageplans" | "GET /apikeys" | "GET /domainnames" => {
                (StatusCode::OK, [(kind, "none")], "{}".to_owned())
            }
            _ => (
                StatusCode::NOT_FOUND,
                [(kind, "NotFoundException")],
                json!({"message": "nothing"}).to_string(),
            ),
        }
    };
    let router = Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, calls)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_lenient_server_makes_of_a_probe_is_removed() {
    let scene = Scene::rest().await;
    let (url, calls) = lenient().await;
    let operator = scene.another(&json!({"kind": "http", "endpointUrl": url}), (KEY, None));
    let told = found(&operator).await;
    assert!(
        told.iter().all(|(severity, _)| *severity == CheckSeverity::Ok),
        "{told:?}"
    );
    let calls = calls.lock().unwrap().clone();
    assert!(calls.contains(&"DELETE /v2/apis/made".to_owned()), "{calls:?}");
}
