//! The gateway and its agent together, for the binary and for whoever embeds them.

use std::{net::SocketAddr, sync::Arc};

use gatehouse_connector_sdk::{
    monitor::Monitor,
    runtime::{Agent, AgentOptions, RunError},
};
use gatehouse_gateway_core::Gateway;
use tokio_util::sync::CancellationToken;

use crate::{NativeConnector, NativeError, NativeOptions, local};

/// A native gateway that serves. Its agent is a second step, since the gateway serves what it knows whether
/// or not a control plane is there.
///
/// ```no_run
/// # async fn example() -> Result<(), gatehouse_agents_native::NativeError> {
/// use gatehouse_agents_native::{NativeGateway, NativeOptions};
/// use gatehouse_connector_sdk::runtime::AgentOptions;
/// use tokio_util::sync::CancellationToken;
///
/// let cancellation = CancellationToken::new();
/// let listen = ([127, 0, 0, 1], 8080).into();
/// let gateway = NativeGateway::start(NativeOptions::new(listen, "state/gateway")).await?;
/// println!("http://{}", gateway.address());
/// let agent = AgentOptions::new("http://127.0.0.1:9090", "state/agent");
/// gateway.run_agent(agent, cancellation).await?; // until cancelled
/// gateway.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct NativeGateway {
    gateway: Arc<Gateway>,
    options: NativeOptions,
}

impl NativeGateway {
    /// Starts serving what the last-known-good snapshot and the local file hold, all of it from the first request on.
    pub async fn start(options: NativeOptions) -> Result<Self, NativeError> {
        let local = match &options.apis_file {
            Some(file) => local::read(file).await?,
            None => Vec::new(),
        };
        let prepared = Gateway::prepare(options.gateway()).await?;
        local::serve(&prepared, options.apis_file.as_deref(), local).await?;
        let gateway = prepared.serve().await?;
        Ok(Self {
            gateway: Arc::new(gateway),
            options,
        })
    }

    /// Where plain HTTP is served.
    pub fn address(&self) -> SocketAddr {
        self.gateway.address()
    }

    /// Where HTTPS is served, if it is.
    pub fn tls_address(&self) -> Option<SocketAddr> {
        self.gateway.tls_address()
    }

    /// Where health and metrics are served, if they are.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.gateway.admin_address()
    }

    /// Reads those certificates again whose files have changed. What is wrong with one is in the log.
    pub async fn reload_certificates(&self) {
        self.gateway.reload_certificates().await;
    }

    /// A connector to this gateway.
    pub fn connector(&self) -> NativeConnector {
        NativeConnector::new(self.gateway.clone())
    }

    /// Runs the agent until it is cancelled or the control plane says that it does not know it. The gateway
    /// serves on, whatever becomes of the agent.
    pub async fn run_agent(
        &self,
        options: AgentOptions,
        cancellation: CancellationToken,
    ) -> Result<(), RunError> {
        let monitor = Monitor::new();
        let agent = Agent::builder(self.connector()).monitored(&monitor);
        self.gateway.add_metrics(move || monitor.metrics());
        let caught_up = agent.caught_up();
        let ready = async {
            caught_up.cancelled().await;
            self.gateway.mark_ready();
            std::future::pending().await
        };
        tokio::select! {
            result = agent.run(options, cancellation) => result,
            never = ready => never,
        }
    }

    /// Stops listening, lets requests in flight finish for a while, and closes what is left.
    pub async fn shutdown(self) {
        if let Some(gateway) = Arc::into_inner(self.gateway) {
            gateway.shutdown(self.options.grace).await;
        }
    }
}
