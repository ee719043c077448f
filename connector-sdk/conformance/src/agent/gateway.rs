//! A gateway under test behind a driver and a fault-injecting proxy, with agents that speak to it.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use gatehouse_connector_sdk::{connector::Connector, context::Context, operation::Operation};
use gatehouse_schemas::{
    descriptor::Descriptor, environment::Mode, identity::ExternalRef, revision::RevisionContent,
};
use serde_json::Value;

use super::{
    AgentPlace, AgentTestError, RunningAgent,
    connector::AgentConnector,
    control_plane::Mistakes,
    process::{AgentCommand, AgentProcess, Log},
};
use crate::{
    FaultProxy, ask,
    driver::{Driver, DriverConnection, Started},
    gateway::{Connection, Disturbance, Edit, GatewayAnswer, Permission, TestGateway},
    subject,
};

/// What the agents of one gateway under test share.
#[derive(Debug)]
pub(super) struct Stand {
    command: AgentCommand,
    log: Log,
    death: Mutex<Option<Disturbance>>,
    connection: Connection,
    /// What agents sent that is not what the Agent API's document says.
    mistakes: Mistakes,
}

impl Stand {
    pub(super) fn start_agent(&self, place: &AgentPlace) -> io::Result<AgentProcess> {
        self.command.start(place, &self.log)
    }

    pub(super) fn log_tail(&self) -> String {
        self.log.tail()
    }

    /// When the agent's process is to end.
    pub(super) fn death(&self) -> Option<Disturbance> {
        *self.death.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn mistakes(&self) -> Mistakes {
        self.mistakes.clone()
    }

    fn set_death(&self, death: Option<Disturbance>) {
        *self.death.lock().unwrap_or_else(PoisonError::into_inner) = death;
    }

    /// The surroundings of an operation that is asked for without any.
    pub(super) fn surroundings(&self) -> Context {
        subject::context(&self.connection, Mode::ReadWrite)
    }
}

/// A gateway under test, empty at first.
pub(super) struct AgentTestGateway {
    descriptor: Arc<Descriptor>,
    driver: Arc<Driver>,
    proxy: FaultProxy,
    started: Started,
    stand: Arc<Stand>,
}

impl AgentTestGateway {
    /// An empty gateway. Settings that are named in `proxied` lead through a proxy.
    pub(super) async fn start(
        driver: &Arc<Driver>,
        command: &AgentCommand,
        proxied: &[String],
        descriptor: Arc<Descriptor>,
    ) -> Result<Self, AgentTestError> {
        let mut started = driver.fresh().await?;
        let upstream = upstream(&started.connection, proxied)?;
        let proxy = FaultProxy::start(&upstream)
            .await
            .map_err(AgentTestError::Proxy)?;
        let all = [
            Some(&mut started.connection),
            started.with_steps.as_mut(),
            started.without_read.as_mut(),
            started.without_write.as_mut(),
        ];
        for connection in all.into_iter().flatten() {
            lead_through(connection, proxied, &upstream, &proxy.url());
        }
        let stand = Stand {
            command: command.clone(),
            log: Log::default(),
            death: Mutex::default(),
            connection: (&started.connection).into(),
            mistakes: Mistakes::default(),
        };
        Ok(Self {
            descriptor,
            driver: driver.clone(),
            proxy,
            started,
            stand: Arc::new(stand),
        })
    }

    pub(super) fn stand(&self) -> Arc<Stand> {
        self.stand.clone()
    }
}

/// Scheme, host and port of the gateway.
fn upstream(connection: &DriverConnection, proxied: &[String]) -> Result<String, AgentTestError> {
    let mut upstreams = Vec::new();
    for setting in proxied {
        let url = connection.settings.get(setting).and_then(Value::as_str);
        let url = url.and_then(|url| reqwest::Url::parse(url).ok());
        let Some(origin) = url.map(|url| url.origin().ascii_serialization()) else {
            return Err(AgentTestError::NotProxied {
                setting: setting.clone(),
            });
        };
        upstreams.push(origin);
    }
    upstreams.dedup();
    match upstreams.as_slice() {
        [upstream] => Ok(upstream.clone()),
        _ => Err(AgentTestError::ManyUpstreams),
    }
}

fn lead_through(connection: &mut DriverConnection, proxied: &[String], upstream: &str, proxy: &str) {
    for setting in proxied {
        if let Some(Value::String(url)) = connection.settings.get_mut(setting)
            && let Some(path) = url.strip_prefix(upstream)
        {
            *url = format!("{proxy}{path}");
        }
    }
}

#[async_trait]
impl TestGateway for AgentTestGateway {
    fn connector(&self) -> Arc<dyn Connector> {
        Arc::new(AgentConnector::new(self.descriptor.clone(), self.stand.clone()))
    }

    fn connection(&self) -> Connection {
        (&self.started.connection).into()
    }

    fn connection_with_steps(&self) -> Option<Connection> {
        self.started.with_steps.as_ref().map(Into::into)
    }

    fn connection_without(&self, permission: Permission) -> Option<Connection> {
        let connection = match permission {
            Permission::Read => &self.started.without_read,
            Permission::Write => &self.started.without_write,
        };
        connection.as_ref().map(Into::into)
    }

    async fn add_foreign(&self, name: &str, content: RevisionContent) -> ExternalRef {
        self.driver.add_foreign(name, content).await
    }

    async fn edit(&self, api: &ExternalRef, edit: Edit) -> bool {
        self.driver.edit(api, edit).await
    }

    async fn edit_during_next_deploy(&self, api: &ExternalRef) -> bool {
        let (driver, api) = (self.driver.clone(), api.clone());
        self.proxy.before_next_change(move || {
            Box::pin(async move {
                driver.edit(&api, Edit::Content).await;
            })
        });
        true
    }

    async fn delete(&self, api: &ExternalRef) {
        self.driver.delete(api).await;
    }

    async fn holds(&self) -> BTreeMap<String, String> {
        self.driver.holds().await
    }

    async fn make_unreadable(&self, api: &ExternalRef) -> bool {
        self.driver.make_unreadable(api).await
    }

    async fn disturb(&self, operation: Operation, disturbance: Disturbance) -> bool {
        let steps = self.started.with_steps.is_some();
        match disturbance {
            Disturbance::DieBeforeStep(_) | Disturbance::DieAfterStep(_) => {
                self.stand.set_death(Some(disturbance));
                steps
            }
            disturbance => self.proxy.disturb(operation, disturbance),
        }
    }

    async fn has_disturbed(&self) -> bool {
        self.proxy.has_disturbed()
    }

    async fn calm(&self, operation: Operation) {
        if operation == Operation::Deploy {
            self.stand.set_death(None);
        }
        self.proxy.calm(operation);
    }

    async fn hide(&self) -> bool {
        self.proxy.hide();
        true
    }

    async fn ask(&self, endpoint_url: &str, path: &str, key: Option<&str>) -> Option<GatewayAnswer> {
        Some(ask(endpoint_url, path, key).await)
    }

    async fn calls(&self) -> Option<u64> {
        Some(self.proxy.calls())
    }

    async fn log(&self) -> Option<String> {
        Some(self.stand.log.text())
    }

    fn is_in_process(&self) -> bool {
        false
    }

    fn start_agent(&self, place: &AgentPlace) -> io::Result<RunningAgent> {
        self.stand.start_agent(place).map(RunningAgent::of_process)
    }
}
