//! The queue that tells of changes, on LocalStack's SQS. Its community edition has no CloudTrail: messages are sent by hand.

use aws_sdk_sqs::{
    Client,
    config::{Credentials, Region},
    types::QueueAttributeName,
};
use gatehouse_agent_aws::AwsConnector;
use gatehouse_connector_conformance::Operator;
use gatehouse_connector_sdk::{
    connector::{CheckSeverity, Connector as _, Hint, Hints},
    error::ErrorKind,
    schemas::identity::ExternalRef,
};
use gatehouse_fake_aws::emulators::{Emulator, RunningEmulator};
use serde_json::json;

use crate::operator::operator;

fn queues(localstack: &RunningEmulator) -> Client {
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version_latest()
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(localstack.endpoint());
    Client::from_conf(config.build())
}

/// An environment whose changes are told of in a queue of this name.
fn listening(localstack: &RunningEmulator, queue: &str) -> Operator<AwsConnector> {
    let settings = json!({
        "eventQueueArn": format!("arn:aws:sqs:eu-central-1:000000000000:{queue}"),
        "sqsEndpointUrl": localstack.endpoint(),
    });
    operator(localstack.endpoint(), &localstack.data_plane(), &settings)
}

/// How many messages there are, hidden ones included.
async fn count(queues: &Client, url: &str) -> u64 {
    let names = [
        QueueAttributeName::ApproximateNumberOfMessages,
        QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
    ];
    let asked = queues.get_queue_attributes().queue_url(url);
    let told = asked.set_attribute_names(Some(names.to_vec())).send().await;
    let told = told.unwrap().attributes.unwrap_or_default();
    told.values().map(|count| count.parse::<u64>().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn localstack_gives_out_what_was_sent_and_keeps_nothing_that_was_read() {
    let Some(localstack) = Emulator::LocalStack.start().await.unwrap() else {
        return;
    };
    let queues = queues(&localstack);
    let made = queues.create_queue().queue_name("changes").send().await.unwrap();
    let url = made.queue_url().unwrap();
    let operator = listening(&localstack, "changes");
    let detail = json!({
        "eventSource": "apigateway.amazonaws.com", "eventName": "UpdateStage", "awsRegion": "eu-central-1",
        "requestParameters": {"restApiId": "a1b2c3d4e5", "stageName": "live"},
    });
    for body in [json!({ "detail": detail }).to_string(), "hello".to_owned()] {
        queues
            .send_message()
            .queue_url(url)
            .message_body(body)
            .send()
            .await
            .unwrap();
    }

    let report = operator.connector.check(&operator.context).await.unwrap();
    let finding = report.findings.last().unwrap();
    assert_eq!(finding.severity, CheckSeverity::Ok, "{}", finding.message);
    assert_eq!(count(&queues, url).await, 2, "a check takes nothing out");

    let mut heard = Vec::new();
    while count(&queues, url).await > 0 {
        match operator.connector.hints(&operator.context).await.unwrap() {
            Hints::Heard(hints) => heard.extend(hints),
            Hints::NotConfigured => panic!("there is a queue"),
        }
    }
    assert_eq!(heard, [Hint::Api(ExternalRef("restapis/a1b2c3d4e5".to_owned()))]);

    let lost = listening(&localstack, "changes-2");
    let missing = lost.connector.hints(&lost.context).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound, "{missing}");
}
