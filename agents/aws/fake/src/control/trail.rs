//! What CloudTrail records of a call, as EventBridge delivers it: each call that changes something is told to the queues of
//! its account and region.

use axum::http::Method;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::{Answer, Call, Operation};
use crate::cloud::{Cloud, PlaceName};

/// Tells of a call that was answered.
pub(crate) fn record(
    cloud: &Cloud,
    place: &PlaceName,
    operation: &Operation,
    call: &Call<'_>,
    answer: &Answer,
) {
    let has_changed = operation.method != Method::GET && (200..300).contains(&answer.status);
    if has_changed {
        cloud
            .queues
            .deliver(place, &event(cloud, place, operation, call, answer).to_string());
    }
}

fn event(cloud: &Cloud, place: &PlaceName, operation: &Operation, call: &Call<'_>, answer: &Answer) -> Value {
    let (account, region) = place;
    let seconds = i64::try_from(cloud.clock().now().as_secs()).unwrap_or_default();
    let time = OffsetDateTime::from_unix_timestamp(seconds).ok();
    let time = time
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_default();
    let made: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let detail = json!({
        "eventVersion": "1.09", "eventTime": time, "eventSource": "apigateway.amazonaws.com",
        "eventName": operation.name, "awsRegion": region, "sourceIPAddress": "127.0.0.1",
        "userIdentity": {"type": "IAMUser", "accountId": account}, "readOnly": false,
        "requestParameters": asked(call), "responseElements": made, "requestID": Uuid::new_v4(),
        "eventID": Uuid::new_v4(), "eventType": "AwsApiCall", "managementEvent": true,
        "recipientAccountId": account, "eventCategory": "Management",
    });
    json!({
        "version": "0", "id": Uuid::new_v4(), "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.apigateway", "account": account, "time": time, "region": region, "resources": [],
        "detail": detail,
    })
}

/// The variable parts of the path, by the names that CloudTrail has for them.
fn asked(call: &Call<'_>) -> Value {
    let named = call.labels.iter();
    let named = named.map(|(name, value)| (recorded_name(name), Value::from(value.as_str())));
    let members: Map<String, Value> = named.collect();
    match members.is_empty() {
        true => Value::Null,
        false => Value::Object(members),
    }
}

/// `restapi_id` is recorded as `restApiId`, `stage_name` as `stageName`.
fn recorded_name(label: &str) -> String {
    let mut parts = label
        .split('_')
        .map(|part| if part == "restapi" { "restApi" } else { part });
    let mut name = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut letters = part.chars();
        name.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        name.push_str(letters.as_str());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_recorded_as_cloudtrail_writes_them() {
        for (label, recorded) in [
            ("restapi_id", "restApiId"),
            ("stage_name", "stageName"),
            ("usageplanId", "usageplanId"),
            ("resource_arn", "resourceArn"),
            ("apiId", "apiId"),
        ] {
            assert_eq!(recorded_name(label), recorded);
        }
    }
}
