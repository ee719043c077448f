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
    FakeAws, FakeAwsOptions,
    emulators::{Emulator, boto},
};

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

#[tokio::test(flavor = "multi_thread")]
async fn the_fake_departs_from_aws_nowhere() {
    let options = FakeAwsOptions::default();
    let key = options.access_keys[0].clone();
    let aws = FakeAws::start(options).await.unwrap();
    let endpoint = aws.control_url();
    let checking = tokio::task::spawn_blocking(move || check(&endpoint, &key.account, &key.id, &[]));
    let Some(output) = checking.await.unwrap() else {
        return;
    };
    let departures = String::from_utf8(output.stderr).unwrap();
    assert_eq!(departures, "");
    assert!(aws.calls().len() > 100, "{}", aws.calls().len());
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
