//! `gatehouse env`: whether a gateway can be worked with, and what its access control should allow.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use gatehouse_control_plane_api::{
    admin::{Agent, Permissions, Task},
    agent::{CheckFinding, CheckSeverity, TaskResult},
    client::{Client, ListOptions},
};
use gatehouse_schemas::{
    descriptor::Descriptor,
    environment::Mode,
    identity::{GatewayType, ResourceName},
    settings_form,
};

use super::drift::answered;
use crate::{
    exit::Exit,
    failure::Failure,
    screen::{self, Color, Screen},
};

/// How long an agent may check a gateway.
const CHECKING_MAX: Duration = Duration::from_secs(120);

/// What to do with environments.
#[derive(Debug, Subcommand)]
pub(crate) enum EnvironmentCommand {
    /// Checks now whether the gateway can be reached and the credential is good for the environment's mode
    Check(CheckArguments),
    /// Prints a document of an environment to fill in, made of what the connector of a gateway type says of itself
    Form(FormArguments),
    /// Shows the least-privilege policy that the vendor's access control needs for a mode
    Permissions(PermissionsArguments),
}

/// Which environment.
#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// The environment
    environment: ResourceName,
}

/// Of which gateway type, and under which name.
#[derive(Debug, Args)]
pub(crate) struct FormArguments {
    /// The gateway type
    #[arg(value_name = "TYPE")]
    gateway_type: GatewayType,
    /// The environment's name in the document
    #[arg(long, default_value = "my-environment")]
    name: ResourceName,
}

/// Which environment, and for which mode.
#[derive(Debug, Args)]
pub(crate) struct PermissionsArguments {
    /// The environment
    environment: ResourceName,
    /// The mode; the environment's own unless given
    #[arg(long, value_enum)]
    mode: Option<ModeName>,
}

/// A mode as it is typed.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum ModeName {
    ReadOnly,
    WriteOnly,
    ReadWrite,
}

impl From<ModeName> for Mode {
    fn from(name: ModeName) -> Self {
        match name {
            ModeName::ReadOnly => Self::ReadOnly,
            ModeName::WriteOnly => Self::WriteOnly,
            ModeName::ReadWrite => Self::ReadWrite,
        }
    }
}

pub(super) async fn run(
    command: &EnvironmentCommand,
    client: &Client,
    screen: Screen,
) -> anyhow::Result<Exit> {
    match command {
        EnvironmentCommand::Check(options) => check(&options.environment, client, screen).await,
        EnvironmentCommand::Form(options) => print_form(options, client, screen).await,
        EnvironmentCommand::Permissions(options) => permissions(options, client, screen).await,
    }
}

async fn check(environment: &ResourceName, client: &Client, screen: Screen) -> anyhow::Result<Exit> {
    let asked = client.check_environment(environment).await?;
    let task = answered(&asked, CHECKING_MAX, client).await?;
    screen.show(&task, &[format!("task/{}", task.id)], || text(&task, screen))?;
    verdict(environment, task.result.as_ref())?;
    Ok(Exit::Ok)
}

async fn print_form(options: &FormArguments, client: &Client, screen: Screen) -> anyhow::Result<Exit> {
    let agents: Vec<Agent> = client.list(&["agents"], &ListOptions::default()).await?;
    let descriptor = newest(&agents, &options.gateway_type)?;
    let form = settings_form::form(&descriptor, &options.name);
    screen.show(&descriptor, &[format!("environment/{}", options.name)], || form)?;
    Ok(Exit::Ok)
}

/// What the connector of a gateway type said of itself last.
fn newest(agents: &[Agent], gateway_type: &GatewayType) -> Result<Descriptor, Failure> {
    let of_type = agents
        .iter()
        .filter(|agent| agent.gateway_type == *gateway_type && !agent.revoked && agent.descriptor.is_some());
    let newest = of_type.max_by_key(|agent| agent.last_seen_at);
    newest.and_then(|agent| agent.descriptor.clone()).ok_or_else(|| {
        let detail = format!(
            "no agent for gateway type `{gateway_type}` has said yet which settings it takes; start one with a token from \
             `gatehouse agent join-token --type {gateway_type}`"
        );
        Failure::new(Exit::NotFound, detail)
    })
}

/// What the answer to a check means for the command.
fn verdict(environment: &ResourceName, result: Option<&TaskResult>) -> Result<(), Failure> {
    let detail = match result {
        Some(TaskResult::Checked { findings, .. }) if !has_errors(findings) => return Ok(()),
        Some(TaskResult::Failed { message, .. }) => {
            format!("environment `{environment}` could not be checked: {message}")
        }
        _ => {
            format!("environment `{environment}` does not work as its mode needs; the lines with `✗` say why")
        }
    };
    Err(Failure::new(Exit::Error, detail))
}

fn has_errors(findings: &[CheckFinding]) -> bool {
    findings
        .iter()
        .any(|finding| finding.severity == CheckSeverity::Error)
}

fn text(task: &Task, screen: Screen) -> String {
    let Some(TaskResult::Checked {
        gateway_version,
        findings,
    }) = &task.result
    else {
        return String::new();
    };
    let version = gateway_version
        .as_ref()
        .map(|version| format!(" (version {version})"))
        .unwrap_or_default();
    let mut text = format!("The gateway of {} answers{version}.\n", task.environment);
    for finding in findings {
        let (sign, color) = match finding.severity {
            CheckSeverity::Ok => ("✓", Color::Green),
            CheckSeverity::Warning => ("!", Color::Cyan),
            CheckSeverity::Error => ("✗", Color::Red),
        };
        text.push_str(&format!("  {} {}\n", screen.paint(color, sign), finding.message));
    }
    text
}

async fn permissions(
    options: &PermissionsArguments,
    client: &Client,
    screen: Screen,
) -> anyhow::Result<Exit> {
    let found = client
        .permissions(&options.environment, options.mode.map(Mode::from))
        .await?;
    screen.show(&found, &[format!("environment/{}", found.environment)], || {
        document(&found)
    })?;
    screen::note(&found.instructions);
    Ok(Exit::Ok)
}

/// The document alone, so that it can be piped to the vendor's tool.
fn document(permissions: &Permissions) -> String {
    let text = serde_json::to_string_pretty(&permissions.document);
    text.unwrap_or_else(|_| permissions.document.to_string()) + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(result: &TaskResult) -> Option<String> {
        let verdict = verdict(&"kong-eu".parse().unwrap(), Some(result));
        verdict.err().map(|failure| failure.detail)
    }

    fn checked(severity: CheckSeverity) -> TaskResult {
        TaskResult::Checked {
            gateway_version: None,
            findings: vec![CheckFinding {
                severity,
                message: "something".to_owned(),
            }],
        }
    }

    #[test]
    fn only_what_stands_in_the_way_is_a_failure() {
        assert_eq!(told(&checked(CheckSeverity::Ok)), None);
        assert_eq!(told(&checked(CheckSeverity::Warning)), None);
        assert_eq!(
            told(&checked(CheckSeverity::Error)).unwrap(),
            "environment `kong-eu` does not work as its mode needs; the lines with `✗` say why"
        );
        let failed = TaskResult::Failed {
            reason: "Unavailable".to_owned(),
            message: "the gateway is away".to_owned(),
        };
        assert_eq!(
            told(&failed).unwrap(),
            "environment `kong-eu` could not be checked: the gateway is away"
        );
    }

    fn agent(gateway_type: &str, version: &str, seen: i64, revoked: bool) -> Agent {
        let agent = serde_json::json!({
            "id": uuid::Uuid::nil(), "name": "one", "gatewayType": gateway_type, "online": true, "revoked": revoked,
            "lastSeenAt": gatehouse_schemas::time::Timestamp(seen), "createdAt": "2026-01-01T00:00:00Z", "environments": [],
            "descriptor": {"gatewayType": gateway_type, "displayName": "Kong", "version": version, "capabilities": {},
                "settingsSchema": {}, "policies": []},
        });
        serde_json::from_value(agent).unwrap()
    }

    #[test]
    fn a_form_is_that_of_the_agent_that_was_heard_of_last() {
        let agents = [
            agent("kong", "1.0.0", 1_000, false),
            agent("kong", "2.0.0", 2_000, false),
            agent("kong", "3.0.0", 3_000, true),
            agent("memory", "4.0.0", 4_000, false),
        ];
        let of = |gateway_type: &str| newest(&agents, &gateway_type.parse().unwrap());
        assert_eq!(of("kong").unwrap().version, "2.0.0");
        assert_eq!(
            of("apim").unwrap_err().detail,
            "no agent for gateway type `apim` has said yet which settings it takes; start one with a token from `gatehouse \
             agent join-token --type apim`"
        );
    }
}
