//! The command line that all agents share.

use std::{
    ffi::OsString,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use anyhow::Context as _;
use clap::{Args, Command, CommandFactory as _, Parser};
use gatehouse_schemas::{descriptor::Descriptor, identity::GatewayType};
use tracing::error;

use super::{
    Agent, AgentOptions, Agents, JoinToken, LogFormat,
    join_token::token_for,
    listener::{self, parse_address},
    start_logging, stop_signal,
};
use crate::{connector::Connector, monitor::Monitor};

/// Connectors have threads of their own; what is left for the runtime is waiting.
const WORKERS: usize = 2;

/// The exit code for a command line that is not understood (`EX_USAGE`).
const USAGE: u8 = 64;

/// The arguments every agent takes.
///
/// An agent with arguments of its own takes these, too:
///
/// ```
/// use clap::Parser;
/// use gatehouse_connector_sdk::runtime::AgentArguments;
///
/// #[derive(Parser)]
/// struct AcmeArguments {
///     #[command(flatten)]
///     agent: AgentArguments,
///     /// How long a route may take to appear, in seconds.
///     #[arg(long, default_value_t = 10)]
///     patience_s: u64,
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let line = "acme --control-plane https://gatehouse.example.com --state-dir /var/lib/acme --patience-s 30";
/// let arguments = AcmeArguments::try_parse_from(line.split(' '))?;
/// assert_eq!(arguments.patience_s, 30);
///
/// let (acme, other) = ("acme".parse()?, "other".parse()?);
/// assert_eq!(arguments.agent.state_folder(&acme)?, std::path::Path::new("/var/lib/acme"));
/// assert_eq!(arguments.agent.options(&acme)?.control_plane, "https://gatehouse.example.com");
/// // Several gateway types in one process have a folder each.
/// let options = arguments.agent.options_among(&acme, &[acme.clone(), other])?;
/// assert_eq!(options.state_dir, std::path::Path::new("/var/lib/acme/agent-acme"));
/// # Ok(())
/// # }
/// ```
// The help text is that of the program; the example above is for authors.
#[derive(Debug, Clone, Args)]
#[command(about = None, long_about = None)]
pub struct AgentArguments {
    /// The control plane's address.
    #[arg(long, value_name = "URL", env = "GATEHOUSE_CONTROL_PLANE")]
    pub control_plane: String,
    /// The one-time token to join with, from `gatehouse agent join-token`; not needed after the first start. An
    /// agent of several gateway types takes one for each, as TYPE=TOKEN.
    #[arg(
        long = "join-token",
        value_name = "[TYPE=]TOKEN",
        env = "GATEHOUSE_JOIN_TOKEN",
        hide_env_values = true,
        value_delimiter = ','
    )]
    pub join_tokens: Vec<JoinToken>,
    /// The folder of the agent's identity, with several gateway types one below it for each [default: below
    /// $XDG_STATE_HOME or ~/.local/state].
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
        match &self.state_dir {
            Some(folder) => Ok(folder.clone()),
            None => self.state_folder_among_others(gateway_type),
        }
    }

    /// Where several agents share what is given, each has a folder of its own.
    fn state_folder_among_others(&self, gateway_type: &GatewayType) -> anyhow::Result<PathBuf> {
        let usual = || usual_state_folder(std::env::var_os("XDG_STATE_HOME"), std::env::var_os("HOME"));
        let parent = self.state_dir.clone().or_else(usual);
        parent
            .map(|folder| folder.join(format!("agent-{gateway_type}")))
            .context("there is no home folder to keep the agent's identity in; name one with --state-dir")
    }

    /// The options they stand for, for the agent of one gateway type.
    ///
    /// # Errors
    ///
    /// If a join token is for another gateway type, or there is no folder to keep the identity in.
    pub fn options(&self, gateway_type: &GatewayType) -> anyhow::Result<AgentOptions> {
        self.options_among(gateway_type, std::slice::from_ref(gateway_type))
    }

    /// The options they stand for, for one of the gateway types that one process serves.
    pub fn options_among(
        &self,
        gateway_type: &GatewayType,
        served: &[GatewayType],
    ) -> anyhow::Result<AgentOptions> {
        let folder = match served.len() {
            1 => self.state_folder(gateway_type),
            _ => self.state_folder_among_others(gateway_type),
        };
        let mut options = AgentOptions::new(&self.control_plane, folder?);
        options.join_token = token_for(&self.join_tokens, gateway_type, served)?;
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
///
/// ```no_run
/// use std::process::ExitCode;
///
/// use clap::Parser;
/// use gatehouse_connector_sdk::runtime::{AgentArguments, parse_arguments, start_logging};
///
/// #[derive(Parser)]
/// struct AcmeArguments {
///     #[command(flatten)]
///     agent: AgentArguments,
/// }
///
/// fn main() -> ExitCode {
///     match parse_arguments::<AcmeArguments>() {
///         Ok(arguments) => start_logging(arguments.agent.log_format),
///         // 0 for `--help`, 64 for a command line that is not understood.
///         Err(code) => return code,
///     }
///     ExitCode::SUCCESS
/// }
/// ```
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

/// The command line of an agent. One of a single gateway type is called after it and has its connector's version.
fn command(descriptors: &[&Descriptor]) -> Command {
    let (name, version) = match descriptors {
        [descriptor] => (
            format!("gatehouse-agent-{}", descriptor.gateway_type),
            descriptor.version.clone(),
        ),
        several => ("gatehouse-agent".to_owned(), versions(several)),
    };
    // Needed for as long as the process lives, and made once.
    let (name, version): (&'static str, &'static str) = (name.leak(), version.leak());
    Arguments::command().name(name).version(version)
}

fn versions(descriptors: &[&Descriptor]) -> String {
    let named = descriptors.iter();
    let versions: Vec<_> = named
        .map(|descriptor| format!("{} {}", descriptor.gateway_type, descriptor.version))
        .collect();
    versions.join(", ")
}

#[derive(Debug, Parser)]
#[command(
    version,
    about = "An agent of Gatehouse: brings gateways in line with what its control plane desires"
)]
struct Arguments {
    #[command(flatten)]
    agent: AgentArguments,
    /// Where health and metrics are served, without credentials; a port alone is one of this machine only
    /// [default: nowhere].
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "GATEHOUSE_AGENT_METRICS_LISTEN",
        value_parser = parse_address
    )]
    metrics_listen: Option<SocketAddr>,
}

/// The whole of an agent's `main`: command line, logging, signals, and the agent for a connector.
///
/// It ends with code 0 when it was told to stop, 64 if the command line is not understood, and 1 after any other error,
/// which has been logged.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// use gatehouse_connector_sdk::{
///     memory::{MemoryConnector, MemoryGateway},
///     runtime::run_agent,
/// };
///
/// fn main() -> ExitCode {
///     run_agent(MemoryConnector::new(MemoryGateway::new()))
/// }
/// ```
pub fn run_agent(connector: impl Connector) -> ExitCode {
    run_agents(vec![Arc::new(connector)])
}

/// The whole of the `main` of an agent that serves several gateway types, one with each connector. Each has an
/// identity of its own, and one that ends leaves the others alone.
///
/// ```no_run
/// use std::{process::ExitCode, sync::Arc};
///
/// use gatehouse_connector_sdk::{
///     memory::{MemoryConnector, MemoryGateway},
///     runtime::run_agents,
/// };
///
/// fn main() -> ExitCode {
///     let memory = MemoryConnector::new(MemoryGateway::new());
///     run_agents(vec![Arc::new(memory)])
/// }
/// ```
pub fn run_agents(connectors: Vec<Arc<dyn Connector>>) -> ExitCode {
    let descriptors: Vec<_> = connectors
        .iter()
        .map(|connector| connector.descriptor())
        .collect();
    let arguments = match parse::<Arguments>(command(&descriptors)) {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    start_logging(arguments.agent.log_format);
    match run(connectors, &arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(connectors: Vec<Arc<dyn Connector>>, arguments: &Arguments) -> anyhow::Result<()> {
    let monitor = Monitor::new();
    let agents = agents(connectors, &arguments.agent, &monitor)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .context("cannot start")?;
    runtime.block_on(async {
        let stop = stop_signal().context("cannot listen for signals")?;
        if let Some(address) = arguments.metrics_listen {
            listener::start(address, monitor).await?;
        }
        agents.run(stop).await?;
        Ok(())
    })
}

/// An agent for each connector, as the command line says.
fn agents(
    connectors: Vec<Arc<dyn Connector>>,
    arguments: &AgentArguments,
    monitor: &Monitor,
) -> anyhow::Result<Agents> {
    let served: Vec<_> = connectors
        .iter()
        .map(|connector| connector.descriptor().gateway_type.clone())
        .collect();
    let mut agents = Agents::new();
    for (connector, gateway_type) in connectors.into_iter().zip(&served) {
        if served.iter().filter(|other| *other == gateway_type).count() > 1 {
            anyhow::bail!("there are two connectors of gateway type `{gateway_type}`; give each type one");
        }
        let options = arguments.options_among(gateway_type, &served)?;
        agents = agents.with(Agent::builder(connector).monitored(monitor), options);
    }
    Ok(agents)
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
        let version = command(&[connector.descriptor()]).render_version();
        assert_eq!(
            version.trim(),
            concat!("gatehouse-agent-memory ", env!("CARGO_PKG_VERSION"))
        );
    }

    #[test]
    fn the_help_speaks_of_agents_and_not_of_how_to_write_one() {
        let connector = MemoryConnector::new(MemoryGateway::new());
        let help = command(&[connector.descriptor()]).render_long_help().to_string();
        assert!(
            help.starts_with("An agent of Gatehouse: brings gateways in line"),
            "{help}"
        );
        assert!(!help.contains("```"), "{help}");
    }

    #[test]
    fn an_agent_of_several_gateway_types_has_a_folder_for_each() {
        let parse = |text: &str| Arguments::try_parse_from(text.split(' ')).unwrap().agent;
        let types: Vec<GatewayType> = ["memory", "other"].map(|it| it.parse().unwrap()).to_vec();
        let arguments = parse("agent --control-plane http://127.0.0.1:9090 --state-dir /s");
        let folder = |served: &[GatewayType]| arguments.options_among(&types[1], served).unwrap().state_dir;
        assert_eq!(folder(&types), PathBuf::from("/s/agent-other"));
        assert_eq!(folder(&types[1..]), PathBuf::from("/s"));
        let arguments =
            parse("agent --control-plane http://127.0.0.1:9090 --join-token memory=a,other=b --state-dir /s");
        assert_eq!(arguments.join_tokens.len(), 2);
        assert!(arguments.options(&types[0]).is_err(), "one of them is for nobody");
    }

    #[test]
    fn two_connectors_of_one_gateway_type_are_refused() {
        let connector = || -> Arc<dyn Connector> { Arc::new(MemoryConnector::new(MemoryGateway::new())) };
        let text = "agent --control-plane http://127.0.0.1:9090 --state-dir /s";
        let arguments = Arguments::try_parse_from(text.split(' ')).unwrap().agent;
        let error = agents(vec![connector(), connector()], &arguments, &Monitor::new()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "there are two connectors of gateway type `memory`; give each type one"
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
