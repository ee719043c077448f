//! The test file: how an agent and the gateway under test are started.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{AgentCommand, AgentTestError};

/// How an agent and the gateway under test are started. Paths and commands in it are relative to its folder.
///
/// ```yaml
/// agent:
///   command: [python3, agent.py]
/// driver:
///   command: [python3, conformance_driver.py]
/// proxied: [adminUrl]
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TestFile {
    /// The agent; may be left out if the command line names one.
    #[serde(default)]
    pub agent: Option<ProgramSpec>,
    /// The gateway's driver.
    pub driver: ProgramSpec,
    /// The settings that are URLs of the gateway's own interface: they lead through the fault-injecting proxy.
    pub proxied: Vec<String>,
    #[serde(skip)]
    folder: PathBuf,
}

/// A program with its arguments.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProgramSpec {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Environment variables.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
}

impl TestFile {
    /// Reads a test file.
    pub fn read(path: &Path) -> Result<Self, AgentTestError> {
        let unreadable = |source| AgentTestError::TestFile {
            path: path.to_owned(),
            source,
        };
        let text = fs::read_to_string(path).map_err(unreadable)?;
        let mut file: Self =
            serde_saphyr::from_str(&text).map_err(|error| unreadable(io::Error::other(error.to_string())))?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        file.folder = fs::canonicalize(folder.unwrap_or(Path::new("."))).map_err(unreadable)?;
        Ok(file)
    }

    /// The agent that the command line names, or else the file.
    pub fn agent_command(&self, named: Option<&[String]>) -> Result<AgentCommand, AgentTestError> {
        let environment = self.agent.iter().flat_map(|agent| agent.environment.clone());
        let (command, folder) = match (named, &self.agent) {
            (Some(named), _) => (named, PathBuf::from(".")),
            (None, Some(agent)) => (agent.command.as_slice(), self.folder.clone()),
            (None, None) => return Err(AgentTestError::NoAgent),
        };
        let (program, arguments) = command.split_first().ok_or(AgentTestError::NoAgent)?;
        Ok(AgentCommand {
            program: program_in(&folder, program),
            arguments: arguments.to_vec(),
            environment: environment.collect(),
            folder,
        })
    }

    /// The driver, ready to be started.
    pub(super) fn driver_command(&self) -> Result<tokio::process::Command, AgentTestError> {
        let (program, arguments) = self
            .driver
            .command
            .split_first()
            .ok_or(AgentTestError::NoDriver)?;
        let mut command = tokio::process::Command::new(program_in(&self.folder, program));
        command
            .args(arguments)
            .envs(&self.driver.environment)
            .current_dir(&self.folder);
        Ok(command)
    }
}

/// A program with a folder in its name is in the test's folder, any other is looked for in the `PATH`.
fn program_in(folder: &Path, program: &str) -> PathBuf {
    match program.contains('/') {
        true => folder.join(program),
        false => PathBuf::from(program),
    }
}
