//! The queue: taking messages out of it, and trying whether that is allowed.

use std::time::Duration;

use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message};
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use gatehouse_connector_sdk::error::{Error, ErrorKind, Result};
use tracing::{instrument::WithSubscriber as _, subscriber::NoSubscriber};

use super::problem::from_sqs;
use crate::{client::Account, config::AwsSettings};

/// How long SQS waits for a message at most.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// How many messages SQS gives at once at most.
const MOST: i32 = 10;

/// The queue that an environment's settings name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Queue {
    /// Its name in IAM.
    pub(crate) arn: String,
    /// Its name in SQS.
    url: String,
}

impl Queue {
    /// None if nobody wants to hear of changes. EventBridge delivers to queues of its own region only.
    pub(crate) fn of(settings: &AwsSettings) -> Result<Option<Self>> {
        let Some(arn) = &settings.event_queue_arn else {
            return Ok(None);
        };
        let parts: Vec<&str> = arn.split(':').collect();
        let [_, partition, "sqs", region, account, name] = parts.as_slice() else {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!(
                    "`{arn}` in `spec.settings.eventQueueArn` is not the ARN of a queue of SQS; correct it"
                ),
            ));
        };
        if *region != settings.region {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!(
                    "the queue `{arn}` in `spec.settings.eventQueueArn` is not in `{}`, where the APIs are; name one there, as EventBridge delivers to no other",
                    settings.region
                ),
            ));
        }
        let own = settings.partition().name;
        if *partition != own {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!(
                    "the queue `{arn}` in `spec.settings.eventQueueArn` is not in the partition `{own}`, which `{region}` is in; write `arn:{own}:…`"
                ),
            ));
        }
        let base = settings.sqs_url();
        Ok(Some(Self {
            arn: arn.clone(),
            url: format!("{}/{account}/{name}", base.trim_end_matches('/')),
        }))
    }
}

/// The messages of a queue.
pub(super) struct Messages<'a> {
    account: &'a Account<'a>,
    queue: &'a Queue,
}

impl<'a> Messages<'a> {
    pub(super) fn of(account: &'a Account<'a>, queue: &'a Queue) -> Self {
        Self { account, queue }
    }

    /// Waits for messages. They are hidden from others for a while, and come back unless they are removed.
    pub(super) async fn receive(&self) -> Result<Vec<Message>> {
        let wait = i32::try_from(LONGEST_WAIT.as_secs()).unwrap_or_default();
        let call = self
            .account
            .clients
            .sqs
            .receive_message()
            .queue_url(&self.queue.url);
        let call = call.max_number_of_messages(MOST).wait_time_seconds(wait);
        let received = self.sent("ReceiveMessage", call.send()).await?;
        Ok(received.messages.unwrap_or_default())
    }

    /// Removes messages. One that could not be removed comes back.
    pub(super) async fn remove(&self, messages: &[Message]) -> Result<()> {
        let handles = messages.iter().filter_map(Message::receipt_handle);
        self.remove_by(handles).await
    }

    /// Receives so that nothing is hidden from anybody.
    pub(super) async fn try_receive(&self) -> Result<()> {
        let call = self
            .account
            .clients
            .sqs
            .receive_message()
            .queue_url(&self.queue.url);
        let call = call.visibility_timeout(0).wait_time_seconds(0);
        self.sent("ReceiveMessage", call.send()).await.map(drop)
    }

    /// Removes what cannot be there; IAM decides before that is looked at.
    pub(super) async fn try_remove(&self) -> Result<()> {
        self.remove_by(["gatehouse-probe"].into_iter()).await
    }

    async fn remove_by(&self, handles: impl Iterator<Item = &str>) -> Result<()> {
        let entry = |(number, handle): (usize, &str)| {
            let entry = DeleteMessageBatchRequestEntry::builder();
            entry.id(number.to_string()).receipt_handle(handle).build()
        };
        let entries: Vec<_> = handles
            .enumerate()
            .filter_map(|named| entry(named).ok())
            .collect();
        if entries.is_empty() {
            return Ok(());
        }
        let call = self.account.clients.sqs.delete_message_batch();
        let call = call.queue_url(&self.queue.url).set_entries(Some(entries));
        self.sent("DeleteMessageBatch", call.send()).await.map(drop)
    }

    /// Makes a call. SQS has no quotas that API Gateway's scheduler knows of.
    async fn sent<T, E>(
        &self,
        operation: &'static str,
        send: impl Future<Output = std::result::Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        // What the clients log of a request has the access key in it.
        let sent = send.with_subscriber(NoSubscriber::default()).await;
        sent.map_err(|error| from_sqs(operation, self.queue, self.account, error))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn queue(settings: serde_json::Value) -> Result<Option<Queue>> {
        Queue::of(&serde_json::from_value(settings).unwrap())
    }

    #[test]
    fn a_queue_is_called_by_its_url() {
        let table = [
            (
                json!({"region": "eu-central-1", "eventQueueArn": "arn:aws:sqs:eu-central-1:111122223333:changes"}),
                "https://sqs.eu-central-1.amazonaws.com/111122223333/changes",
            ),
            (
                json!({"region": "cn-north-1", "eventQueueArn": "arn:aws-cn:sqs:cn-north-1:111122223333:changes"}),
                "https://sqs.cn-north-1.amazonaws.com.cn/111122223333/changes",
            ),
            (
                json!({"region": "eusc-de-east-1", "eventQueueArn": "arn:aws-eusc:sqs:eusc-de-east-1:111122223333:changes"}),
                "https://sqs.eusc-de-east-1.amazonaws.eu/111122223333/changes",
            ),
            (
                json!({"region": "us-east-1", "eventQueueArn": "arn:aws:sqs:us-east-1:000000000000:changes", "sqsEndpointUrl": "http://127.0.0.1:4566/"}),
                "http://127.0.0.1:4566/000000000000/changes",
            ),
        ];
        for (mut settings, url) in table {
            settings["stage"] = json!("live");
            assert_eq!(queue(settings).unwrap().unwrap().url, url);
        }
    }

    #[test]
    fn without_a_queue_there_is_none_and_one_elsewhere_is_refused() {
        assert_eq!(
            queue(json!({"region": "eu-central-1", "stage": "live"})).unwrap(),
            None
        );
        for (arn, part) in [
            ("arn:aws:sqs:us-east-1:111122223333:changes", "where the APIs are"),
            (
                "arn:aws-eusc:sqs:eu-central-1:111122223333:changes",
                "write `arn:aws:…`",
            ),
            (
                "arn:aws:sns:eu-central-1:111122223333:changes",
                "not the ARN of a queue",
            ),
            ("changes", "not the ARN of a queue"),
        ] {
            let settings = json!({"region": "eu-central-1", "stage": "live", "eventQueueArn": arn});
            let error = queue(settings).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.message().contains(part), "{}", error.message());
        }
    }
}
