//! A fake of Kong Gateway as a program: starts, prints its two addresses as one line of JSON, serves until it ends.

use std::io;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use gatehouse_fake_kong::{
    AdminToken, Database, Enterprise, FakeKong, FakeKongOptions, Plugins, RouterFlavor,
};

/// A fake of Kong Gateway, for tests.
#[derive(Debug, Parser)]
#[command(name = "gatehouse-fake-kong", version)]
struct Arguments {
    /// Where Kong keeps its configuration.
    #[arg(long, value_enum, default_value = "postgres")]
    database: Storage,
    /// The version that it says it is.
    #[arg(long, default_value = "3.9.3")]
    kong_version: String,
    /// How routes say what they match.
    #[arg(long, value_enum, default_value = "traditional-compatible")]
    router_flavor: Flavor,
    /// The header that has to carry the admin token.
    #[arg(long, default_value = "Kong-Admin-Token")]
    admin_token_header: String,
    /// The token without which the Admin API is refused.
    #[arg(long)]
    admin_token: Option<String>,
    /// A token that may only read.
    #[arg(long)]
    read_only_token: Option<String>,
    /// A path before every path of the Admin API.
    #[arg(long, default_value = "")]
    path_prefix: String,
    /// The enabled plugins; all that come with Kong when none is named.
    #[arg(long, value_delimiter = ',')]
    plugins: Vec<String>,
    /// Milliseconds until the proxy sees a change.
    #[arg(long, default_value_t = 50)]
    propagation_delay_ms: u64,
    /// The workspaces of Kong Enterprise; without any it is the open Kong.
    #[arg(long, value_delimiter = ',')]
    workspaces: Vec<String>,
    /// The port of the Admin API; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    admin_port: u16,
    /// The port of the proxy; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    proxy_port: u16,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Storage {
    Postgres,
    Off,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Flavor {
    TraditionalCompatible,
    Expressions,
}

impl Arguments {
    fn options(self) -> FakeKongOptions {
        let header = self.admin_token_header;
        FakeKongOptions {
            database: match self.database {
                Storage::Postgres => Database::Postgres,
                Storage::Off => Database::Off,
            },
            version: self.kong_version,
            router_flavor: match self.router_flavor {
                Flavor::TraditionalCompatible => RouterFlavor::TraditionalCompatible,
                Flavor::Expressions => RouterFlavor::Expressions,
            },
            admin_token: self.admin_token.map(|token| AdminToken { header, token }),
            read_only_token: self.read_only_token,
            path_prefix: self.path_prefix,
            plugins: if self.plugins.is_empty() {
                Plugins::Bundled
            } else {
                Plugins::Only(self.plugins)
            },
            propagation_delay: Duration::from_millis(self.propagation_delay_ms),
            enterprise: (!self.workspaces.is_empty()).then(|| Enterprise {
                workspaces: self.workspaces,
                documents: Vec::new(),
            }),
            admin_port: self.admin_port,
            proxy_port: self.proxy_port,
        }
    }
}

#[tokio::main]
#[expect(
    clippy::print_stdout,
    reason = "the addresses on standard output are what this program is started for"
)]
async fn main() -> io::Result<()> {
    let kong = FakeKong::start(Arguments::parse().options()).await?;
    println!(
        "{}",
        serde_json::json!({ "admin": kong.admin_url(), "proxy": kong.proxy_url() })
    );
    tokio::signal::ctrl_c().await
}
