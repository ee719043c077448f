//! The command line that all agents share.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use clap::{Args, Command, CommandFactory as _, Parser};
use gatehouse_schemas::{descriptor::Descriptor, identity::GatewayType};
use secrecy::SecretString;
use tracing::error;

use super::{Agent, AgentOptions, LogFormat, start_logging, stop_signal};
use crate::connector::Connector;

/// The exit code for a command line that is not understood (`EX_USAGE`).
const USAGE: u8 = 64;

/// The arguments every agent takes.
#[derive(Debug, Clone, Args)]
pub struct AgentArguments {
    /// The control plane's address.
    #[arg(long, value_name = "URL", env = "GATEHOUSE_CONTROL_PLANE")]
    pub control_plane: String,
    /// The one-time token to join with, from `gatehouse agent join-token`; not needed after the first start.
    #[arg(
        long,
        value_name = "TOKEN",
        env = "GATEHOUSE_JOIN_TOKEN",
        hide_env_values = true
    )]
    pub join_token: Option<SecretString>,
    /// The folder of the agent's identity [default: below $XDG_STATE_HOME or ~/.local/state].
    #[arg(long, value_name = "DIR", env = "GATEHOUSE_STATE_DIR")]
    pub state_dir: Option<PathBuf>,
    /// The name people see for this agent [default: the host's].
    #[arg(long, value_name = "NAME", env = "GATEHOUSE_AGENT_NAME")]
    pub name: Option<String>,
    /// How log lines look.
    #[arg(
        long,
        value_name = "FORMAT",
        env = "GATEHOUSE_LOG_FORMAT",
        value_enum,
        default_value_t
    )]
    pub log_format: LogFormat,
    /// Allow plain http:// to another machine, where others may read the agent's key.
    #[arg(long)]
    pub allow_insecure_http: bool,
}

impl AgentArguments {
    /// The folder of the agent's state: as given, or the usual place for its gateway type.
    pub fn state_folder(&self, gateway_type: &GatewayType) -> anyhow::Result<PathBuf> {
        if let Some(folder) = &self.state_dir {
            return Ok(folder.clone());
        }
        usual_state_folder(std::env::var_os("XDG_STATE_HOME"), std::env::var_os("HOME"))
            .map(|folder| folder.join(format!("agent-{gateway_type}")))
            .context("there is no home folder to keep the agent's identity in; name one with --state-dir")
    }

    /// The options they stand for.
    pub fn options(&self, gateway_type: &GatewayType) -> anyhow::Result<AgentOptions> {
        let mut options = AgentOptions::new(&self.control_plane, self.state_folder(gateway_type)?);
        options.join_token.clone_from(&self.join_token);
        options.name.clone_from(&self.name);
        options.allow_insecure_http = self.allow_insecure_http;
        Ok(options)
    }
}

fn usual_state_folder(state_home: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let given = |value: Option<OsString>| value.filter(|value| !value.is_empty());
    let folder = match given(state_home) {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(&given(home)?).join(".local/state"),
    };
    Some(folder.join("gatehouse"))
}

/// Reads a command line. After a wrong one or a question for help, the answer has been printed and the exit
/// code is given.
pub fn parse_arguments<A: Parser>() -> Result<A, ExitCode> {
    parse(A::command())
}

fn parse<A: Parser>(command: Command) -> Result<A, ExitCode> {
    let matches = command.try_get_matches();
    matches
        .and_then(|matches| A::from_arg_matches(&matches))
        .map_err(|error| {
            let code = if error.use_stderr() { USAGE } else { 0 };
            // If nothing can be printed, the code still says it.
            let _ = error.print();
            ExitCode::from(code)
        })
}

/// The command line of an agent that is called after its gateway type and has its connector's version.
fn command(descriptor: &Descriptor) -> Command {
    // Needed for as long as the process lives, and made once.
    let name: &'static str = format!("gatehouse-agent-{}", descriptor.gateway_type).leak();
    let version: &'static str = descriptor.version.clone().leak();
    Arguments::command().name(name).version(version)
}

#[derive(Debug, Parser)]
#[command(
    version,
    about = "An agent of Gatehouse: brings a gateway in line with what its control plane desires"
)]
struct Arguments {
    #[command(flatten)]
    agent: AgentArguments,
}

/// The whole of an agent's `main`: command line, logging, signals, and the agent for a connector.
pub fn run_agent(connector: impl Connector) -> ExitCode {
    let arguments = match parse::<Arguments>(command(connector.descriptor())) {
        Ok(arguments) => arguments.agent,
        Err(code) => return code,
    };
    start_logging(arguments.log_format);
    match run(connector, &arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(connector: impl Connector, arguments: &AgentArguments) -> anyhow::Result<()> {
    let options = arguments.options(&connector.descriptor().gateway_type)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start")?;
    runtime.block_on(async {
        let stop = stop_signal().context("cannot listen for signals")?;
        Agent::builder(connector).run(options, stop).await?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{MemoryConnector, MemoryGateway};

    #[test]
    fn the_state_folder_is_where_people_expect_it() {
        let folder = |state: Option<&str>, home: Option<&str>| {
            usual_state_folder(state.map(OsString::from), home.map(OsString::from))
        };
        assert_eq!(folder(Some("/s"), Some("/h")), Some("/s/gatehouse".into()));
        assert_eq!(folder(None, Some("/h")), Some("/h/.local/state/gatehouse".into()));
        assert_eq!(
            folder(Some(""), Some("/h")),
            Some("/h/.local/state/gatehouse".into())
        );
        assert_eq!(folder(None, None), None);
    }

    #[test]
    fn an_agent_is_called_after_its_gateway_type() {
        let connector = MemoryConnector::new(MemoryGateway::new());
        let version = command(connector.descriptor()).render_version();
        assert_eq!(
            version.trim(),
            concat!("gatehouse-agent-memory ", env!("CARGO_PKG_VERSION"))
        );
    }

    #[test]
    fn the_join_token_is_never_shown() {
        let arguments = Arguments::try_parse_from([
            "agent",
            "--control-plane",
            "http://127.0.0.1:9090",
            "--join-token",
            "very-secret",
        ])
        .unwrap();
        assert!(!format!("{arguments:?}").contains("very-secret"));
    }
}
