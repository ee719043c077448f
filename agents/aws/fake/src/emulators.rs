//! Servers of AWS's API that others wrote, as processes of a test: LocalStack and MiniStack.
//!
//! What each of them shows, and what it gets wrong, is in `docs/testing-aws.md`. `./test tools` installs them. Each has an
//! account of its own to work in, is reached from this machine only, and ends with whoever started it.
//!
//! ```no_run
//! use gatehouse_fake_aws::emulators::Emulator;
//!
//! # async fn example() -> std::io::Result<()> {
//! if let Some(localstack) = Emulator::LocalStack.start().await? {
//!     println!("API Gateway is at {}", localstack.endpoint());
//! }
//! # Ok(())
//! # }
//! ```

mod importing;
mod installed;
mod process;
mod stack;

use std::{io, time::Duration};

pub use self::importing::Importing;
pub use self::installed::{boto, command_line};
use self::process::{Process, free_port};
pub use self::stack::function;

/// A port that was free may be taken by the time the server listens at it.
const TRIES: usize = 3;

/// A server of AWS's API that others wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emulator {
    /// LocalStack, community edition: REST APIs, and a data plane that serves what is deployed.
    LocalStack,
    /// MiniStack: a data plane with Lambda authorizers, API keys and 429; it imports OpenAPI through CloudFormation only.
    MiniStack,
}

impl Emulator {
    /// Starts it; none, with a line that says so, where it is not installed.
    ///
    /// # Errors
    ///
    /// When it is installed, and does not start; the error has the end of what it wrote.
    pub async fn start(self) -> io::Result<Option<RunningEmulator>> {
        let Some(python) = installed::python(self.name()) else {
            skipped(self);
            return Ok(None);
        };
        let mut failure = io::Error::other("it was not tried");
        for _ in 0..TRIES {
            let port = free_port();
            match self
                .listening(Process::start(self.name(), &python, port)?, port)
                .await
            {
                Ok(running) => return Ok(Some(running)),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Its name here, and among the tools that `./test` installs.
    fn name(self) -> &'static str {
        match self {
            Self::LocalStack => "localstack",
            Self::MiniStack => "ministack",
        }
    }

    /// Waits until the server says that it is there, or has ended.
    async fn listening(self, mut process: Process, port: u16) -> io::Result<RunningEmulator> {
        let endpoint = format!("http://127.0.0.1:{port}");
        let health = format!("{endpoint}/_localstack/health");
        let client = reqwest::Client::builder().no_proxy().build();
        let client = client.map_err(io::Error::other)?;
        while process.is_running()? {
            if let Ok(response) = client.get(&health).send().await
                && response.status().is_success()
            {
                return Ok(RunningEmulator { endpoint, process });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(io::Error::other(format!(
            "{self:?} does not start:\n{}",
            process.output()
        )))
    }
}

/// A running emulator, which ends when this is dropped.
#[derive(Debug)]
pub struct RunningEmulator {
    endpoint: String,
    process: Process,
}

impl RunningEmulator {
    /// Where the API of every service is asked: `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Where a stage is served: a URL in which `{api}` and `{stage}` are to be replaced.
    pub fn data_plane(&self) -> String {
        format!("{}/_aws/execute-api/{{api}}/{{stage}}", self.endpoint)
    }

    /// The id of its process, which leads a process group.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Everything it has written so far.
    pub fn output(&self) -> String {
        self.process.output()
    }
}

#[expect(
    clippy::print_stdout,
    reason = "a test says what it could not check, and `./test` repeats it"
)]
fn skipped(emulator: Emulator) {
    println!(
        "SKIPPED: the connector to Amazon API Gateway was not tested with {emulator:?}; `./test tools` installs it, or set {} to the Python it is installed for",
        installed::variable(emulator.name())
    );
}
