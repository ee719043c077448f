//! Queues that are told of changes, as SQS gives them out.

use serde_json::{Value, json};

use crate::client::{Client, KEY, REGION};

const QUEUE: &str = "changes";
const URL: &str = "https://sqs.eu-central-1.amazonaws.com/111111111111/changes";

/// A call of SQS: its status and its answer.
async fn sqs(client: &Client, action: &str, mut body: Value) -> (u16, Value) {
    body["QueueUrl"] = body.get("QueueUrl").cloned().unwrap_or_else(|| json!(URL));
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let scope = format!("{KEY}/20261122/{REGION}/sqs/aws4_request");
    let request = http
        .post(client.aws.control_url())
        .header(
            "authorization",
            format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"),
        )
        .header("x-amz-target", format!("AmazonSQS.{action}"))
        .header("content-type", "application/x-amz-json-1.0")
        .body(body.to_string());
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap())
}

async fn listening() -> Client {
    let client = Client::start().await;
    client.aws.listen(REGION, QUEUE);
    client
}

#[tokio::test]
async fn a_change_is_told_as_cloudtrail_records_it_and_a_look_or_a_refusal_is_not() {
    let client = listening().await;
    let id = client
        .call("POST", "/restapis", json!({"name": "orders"}))
        .await
        .id();
    client.get(&format!("/restapis/{id}")).await.ok();
    assert_eq!(
        client
            .call("DELETE", "/restapis/nobody", Value::Null)
            .await
            .status,
        404
    );
    client
        .call("DELETE", &format!("/restapis/{id}"), Value::Null)
        .await
        .ok();
    let (status, answer) = sqs(&client, "ReceiveMessage", json!({"MaxNumberOfMessages": 10})).await;
    assert_eq!(status, 200);
    let messages = answer["Messages"].as_array().unwrap().iter();
    let events: Vec<Value> = messages
        .map(|message| serde_json::from_str(message["Body"].as_str().unwrap()).unwrap())
        .collect();
    let told: Vec<_> = events.iter().map(|event| &event["detail"]["eventName"]).collect();
    assert_eq!(told, ["CreateRestApi", "DeleteRestApi"]);
    assert_eq!(events[0]["detail-type"], "AWS API Call via CloudTrail");
    assert_eq!(events[0]["detail"]["responseElements"]["id"], json!(id));
    assert_eq!(events[1]["detail"]["requestParameters"], json!({"restApiId": id}));
}

#[tokio::test]
async fn what_was_given_out_is_hidden_until_it_is_removed_or_its_time_is_up() {
    let client = listening().await;
    client.aws.send(REGION, QUEUE, "one");
    let none_hidden = json!({"VisibilityTimeout": 0});
    let (_, first) = sqs(&client, "ReceiveMessage", none_hidden).await;
    let (_, again) = sqs(&client, "ReceiveMessage", json!({})).await;
    assert_eq!(first["Messages"][0]["Body"], again["Messages"][0]["Body"]);
    assert_eq!(sqs(&client, "ReceiveMessage", json!({})).await, (200, json!({})));
    assert_eq!(client.aws.messages(REGION, QUEUE), 1);
    let handle = &again["Messages"][0]["ReceiptHandle"];
    let entries =
        json!({"Entries": [{"Id": "0", "ReceiptHandle": handle}, {"Id": "1", "ReceiptHandle": "no"}]});
    let (_, removed) = sqs(&client, "DeleteMessageBatch", entries).await;
    assert_eq!(removed["Successful"], json!([{"Id": "0"}]));
    assert_eq!(removed["Failed"][0]["Code"], "ReceiptHandleIsInvalid");
    assert_eq!(client.aws.messages(REGION, QUEUE), 0);
}

#[tokio::test]
async fn a_queue_that_is_not_there_and_an_action_that_is_none_are_refused() {
    let client = listening().await;
    let elsewhere = json!({"QueueUrl": format!("{URL}-2")});
    let (status, refused) = sqs(&client, "ReceiveMessage", elsewhere).await;
    assert_eq!(
        (status, &refused["__type"]),
        (400, &json!("com.amazonaws.sqs#QueueDoesNotExist"))
    );
    let (status, refused) = sqs(&client, "PurgeQueue", json!({})).await;
    assert_eq!(
        (status, &refused["__type"]),
        (400, &json!("com.amazonaws.sqs#InvalidAction"))
    );
}
