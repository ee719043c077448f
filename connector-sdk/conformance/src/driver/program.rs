//! A driver as a program that runs beside the suite.

use std::{
    collections::BTreeMap,
    fmt,
    process::Stdio,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use gatehouse_schemas::{identity::ExternalRef, revision::RevisionContent};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use super::{Done, DriverRequest, Held, Made, Started};
use crate::gateway::Edit;

/// How long a driver may take for one answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A driver that could not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the driver `{program}` {what}")]
pub struct DriverError {
    program: String,
    what: String,
}

/// A driver that runs; it is killed when this is dropped.
pub struct Driver {
    program: String,
    conversation: tokio::sync::Mutex<Conversation>,
    /// The first thing that went wrong; whoever asked could not be told.
    failure: Mutex<Option<DriverError>>,
}

struct Conversation {
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl fmt::Debug for Driver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "driver `{}`", self.program)
    }
}

impl Driver {
    /// Starts a driver. What it writes to standard error is passed on.
    pub fn start(mut command: Command) -> Result<Self, DriverError> {
        let program = command.as_std().get_program().to_string_lossy().into_owned();
        let failed = |what: String| DriverError {
            program: program.clone(),
            what,
        };
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| {
            failed(format!(
                "cannot be started: {error}; see `driver` in the test file"
            ))
        })?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (input, output) = pipes.ok_or_else(|| failed("has no standard input and output".to_owned()))?;
        Ok(Self {
            conversation: tokio::sync::Mutex::new(Conversation {
                input,
                output: BufReader::new(output).lines(),
                _child: child,
            }),
            failure: Mutex::default(),
            program,
        })
    }

    /// The first thing that went wrong.
    pub fn failure(&self) -> Option<DriverError> {
        self.failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// A gateway that holds nothing.
    pub async fn fresh(&self) -> Result<Started, DriverError> {
        self.ask(&DriverRequest::Start).await
    }

    /// Somebody else makes an API. After a failure, an identity that nothing has.
    pub async fn add_foreign(&self, name: &str, content: RevisionContent) -> ExternalRef {
        let request = DriverRequest::AddForeign {
            name: name.to_owned(),
            content: Box::new(content),
        };
        let made: Option<Made> = self.told(&request).await;
        made.map_or_else(|| ExternalRef("nothing".to_owned()), |made| made.external_ref)
    }

    /// Somebody else changes an API; whether it can be done.
    pub async fn edit(&self, api: &ExternalRef, what: Edit) -> bool {
        self.done(&DriverRequest::Edit {
            external_ref: api.clone(),
            what,
        })
        .await
    }

    /// Somebody else deletes an API.
    pub async fn delete(&self, api: &ExternalRef) {
        let external_ref = api.clone();
        self.done(&DriverRequest::Delete { external_ref }).await;
    }

    /// Lets an API be listed and not be read; whether it can be done.
    pub async fn make_unreadable(&self, api: &ExternalRef) -> bool {
        let external_ref = api.clone();
        self.done(&DriverRequest::MakeUnreadable { external_ref }).await
    }

    /// Every object on the gateway.
    pub async fn holds(&self) -> BTreeMap<String, String> {
        let held: Option<Held> = self.told(&DriverRequest::Holds).await;
        held.map(|held| held.objects).unwrap_or_default()
    }

    async fn done(&self, request: &DriverRequest) -> bool {
        self.told(request).await.is_some_and(|Done { done }| done)
    }

    /// An answer; none after a failure, which is kept.
    async fn told<T: DeserializeOwned>(&self, request: &DriverRequest) -> Option<T> {
        match self.ask(request).await {
            Ok(answer) => Some(answer),
            Err(error) => {
                let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
                failure.get_or_insert(error);
                None
            }
        }
    }

    async fn ask<T: DeserializeOwned>(&self, request: &DriverRequest) -> Result<T, DriverError> {
        let failed = |what: String| DriverError {
            program: self.program.clone(),
            what,
        };
        let question = serde_json::to_string(request).map_err(|error| failed(error.to_string()))?;
        let mut conversation = self.conversation.lock().await;
        let answer = tokio::time::timeout(PATIENCE, conversation.exchange(&question))
            .await
            .map_err(|_| failed(format!("did not answer `{question}` within {PATIENCE:?}")))?
            .map_err(|error| failed(format!("ended when it was asked `{question}`: {error}")))?;
        let value: Value = serde_json::from_str(&answer).map_err(|error| {
            failed(format!(
                "answered `{question}` with `{answer}`, which is not JSON: {error}"
            ))
        })?;
        if let Some(reason) = value.get("error") {
            return Err(failed(format!("could not do `{question}`: {reason}")));
        }
        serde_json::from_value(value).map_err(|error| {
            failed(format!(
                "answered `{question}` with `{answer}`, which is not what was asked for: {error}"
            ))
        })
    }
}

impl Conversation {
    async fn exchange(&mut self, question: &str) -> std::io::Result<String> {
        self.input.write_all(format!("{question}\n").as_bytes()).await?;
        self.input.flush().await?;
        let answer = self.output.next_line().await?;
        answer.ok_or_else(|| std::io::Error::other("its output ended"))
    }
}
