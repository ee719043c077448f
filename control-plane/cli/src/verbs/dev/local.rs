//! What `dev` sees to on every start: the admin token, the environment of its own gateway, and the agent.

use std::{fs, time::Duration};

use anyhow::Context as _;
use gatehouse_agents_native::{GATEWAY_TYPE, NativeGateway};
use gatehouse_connector_sdk::runtime::{Agent as AgentRuntime, AgentOptions};
use gatehouse_control_plane_api::{
    admin::{Agent, ApplyRequest, EnvironmentResource, Role},
    client::{Client, ClientOptions, ListOptions},
};
use gatehouse_control_plane_server::{Server, create_join_token, create_token};
use gatehouse_schemas::identity::GatewayType;
use secrecy::SecretString;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::LOCAL;
use crate::{data_folder::DataFolder, failure::chain, moment, screen, settings::write_private};

/// The join token of the agent in this process is used at once.
const JOIN_TOKEN_LIFE: Duration = Duration::from_secs(60);

/// The admin token: the one the first start made or, if that is gone or revoked, a new one.
pub(super) async fn admin_token(
    server: &Server,
    control_plane: &str,
    folder: &DataFolder,
) -> anyhow::Result<String> {
    let file = folder.join("admin-token");
    if let Ok(text) = fs::read_to_string(&file) {
        let token = text.trim().to_owned();
        let client = Client::new(ClientOptions::new(
            control_plane,
            Some(SecretString::from(token.clone())),
        ))?;
        if client.whoami().await.is_ok_and(|who| who.role == Role::Admin) {
            return Ok(token);
        }
    }
    let name = format!("dev-{}", moment::now().0).parse()?;
    let created = create_token(server, &name, Role::Admin, None)
        .await
        .context("failed to make an admin token")?;
    write_private(&file, format!("{}\n", created.token).as_bytes())
        .with_context(|| format!("failed to write `{}`", file.display()))?;
    Ok(created.token)
}

/// Registers the environment of the gateway in this process, if it is not there.
pub(super) async fn environment(client: &Client) -> anyhow::Result<()> {
    match client.get::<EnvironmentResource>("environments", LOCAL).await {
        Ok(_) => return Ok(()),
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(error.into()),
    }
    let document = json!({
        "kind": "Environment",
        "metadata": {"name": LOCAL},
        "spec": {"displayName": "This machine", "gatewayType": GATEWAY_TYPE, "mode": "read-write"},
    });
    client
        .apply(&ApplyRequest {
            documents: vec![document],
            dry_run: false,
        })
        .await?;
    Ok(())
}

/// Runs the agent until `stop`. It joins with a token made here, unless it has joined before.
pub(super) async fn agent(
    server: &Server,
    client: &Client,
    gateway: &NativeGateway,
    folder: &DataFolder,
    stop: &CancellationToken,
) -> anyhow::Result<JoinHandle<()>> {
    let state_dir = folder.join("agent");
    let mut options = AgentOptions::new(format!("http://{}", server.address()), &state_dir);
    options.name = Some("gatehouse dev".to_owned());
    let native: GatewayType = GATEWAY_TYPE.parse()?;
    if !(state_dir.join("identity.json").exists() && is_known(client, &native).await?) {
        let created = create_join_token(server, &native, JOIN_TOKEN_LIFE).await;
        options.join_token = Some(created.context("failed to make a join token")?.token.into());
    }
    let agent = AgentRuntime::builder(gateway.connector());
    let stop = stop.clone();
    Ok(tokio::spawn(async move {
        if let Err(error) = agent.run(options, stop).await {
            screen::note(&format!("error: the agent has ended: {}", chain(&error)));
        }
    }))
}

/// Whether the control plane knows an agent of this type that may come back.
async fn is_known(client: &Client, gateway_type: &GatewayType) -> anyhow::Result<bool> {
    let agents: Vec<Agent> = client.list(&["agents"], &ListOptions::default()).await?;
    Ok(agents
        .iter()
        .any(|agent| agent.gateway_type == *gateway_type && !agent.revoked))
}
