//! What IAM has to allow in each mode, and no more.

use gatehouse_connector_sdk::schemas::{
    descriptor::{DerivedWord, PermissionAddition, PermissionSet},
    environment::Mode,
};
use serde_json::{Value, json};

use crate::partition::{OTHERS, USUAL};

/// What is read, by path. IAM's actions of API Gateway are the methods of HTTP.
const READ: [&str; 11] = [
    "/restapis",
    "/restapis/*",
    "/apis",
    "/apis/*",
    "/usageplans",
    "/usageplans/*",
    "/apikeys",
    "/apikeys/*",
    "/domainnames",
    "/domainnames/*",
    "/tags/*",
];

/// What is changed: the action, and the paths.
const CHANGED: [(&str, &[&str]); 5] = [
    (
        "apigateway:POST",
        &[
            "/restapis",
            "/restapis/*/deployments",
            "/restapis/*/stages",
            "/apis/*/deployments",
            "/apis/*/stages",
            "/usageplans",
            "/usageplans/*/keys",
            "/apikeys",
            "/domainnames/*/apimappings",
            "/tags/*",
        ],
    ),
    ("apigateway:PUT", &["/restapis/*", "/apis", "/apis/*", "/tags/*"]),
    (
        "apigateway:PATCH",
        &[
            "/restapis/*/stages/*",
            "/apis/*/stages/*",
            "/usageplans/*",
            "/apikeys/*",
            "/domainnames/*/apimappings/*",
        ],
    ),
    (
        "apigateway:DELETE",
        &[
            "/restapis/*",
            "/apis/*",
            "/usageplans/*",
            "/apikeys/*",
            "/domainnames/*/apimappings/*",
        ],
    ),
    // A document with a resource policy (`ip.filter`) asks for this as well.
    ("apigateway:UpdateRestApiPolicy", &["/restapis", "/restapis/*"]),
];

/// The names of the statements, by which people find the one that they lack.
const STATEMENTS: [(&str, &str); 9] = [
    ("apigateway:GET", "Read"),
    ("apigateway:POST", "Create"),
    ("apigateway:PUT", "Replace"),
    ("apigateway:PATCH", "Change"),
    ("apigateway:DELETE", "Remove"),
    ("apigateway:UpdateRestApiPolicy", "ResourcePolicies"),
    ("sqs:ReceiveMessage", "HearChanges"),
    ("sqs:DeleteMessage", "HearChanges"),
    ("logs:CreateLogDelivery", "DeliverLogs"),
];

/// What AWS asks of whoever has a stage of an HTTP API write an access log. It knows no narrower resource for these.
const LOGGING: [&str; 8] = [
    "logs:CreateLogDelivery",
    "logs:CreateLogGroup",
    "logs:DeleteLogDelivery",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
];

/// The name of the statement that allows an action, if the connector ever needs it.
pub(crate) fn statement(action: &str) -> Option<&'static str> {
    let named = STATEMENTS
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(action));
    named.map(|(_, name)| *name)
}

/// The least-privilege policy of each mode. `gatehouse env permissions` shows it.
pub(super) fn permissions() -> Vec<PermissionSet> {
    [Mode::ReadOnly, Mode::WriteOnly, Mode::ReadWrite]
        .map(permission)
        .to_vec()
}

fn permission(mode: Mode) -> PermissionSet {
    // Nothing is changed without having been looked at, so that a mode that only writes reads as well.
    let mut statements = vec![allowed("apigateway:GET", &READ)];
    if mode.may_write() {
        statements.extend(CHANGED.map(|(action, paths)| allowed(action, paths)));
    }
    PermissionSet {
        mode,
        language: "AWS IAM policy".to_owned(),
        document: json!({"Version": "2012-10-17", "Statement": statements}),
        additions: additions(mode),
        derived: vec![partition()],
        instructions: "Attach it to the role or user whose credentials the agent has (or to the role that `roleArn` names). The agent asks STS who it is (sts:GetCallerIdentity), which needs no permission.".to_owned(),
    }
}

/// The partition, with which resource names begin.
fn partition() -> DerivedWord {
    let names = OTHERS.map(|other| (other.beginning.to_owned(), other.name.to_owned()));
    DerivedWord {
        name: "partition".to_owned(),
        setting: "region".to_owned(),
        by_beginning: names.into(),
        otherwise: USUAL.name.to_owned(),
    }
}

fn additions(mode: Mode) -> Vec<PermissionAddition> {
    let logging = mode.may_write().then(logging);
    [listening()].into_iter().chain(logging).collect()
}

/// What the access log of an HTTP API takes, where people want one.
fn logging() -> PermissionAddition {
    let statement = json!({"Sid": "DeliverLogs", "Effect": "Allow", "Action": LOGGING, "Resource": "*"});
    PermissionAddition {
        setting: "accessLogArn".to_owned(),
        document: json!({"Statement": [statement]}),
    }
}

/// What reading the queue that tells of changes takes, in every mode.
fn listening() -> PermissionAddition {
    let statement = json!({
        "Sid": "HearChanges", "Effect": "Allow", "Action": ["sqs:ReceiveMessage", "sqs:DeleteMessage"],
        "Resource": ["{settings.eventQueueArn}"],
    });
    PermissionAddition {
        setting: "eventQueueArn".to_owned(),
        document: json!({"Statement": [statement]}),
    }
}

fn allowed(action: &str, paths: &[&str]) -> Value {
    let resource = |path: &&str| format!("arn:{{derived.partition}}:apigateway:{{settings.region}}::{path}");
    let resources: Vec<String> = paths.iter().map(resource).collect();
    json!({"Sid": statement(action), "Effect": "Allow", "Action": action, "Resource": resources})
}

#[cfg(test)]
mod tests {
    use gatehouse_connector_sdk::settings::schema;

    use super::*;
    use crate::config::AwsSettings;

    #[test]
    fn resources_are_named_as_their_partition_names_them() {
        let schema = schema::<AwsSettings>("");
        for (region, partition) in [
            ("eu-central-1", "aws"),
            ("cn-north-1", "aws-cn"),
            ("us-gov-west-1", "aws-us-gov"),
            ("eusc-de-east-1", "aws-eusc"),
            ("us-iso-east-1", "aws-iso"),
        ] {
            let settings = json!({"region": region, "stage": "live"});
            let beginning = format!("arn:{partition}:apigateway:{region}::/");
            for set in permissions() {
                let filled = set.filled(settings.as_object().unwrap(), &schema).unwrap();
                let statements = filled.document["Statement"].as_array().unwrap().iter();
                let mut resources =
                    statements.flat_map(|statement| statement["Resource"].as_array().unwrap());
                assert!(
                    resources.all(|resource| resource.as_str().unwrap().starts_with(&beginning)),
                    "{:#}",
                    filled.document
                );
            }
        }
    }
}
