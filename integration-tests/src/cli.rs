//! The `gatehouse` command as a user types it, in a home of its own.

use std::{ffi::OsStr, path::PathBuf};

use serde_json::Value;
use tokio::process::Command;

use crate::{binaries::binary, wait::PATIENCE};

/// A user at a terminal.
#[derive(Debug, Clone)]
pub struct Cli {
    home: PathBuf,
    server: Option<(String, String)>,
}

/// What a command did.
#[derive(Debug, Clone)]
pub struct Outcome {
    command: String,
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Cli {
    /// A user whose home and working folder is `home`, with `GATEHOUSE_SERVER` and `GATEHOUSE_TOKEN` set.
    pub fn new(home: PathBuf, server: &str, token: &str) -> Self {
        Self {
            home,
            server: Some((server.to_owned(), token.to_owned())),
        }
    }

    /// A user who relies on the context in `home`.
    pub fn at_home(home: PathBuf) -> Self {
        Self { home, server: None }
    }

    /// The same user with another token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        let server = self
            .server
            .as_ref()
            .map(|(server, _)| (server.clone(), token.to_owned()));
        Self {
            server,
            ..self.clone()
        }
    }

    /// The working folder, for files that commands read.
    pub fn home(&self) -> &PathBuf {
        &self.home
    }

    /// Writes a file into the working folder.
    pub fn write(&self, name: &str, content: &str) {
        std::fs::write(self.home.join(name), content).unwrap();
    }

    /// Runs `gatehouse ARGUMENTS`.
    pub async fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Outcome {
        let mut command = Command::new(binary("gatehouse"));
        command
            .args(arguments)
            .current_dir(&self.home)
            .env("HOME", &self.home)
            .env("XDG_CONFIG_HOME", self.home.join(".config"))
            .env("NO_COLOR", "1")
            .env_remove("GATEHOUSE_SERVER")
            .env_remove("GATEHOUSE_TOKEN")
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true);
        if let Some((server, token)) = &self.server {
            command
                .env("GATEHOUSE_SERVER", server)
                .env("GATEHOUSE_TOKEN", token);
        }
        let text = format!("{:?}", command.as_std());
        let output = tokio::time::timeout(PATIENCE * 2, command.output())
            .await
            .unwrap_or_else(|_| panic!("{text} does not end"))
            .unwrap();
        Outcome {
            command: text,
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs words separated by spaces, which must succeed; standard output.
    pub async fn ok(&self, words: &str) -> String {
        self.run(words.split_whitespace()).await.expect_code(0).stdout
    }

    /// Runs words separated by spaces with `-o json`, which must succeed.
    pub async fn json(&self, words: &str) -> Value {
        let words = format!("{words} -o json");
        self.run(words.split_whitespace()).await.expect_code(0).json()
    }
}

impl Outcome {
    /// Checks the exit code.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "{}\n--- stdout\n{}\n--- stderr\n{}",
            self.command, self.stdout, self.stderr
        );
        self
    }

    /// Checks that standard error says something.
    #[track_caller]
    pub fn expect_said(self, text: &str) -> Self {
        let said = format!("{}{}", self.stderr, self.stdout);
        assert!(
            said.contains(text),
            "{} did not say `{text}`:\n{said}",
            self.command
        );
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{}: {error}:\n{}", self.command, self.stdout))
    }
}
