//! Events of API Gateway as EventBridge delivers them from CloudTrail.
//!
//! Their shape is that of AWS's documentation: [events that CloudTrail delivers to EventBridge], [the contents of a record],
//! [calls of API Gateway in CloudTrail]. Both versions of API Gateway record as `apigateway.amazonaws.com`; version 1 names
//! an API `restApiId`, version 2 `apiId`, and what is made has its identity in `responseElements`. A web ACL comes to a stage
//! by a call of AWS WAF, which records as itself.
//!
//! [events that CloudTrail delivers to EventBridge]: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html
//! [the contents of a record]: https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
//! [calls of API Gateway in CloudTrail]: https://docs.aws.amazon.com/apigateway/latest/developerguide/cloudtrail.html

use gatehouse_connector_sdk::connector::Hint;
use serde_json::Value;

use crate::{apis::ApiId, translate::Kind};

/// Who records the calls of both versions.
const SOURCE: &str = "apigateway.amazonaws.com";
/// Who records that a stage is guarded by a web ACL, or no more.
const FIREWALLS: [&str; 2] = ["wafv2.amazonaws.com", "waf-regional.amazonaws.com"];

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    /// Something changed.
    Change(Hint),
    /// Nothing changed here: a call that reads or failed, one in another region, or one about something else.
    Nothing,
    /// It is no event of API Gateway, or of what guards it.
    Strange,
}

impl Told {
    pub(super) fn into_hint(self) -> Option<Hint> {
        match self {
            Self::Change(hint) => Some(hint),
            Self::Nothing | Self::Strange => None,
        }
    }
}

/// Reads a message. Whatever it is, there is an answer.
pub(super) fn read(message: &str, region: &str) -> Told {
    let Ok(event) = serde_json::from_str::<Value>(message) else {
        return Told::Strange;
    };
    let record = &event["detail"];
    let source = text(record, "eventSource").unwrap_or_default();
    let is_of_firewall = FIREWALLS.contains(&source);
    if source != SOURCE && !is_of_firewall {
        return Told::Strange;
    }
    let is_elsewhere = text(record, "awsRegion").is_some_and(|there| there != region);
    let has_failed = text(record, "errorCode").is_some();
    if is_elsewhere || has_failed || is_read(record) {
        return Told::Nothing;
    }
    if is_of_firewall {
        return guarded(record).map_or(Told::Nothing, changed);
    }
    api(record).map_or(Told::Change(Hint::Something), changed)
}

fn changed(api: ApiId) -> Told {
    Told::Change(Hint::Api(api.external_ref()))
}

/// The API whose stage a web ACL was put to or taken from: `AssociateWebACL`, `DisassociateWebACL`.
fn guarded(record: &Value) -> Option<ApiId> {
    let name = text(record, "eventName")?;
    let resource = text(&record["requestParameters"], "resourceArn")?;
    match matches!(name, "AssociateWebACL" | "DisassociateWebACL") {
        true => identified(of_resource(resource)?),
        false => None,
    }
}

fn is_read(record: &Value) -> bool {
    let name = text(record, "eventName").unwrap_or_default();
    record["readOnly"] == true || name.starts_with("Get") || name.starts_with("TestInvoke")
}

/// The API that a call changed; none if it names none, or none for sure.
fn api(record: &Value) -> Option<ApiId> {
    let (asked, made) = (&record["requestParameters"], &record["responseElements"]);
    let name = text(record, "eventName").unwrap_or_default();
    // A mapping of version 2 may lead to an API of either version.
    if name.ends_with("ApiMapping") {
        return None;
    }
    let named = [
        (asked, Kind::Rest, "restApiId"),
        (asked, Kind::Http, "apiId"),
        (made, Kind::Http, "apiId"),
    ];
    let mut named = named
        .into_iter()
        .filter_map(|(place, kind, member)| Some((kind, text(place, member)?)));
    let tagged = || text(asked, "resourceArn").and_then(of_resource);
    let new = || {
        let is_made = matches!(name, "CreateRestApi" | "ImportRestApi" | "CloneRestApi");
        text(made, "id").filter(|_| is_made).map(|id| (Kind::Rest, id))
    };
    identified(named.next().or_else(tagged).or_else(new)?)
}

/// An API, if that can be the identity of one.
fn identified((kind, id): (Kind, &str)) -> Option<ApiId> {
    let is_id = (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_id.then(|| ApiId {
        kind,
        id: id.to_owned(),
    })
}

/// What a resource name is about: `arn:aws:apigateway:eu-central-1::/restapis/a1b2c3/stages/live`.
fn of_resource(arn: &str) -> Option<(Kind, &str)> {
    let (_, path) = arn.split_once("::/")?;
    let mut parts = path.split('/');
    let kind = match parts.next()? {
        "restapis" => Kind::Rest,
        "apis" => Kind::Http,
        _ => return None,
    };
    Some((kind, parts.next()?))
}

fn text<'a>(object: &'a Value, member: &str) -> Option<&'a str> {
    object.get(member)?.as_str()
}

#[cfg(test)]
mod tests;
