//! `tiny-gateway`: the tiny gateway as a process of its own.
//!
//! Variables say how it runs: `TINY_GATEWAY_ADMIN_TOKEN` (needed), `TINY_GATEWAY_READ_TOKEN`,
//! `TINY_GATEWAY_ADMIN_LISTEN` (127.0.0.1:7001), `TINY_GATEWAY_LISTEN` (127.0.0.1:7000).

use std::{
    env,
    error::Error,
    io::{self, Write as _},
    net::SocketAddr,
};

use gatehouse_agent_scaffold::tiny_gateway::{Options, TinyGateway};
use secrecy::SecretString;
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let admin_token = text("TINY_GATEWAY_ADMIN_TOKEN");
    let options = Options {
        admin_listen: address("TINY_GATEWAY_ADMIN_LISTEN", "127.0.0.1:7001")?,
        listen: address("TINY_GATEWAY_LISTEN", "127.0.0.1:7000")?,
        admin_token: admin_token
            .ok_or("give the Admin API a token: the variable TINY_GATEWAY_ADMIN_TOKEN")?
            .into(),
        read_token: text("TINY_GATEWAY_READ_TOKEN").map(SecretString::from),
    };
    let gateway = TinyGateway::start(options).await?;
    let addresses = json!({ "adminUrl": gateway.admin_url(), "proxyUrl": gateway.proxy_url() });
    writeln!(io::stdout(), "{addresses}")?;
    Ok(tokio::signal::ctrl_c().await?)
}

fn text(variable: &str) -> Option<String> {
    env::var(variable).ok().filter(|text| !text.is_empty())
}

fn address(variable: &str, usual: &str) -> Result<SocketAddr, String> {
    let text = text(variable).unwrap_or_else(|| usual.to_owned());
    let address = text.parse();
    address.map_err(|_| format!("{variable} is `{text}`, which is not an address and a port"))
}
