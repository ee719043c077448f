//! What boto3, AWS's own client, makes of servers of AWS's API, and whether their answers are as the official model has
//! them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot do its work stops"
)]

use std::{
    collections::BTreeSet,
    path::Path,
    process::{Command, Output},
};

use gatehouse_fake_aws::{
    FakeAws, FakeAwsOptions, Service,
    emulators::{Emulator, boto},
    operations,
};

const ACCOUNT: &str = "111111111111";
const KEY: &str = "AKIAIOSFODNN7EXAMPLE";

/// Drives an endpoint with boto3; none, with a line that says so, where it is not installed.
fn check(endpoint: &str, account: &str, access_key: &str, topics: &[&str]) -> Option<Output> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/boto/check.py");
    let mut command = Command::new(boto()?);
    command.arg(script).arg(endpoint).args(topics).env_clear();
    command
        .env("AWS_ACCESS_KEY_ID", access_key)
        .env("AWS_SECRET_ACCESS_KEY", "secret");
    command
        .env("AWS_ACCOUNT_ID", account)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    Some(command.output().unwrap())
}

/// The list in `docs/testing-aws.md` is what it does otherwise; a new version may have another one.
#[tokio::test(flavor = "multi_thread")]
async fn localstack_departs_from_aws_where_it_is_known_to() {
    const TOPICS: [&str; 6] = [
        "rest_apis.life_of_an_api",
        "rest_apis.merging",
        "rest_apis.paging",
        "rest_access.keys_and_plans",
        "rest_access.tags",
        "rest_access.domains",
    ];
    let Some(localstack) = Emulator::LocalStack.start().await.unwrap() else {
        return;
    };
    let Some(output) = check(localstack.endpoint(), "000000000000", "test", &TOPICS) else {
        return;
    };
    let text = String::from_utf8(output.stderr).unwrap();
    let departures: BTreeSet<String> = text.lines().map(brief).collect();
    let known: BTreeSet<String> = include_str!("localstack.txt")
        .lines()
        .map(str::to_owned)
        .collect();
    assert_eq!(departures, known, "{text}");
}

/// The topic and what it is about, without what was found.
fn brief(line: &str) -> String {
    line.splitn(3, ':').take(2).collect::<Vec<_>>().join(":")
}

/// Every operation of the fake is one of AWS, and boto3 has called it.
#[tokio::test(flavor = "multi_thread")]
async fn the_fake_answers_boto3_as_the_official_model_has_it() {
    let fake = FakeAws::start(FakeAwsOptions::default()).await.unwrap();
    let Some(output) = check(&fake.control_url(), ACCOUNT, KEY, &[]) else {
        return;
    };
    let departures = String::from_utf8(output.stderr).unwrap();
    assert_eq!(departures, "");
    let told = String::from_utf8(output.stdout).unwrap();
    let called: BTreeSet<&str> = told
        .lines()
        .filter_map(|line| line.strip_prefix("called "))
        .collect();
    let known: BTreeSet<String> = operations()
        .map(|(service, .., name)| format!("{}:{name}", official(service)))
        .collect();
    let uncalled: Vec<&String> = known
        .iter()
        .filter(|name| !called.contains(name.as_str()))
        .collect();
    assert!(uncalled.is_empty(), "boto3 does not call {uncalled:?}");
}

#[test]
fn the_fake_has_no_operation_that_the_official_model_has_otherwise() {
    let Some(python) = boto() else { return };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/boto/operations.py");
    let output = Command::new(python)
        .arg(script)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let wanted: BTreeSet<&str> = text.lines().collect();
    for (service, method, path, status, name) in operations() {
        let line = format!("{} {method} {path} {status} {name}", official(service));
        assert!(
            wanted.contains(line.as_str()),
            "the official model has no `{line}`"
        );
    }
}

fn official(service: Service) -> &'static str {
    match service {
        Service::Rest => "apigateway",
        Service::Http => "apigatewayv2",
    }
}
