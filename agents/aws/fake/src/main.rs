//! A fake of Amazon API Gateway as a program: starts, prints its addresses as one line of JSON, serves until it ends.

use std::io;

use clap::Parser;
use gatehouse_fake_aws::{AccessKey, FakeAws, FakeAwsOptions, Quotas};

/// A fake of Amazon API Gateway, for tests.
#[derive(Debug, Parser)]
#[command(name = "gatehouse-fake-aws", version)]
struct Arguments {
    /// The access keys that may call; any secret goes with them.
    #[arg(long, value_delimiter = ',', default_value = "AKIAIOSFODNN7EXAMPLE")]
    access_keys: Vec<String>,
    /// Access keys that may only read.
    #[arg(long, value_delimiter = ',')]
    read_only_access_keys: Vec<String>,
    /// The account that they belong to.
    #[arg(long, default_value = "111111111111")]
    account: String,
    /// Whether the published quotas of the control plane are enforced.
    #[arg(long)]
    quotas: bool,
    /// Whether calls over a quota are told when to come back.
    #[arg(long, requires = "quotas")]
    retry_after: bool,
    /// The port of the control plane; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    control_port: u16,
    /// The port of the data plane; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    data_port: u16,
}

const READ_ONLY: &str =
    r#"{"Statement": [{"Effect": "Allow", "Action": "apigateway:GET", "Resource": "*"}]}"#;

impl Arguments {
    fn options(self) -> FakeAwsOptions {
        let account = &self.account;
        let key = |id: &String| AccessKey::new(id).in_account(account);
        let all = self.access_keys.iter().map(key);
        let readers = self.read_only_access_keys.iter();
        let readers = readers.map(|id| key(id).with_policy(READ_ONLY));
        FakeAwsOptions {
            access_keys: all.chain(readers).collect(),
            quotas: match self.quotas {
                true => Quotas::Published {
                    retry_after: self.retry_after,
                },
                false => Quotas::Unlimited,
            },
            control_port: self.control_port,
            data_port: self.data_port,
            ..FakeAwsOptions::default()
        }
    }
}

#[tokio::main]
#[expect(
    clippy::print_stdout,
    reason = "the addresses on standard output are what this program is started for"
)]
async fn main() -> io::Result<()> {
    let aws = FakeAws::start(Arguments::parse().options()).await?;
    println!(
        "{}",
        serde_json::json!({ "control": aws.control_url(), "data": aws.data_url() })
    );
    tokio::signal::ctrl_c().await
}
