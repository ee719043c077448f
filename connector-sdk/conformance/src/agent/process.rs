//! The agent under test as a process: started, killed, and everything it says kept.

use std::{
    io,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    process::{Child, Command},
    task::JoinHandle,
    time::timeout,
};

use super::AgentPlace;

/// So many bytes of what an agent says are kept.
const LOG_MAX: usize = 4 << 20;
/// So many lines of it are told when something went wrong.
const TAIL: usize = 8;
/// How long after its end it is waited for what an agent said last.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How an agent is started.
#[derive(Debug, Clone)]
pub struct AgentCommand {
    /// The program.
    pub program: PathBuf,
    /// Its arguments. `{controlPlane}`, `{joinToken}` and `{stateDir}` stand for the suite's; without any of them, the
    /// arguments of agents made with the SDK are added.
    pub arguments: Vec<String>,
    /// Environment variables.
    pub environment: Vec<(String, String)>,
    /// The folder it runs in.
    pub folder: PathBuf,
}

impl AgentCommand {
    /// The arguments with the suite's values.
    fn filled_in(&self, place: &AgentPlace) -> Vec<String> {
        let state_dir = place.state_dir.to_string_lossy();
        let values = [
            ("{controlPlane}", place.control_plane.as_str()),
            ("{joinToken}", place.join_token.as_str()),
            ("{stateDir}", state_dir.as_ref()),
        ];
        let is_template = |argument: &String| values.iter().any(|(name, _)| argument.contains(name));
        let mut arguments = self.arguments.clone();
        if !arguments.iter().any(is_template) {
            arguments.extend(
                ["--control-plane", "{controlPlane}", "--state-dir", "{stateDir}"].map(str::to_owned),
            );
        }
        for argument in &mut arguments {
            for (name, value) in values {
                *argument = argument.replace(name, value);
            }
        }
        arguments
    }

    pub(super) fn start(&self, place: &AgentPlace, log: &Log) -> io::Result<AgentProcess> {
        let mut child = Command::new(&self.program)
            .args(self.filled_in(place))
            .env("GATEHOUSE_JOIN_TOKEN", &place.join_token)
            .envs(self.environment.iter().cloned())
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let output = child.stdout.take();
        let errors = child.stderr.take();
        let listening = [
            output.map(|output| tokio::spawn(log.clone().keep(output))),
            errors.map(|errors| tokio::spawn(log.clone().keep(errors))),
        ];
        Ok(AgentProcess {
            child,
            listening: listening.into_iter().flatten().collect(),
        })
    }
}

/// An agent that runs; it is killed when this is dropped.
#[derive(Debug)]
pub(super) struct AgentProcess {
    child: Child,
    /// Keep what it says, until it has said all.
    listening: Vec<JoinHandle<()>>,
}

impl AgentProcess {
    /// Ends without a word, as after a loss of power.
    pub(super) async fn kill(&mut self) {
        // One that has ended already is ended.
        let _ = self.child.kill().await;
    }

    /// How it ended, once it has and all it said is kept.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        // A program that it started may go on holding its output; that one's words are not waited for.
        let _ = timeout(LAST_WORDS, self.all_said()).await;
        Ok(status)
    }

    async fn all_said(&mut self) {
        while let Some(listening) = self.listening.last_mut() {
            // Whatever kept it from listening to the end, there is no more to hear.
            let _ = listening.await;
            self.listening.pop();
        }
    }

    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

/// What an agent has said; clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Log {
    text: Arc<Mutex<String>>,
}

impl Log {
    pub(super) fn text(&self) -> String {
        self.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The last lines, for people.
    pub(super) fn tail(&self) -> String {
        let text = self.text();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL)..].join("\n")
    }

    async fn keep(self, output: impl AsyncRead + Unpin) {
        let mut lines = BufReader::new(output).split(b'\n');
        while let Ok(Some(line)) = lines.next_segment().await {
            let mut text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
            if text.len() < LOG_MAX {
                text.push_str(&String::from_utf8_lossy(&line));
                text.push('\n');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_the_sdk_s_unless_they_name_places() {
        let place = AgentPlace {
            control_plane: "http://127.0.0.1:1".to_owned(),
            join_token: "join".to_owned(),
            state_dir: "/state".into(),
        };
        let command = |arguments: &[&str]| AgentCommand {
            program: "agent".into(),
            arguments: arguments.iter().map(ToString::to_string).collect(),
            environment: Vec::new(),
            folder: ".".into(),
        };
        assert_eq!(
            command(&["--quiet"]).filled_in(&place),
            [
                "--quiet",
                "--control-plane",
                "http://127.0.0.1:1",
                "--state-dir",
                "/state"
            ]
        );
        assert_eq!(
            command(&["-c{controlPlane}", "-t", "{joinToken}"]).filled_in(&place),
            ["-chttp://127.0.0.1:1", "-t", "join"]
        );
    }

    #[tokio::test]
    async fn what_an_agent_said_last_is_kept_when_its_end_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = AgentPlace {
            control_plane: "http://127.0.0.1:1".to_owned(),
            join_token: "join".to_owned(),
            state_dir: folder.path().to_owned(),
        };
        let command = AgentCommand {
            program: "sh".into(),
            arguments: vec![
                "-c".to_owned(),
                "echo out; echo no settings here >&2; exit 7".to_owned(),
                "{stateDir}".to_owned(),
            ],
            environment: Vec::new(),
            folder: folder.path().to_owned(),
        };
        for _ in 0..100 {
            let log = Log::default();
            let mut process = command.start(&place, &log).expect("it starts");
            let status = process.ended().await.expect("it ends");
            assert_eq!(status.code(), Some(7));
            let text = log.text();
            assert!(
                text.contains("out\n") && text.contains("no settings here\n"),
                "{text:?}"
            );
        }
    }
}
