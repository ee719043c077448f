//! What AWS tells of changes through a queue.

use std::time::{Duration, Instant};

use gatehouse_agent_aws::{ACCESS_KEY_ID, AwsConnector, SECRET_ACCESS_KEY};
use gatehouse_connector_conformance::{Connection, Operator};
use gatehouse_connector_sdk::{
    connector::{CheckSeverity, Connector as _, Hint, Hints},
    error::{ErrorKind, Result},
    schemas::{environment::Mode, identity::ExternalRef},
};
use gatehouse_fake_aws::{AccessKey, FakeAws, FakeAwsOptions, Fault};
use secrecy::SecretString;
use serde_json::{Map, Value, json};

use crate::under_test::printed_policy;

const REGION: &str = "eu-central-1";
const QUEUE: &str = "changes";
/// Whose policy is the printed one.
const LISTENER: &str = "AKIALISTENER00000000";
/// Whose policy knows of no queue.
const DEAF: &str = "AKIADEAFDEAFDEAF0000";

/// An account with a queue, and a connector that listens.
struct Account {
    aws: FakeAws,
    settings: Map<String, Value>,
}

impl Account {
    async fn new() -> Self {
        let arn = format!("arn:aws:sqs:{REGION}:111111111111:{QUEUE}");
        let with = |settings: &Value| printed_policy(Mode::ReadWrite, settings);
        let listening = with(&json!({"region": REGION, "eventQueueArn": arn}));
        let options = FakeAwsOptions {
            access_keys: vec![
                AccessKey::new(LISTENER).with_policy(&listening),
                AccessKey::new(DEAF).with_policy(&with(&json!({ "region": REGION }))),
            ],
            ..FakeAwsOptions::default()
        };
        let aws = FakeAws::start(options).await.unwrap();
        assert_eq!(aws.listen(REGION, QUEUE), arn);
        let settings = json!({
            "region": REGION, "stage": "live", "eventQueueArn": arn, "endpointUrl": aws.control_url(),
            "stsEndpointUrl": aws.control_url(), "sqsEndpointUrl": aws.control_url(),
        });
        Self {
            settings: settings.as_object().cloned().unwrap(),
            aws,
        }
    }

    fn operator(&self, key: &str) -> Operator<AwsConnector> {
        let keys = [(ACCESS_KEY_ID, key), (SECRET_ACCESS_KEY, "a-secret-of-tests")];
        let connection = Connection {
            settings: self.settings.clone(),
            credentials: keys
                .map(|(name, value)| (name.to_owned(), SecretString::from(value)))
                .into(),
        };
        Operator::new(AwsConnector::new(), connection)
    }

    async fn hear(&self) -> Result<Hints> {
        let operator = self.operator(LISTENER);
        operator.connector.hints(&operator.context).await
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.aws.call(REGION, method, path, body);
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    /// What a check says of the queue.
    async fn found(&self, key: &str) -> (CheckSeverity, String) {
        let operator = self.operator(key);
        let report = operator.connector.check(&operator.context).await.unwrap();
        let finding = report.findings.last().unwrap();
        (finding.severity, finding.message.clone())
    }
}

/// The printed policy.
fn about(external_ref: String) -> Hint {
    Hint::Api(ExternalRef(external_ref))
}

#[tokio::test]
async fn changes_by_hand_are_told_and_messages_are_removed() {
    let account = Account::new().await;
    let rest = account.call("POST", "/restapis", &json!({"name": "orders"}));
    let http = account.call(
        "POST",
        "/v2/apis",
        &json!({"name": "stock", "protocolType": "HTTP"}),
    );
    let (rest, http) = (rest["id"].as_str().unwrap(), http["apiId"].as_str().unwrap());
    account.call("GET", &format!("/restapis/{rest}"), &Value::Null);
    let made = Hints::Heard(vec![
        about(format!("apis/{http}")),
        about(format!("restapis/{rest}")),
    ]);
    assert_eq!(account.hear().await.unwrap(), made);
    assert_eq!(account.aws.messages(REGION, QUEUE), 0);

    // Ten changes of one API are one hint.
    let rename = json!({"patchOperations": [{"op": "replace", "path": "/description", "value": "by hand"}]});
    for _ in 0..10 {
        account.call("PATCH", &format!("/restapis/{rest}"), &rename);
    }
    let changed = Hints::Heard(vec![about(format!("restapis/{rest}"))]);
    assert_eq!(account.hear().await.unwrap(), changed);
    account.call("POST", "/usageplans", &json!({"name": "gold"}));
    assert_eq!(account.hear().await.unwrap(), Hints::Heard(vec![Hint::Something]));
}

#[tokio::test]
async fn a_change_is_told_while_somebody_waits_for_it() {
    let account = Account::new().await;
    let began = Instant::now();
    let (heard, made) = tokio::join!(account.hear(), async {
        while !account
            .aws
            .calls()
            .iter()
            .any(|call| call.operation == "ReceiveMessage")
        {
            tokio::task::yield_now().await;
        }
        account.call("POST", "/restapis", &json!({"name": "orders"}))
    });
    let id = made["id"].as_str().unwrap();
    assert_eq!(
        heard.unwrap(),
        Hints::Heard(vec![about(format!("restapis/{id}"))])
    );
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}

#[tokio::test]
async fn what_is_no_event_is_removed_and_leads_nowhere() {
    let account = Account::new().await;
    for body in ["", "hello", "{\"detail\": [1, 2]}", "\u{0}"] {
        account.aws.send(REGION, QUEUE, body);
    }
    assert_eq!(account.hear().await.unwrap(), Hints::Heard(Vec::new()));
    assert_eq!(account.aws.messages(REGION, QUEUE), 0);
}

#[tokio::test]
async fn what_was_heard_is_told_although_nobody_knows_whether_it_was_removed() {
    let account = Account::new().await;
    for fault in [Fault::LoseReply, Fault::Drop] {
        let made = account.call("POST", "/restapis", &json!({"name": "orders"}));
        account.aws.fail_operation("DeleteMessageBatch", fault);
        let told = Hints::Heard(vec![about(format!("restapis/{}", made["id"].as_str().unwrap()))]);
        assert_eq!(account.hear().await.unwrap(), told);
    }
    assert_eq!(account.aws.messages(REGION, QUEUE), 1, "it comes back");
}

#[tokio::test]
async fn without_a_queue_nobody_is_asked() {
    let mut account = Account::new().await;
    account.settings.remove("eventQueueArn");
    assert_eq!(account.hear().await.unwrap(), Hints::NotConfigured);
    assert!(account.aws.calls().is_empty());
}

#[tokio::test]
async fn a_queue_that_cannot_be_read_is_told_with_what_to_do() {
    let mut account = Account::new().await;
    let deaf = account.operator(DEAF);
    let denied = deaf.connector.hints(&deaf.context).await.unwrap_err();
    assert_eq!(denied.kind(), ErrorKind::Forbidden);
    assert!(
        denied.message().contains("gatehouse env permissions"),
        "{}",
        denied.message()
    );

    account.aws.fail_operation("ReceiveMessage", Fault::Drop);
    let away = account.hear().await.unwrap_err();
    assert_eq!(away.kind(), ErrorKind::Unavailable);
    assert!(away.message().contains("sqsEndpointUrl"), "{}", away.message());

    let everything = AccessKey::new(LISTENER);
    let options = FakeAwsOptions {
        access_keys: vec![everything],
        ..FakeAwsOptions::default()
    };
    let empty = FakeAws::start(options).await.unwrap();
    let arn = account.settings["eventQueueArn"].as_str().unwrap().to_owned();
    account
        .settings
        .insert("sqsEndpointUrl".to_owned(), json!(empty.control_url()));
    let missing = account.hear().await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert!(
        missing.message().contains(&format!("there is no queue `{arn}`")),
        "{}",
        missing.message()
    );
}

#[tokio::test]
async fn a_check_says_whether_the_queue_can_be_read_and_takes_nothing_out() {
    let mut account = Account::new().await;
    account.call("POST", "/restapis", &json!({"name": "orders"}));
    let (severity, message) = account.found(LISTENER).await;
    assert_eq!(severity, CheckSeverity::Ok, "{message}");
    assert_eq!(account.aws.messages(REGION, QUEUE), 1);
    assert!(matches!(account.hear().await.unwrap(), Hints::Heard(hints) if hints.len() == 1));

    let (severity, message) = account.found(DEAF).await;
    assert_eq!(severity, CheckSeverity::Warning);
    assert!(
        message.contains("ReceiveMessage") && message.contains("scheduled looks"),
        "{message}"
    );

    let elsewhere = json!("arn:aws:sqs:us-east-1:111111111111:changes");
    account.settings.insert("eventQueueArn".to_owned(), elsewhere);
    let (severity, message) = account.found(LISTENER).await;
    assert_eq!(severity, CheckSeverity::Warning);
    assert!(message.contains("where the APIs are"), "{message}");
}
