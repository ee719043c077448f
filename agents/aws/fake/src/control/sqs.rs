//! SQS, as far as a reader of events needs it: receiving and removing messages, in the protocol AWS JSON 1.0.

use std::time::Duration;

use serde_json::{Value, json};

use super::access;
use super::{Answer, AwsError, ControlRequest, partition};
use crate::cloud::{Cloud, PlaceName};

const TARGET: &str = "AmazonSQS.";
/// How long a message is hidden, unless the call says otherwise.
const HIDDEN_SECONDS: u64 = 30;

/// Whether a call is one to SQS.
pub(crate) fn is_meant(request: &ControlRequest) -> bool {
    target(request).is_some_and(|target| target.starts_with(TARGET))
}

/// The action that a call names.
pub(crate) fn action(request: &ControlRequest) -> String {
    let target = target(request).unwrap_or_default();
    target.trim_start_matches(TARGET).to_owned()
}

fn target(request: &ControlRequest) -> Option<&str> {
    request.header("x-amz-target")
}

/// How long a call waits for a message that is not there yet.
pub(crate) fn wait(request: &ControlRequest) -> Duration {
    match action(request).as_str() {
        "ReceiveMessage" => Duration::from_secs(number(request, "WaitTimeSeconds", 0)),
        _ => Duration::ZERO,
    }
}

/// Whether an answer brings no message.
pub(crate) fn is_empty(answer: &Answer) -> bool {
    answer.status == 200 && answer.body.as_ref() == b"{}"
}

/// Answers a call to SQS.
pub(crate) fn answer(cloud: &Cloud, request: &ControlRequest) -> Answer {
    let answered = match action(request).as_str() {
        "ReceiveMessage" => receive(cloud, request),
        "DeleteMessageBatch" => delete(cloud, request),
        action => Err(refusal(
            "InvalidAction",
            &format!("the fake of SQS has no {action}"),
        )),
    };
    answered.unwrap_or_else(|refusal| refusal)
}

fn receive(cloud: &Cloud, request: &ControlRequest) -> Result<Answer, Answer> {
    let (place, name) = queue(cloud, request, "sqs:ReceiveMessage")?;
    let most = usize::try_from(number(request, "MaxNumberOfMessages", 1)).unwrap_or(1);
    let hidden = Duration::from_secs(number(request, "VisibilityTimeout", HIDDEN_SECONDS));
    let taken = cloud.queues.take(&place, &name, most.min(10), hidden);
    let message = |one: &crate::queues::Message| json!({"MessageId": one.id, "ReceiptHandle": one.handle, "Body": one.body});
    let messages: Vec<Value> = taken.iter().map(message).collect();
    Ok(match messages.is_empty() {
        // SQS leaves an empty list out.
        true => done(&json!({})),
        false => done(&json!({ "Messages": messages })),
    })
}

fn delete(cloud: &Cloud, request: &ControlRequest) -> Result<Answer, Answer> {
    let (place, name) = queue(cloud, request, "sqs:DeleteMessage")?;
    let members = request.members().unwrap_or_default();
    let entries = members.get("Entries").and_then(Value::as_array);
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for entry in entries.into_iter().flatten() {
        let handle = entry["ReceiptHandle"].as_str().unwrap_or_default();
        match cloud.queues.remove(&place, &name, handle) {
            true => successful.push(json!({"Id": entry["Id"]})),
            false => failed.push(
                json!({"Id": entry["Id"], "SenderFault": true, "Code": "ReceiptHandleIsInvalid",
                "Message": "The input receipt handle is invalid."}),
            ),
        }
    }
    Ok(done(&json!({"Successful": successful, "Failed": failed})))
}

/// The queue that a call names, if the caller may do this with it and it is there.
fn queue(cloud: &Cloud, request: &ControlRequest, action: &str) -> Result<(PlaceName, String), Answer> {
    let caller = access::caller(cloud, request).map_err(|error| denied(&error))?;
    let url = request.members().unwrap_or_default();
    let url = url.get("QueueUrl").and_then(Value::as_str).unwrap_or_default();
    let mut parts = url.rsplit('/');
    let (name, account) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    access::check(&caller, action, &arn_of(&caller.region, account, name)).map_err(|error| denied(&error))?;
    let place = (account.to_owned(), caller.region.clone());
    match cloud.queues.exists(&place, name) {
        true => Ok((place, name.to_owned())),
        false => {
            let missing = refusal("QueueDoesNotExist", "The specified queue does not exist.");
            Err(missing.with(
                "x-amzn-query-error",
                "AWS.SimpleQueueService.NonExistentQueue;Sender",
            ))
        }
    }
}

/// The name of a queue in IAM.
pub(crate) fn arn_of(region: &str, account: &str, name: &str) -> String {
    format!("arn:{}:sqs:{region}:{account}:{name}", partition(region))
}

fn number(request: &ControlRequest, member: &str, otherwise: u64) -> u64 {
    let members = request.members().unwrap_or_default();
    members.get(member).and_then(Value::as_u64).unwrap_or(otherwise)
}

fn done(body: &Value) -> Answer {
    Answer::of_type(200, "application/x-amz-json-1.0", body.to_string())
}

fn denied(error: &AwsError) -> Answer {
    refusal(error.kind, &error.message)
}

fn refusal(kind: &str, message: &str) -> Answer {
    let body = json!({"__type": format!("com.amazonaws.sqs#{kind}"), "message": message});
    Answer::of_type(400, "application/x-amz-json-1.0", body.to_string())
}
