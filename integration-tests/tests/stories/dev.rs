//! `gatehouse dev`: useful in the first minute, and picked up again by the second start.

use std::{cell::RefCell, path::Path, process::Command};

use gatehouse_integration_tests::{binaries::binary, cli::Cli, ports::free_address, process::Process, wait};
use serde_json::Value;
use tempfile::TempDir;

/// `gatehouse dev` with free ports, and the home of the user who started it.
struct Dev {
    process: Process,
    arguments: Vec<String>,
    folder: TempDir,
}

fn start(home: &Path, arguments: &[String], log: &Path) -> Process {
    let mut command = Command::new(binary("gatehouse"));
    command
        .arg("dev")
        .args(arguments)
        .current_dir(home)
        .env("HOME", home)
        .env("XDG_CONFIG_HOME", home.join(".config"))
        .env("NO_COLOR", "1")
        .env_remove("GATEHOUSE_SERVER")
        .env_remove("GATEHOUSE_TOKEN");
    Process::start("gatehouse dev", command, log)
}

impl Dev {
    async fn start(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut arguments = Vec::new();
        for option in ["--listen", "--gateway-listen", "--admin-listen"] {
            arguments.extend([option.to_owned(), free_address().to_string()]);
        }
        arguments.extend([
            "--data-dir".to_owned(),
            folder.path().join("data").display().to_string(),
        ]);
        arguments.extend(more.iter().map(|&option| option.to_owned()));
        let process = start(folder.path(), &arguments, &folder.path().join("log-1"));
        let mut dev = Self {
            process,
            arguments,
            folder,
        };
        dev.ready().await;
        dev
    }

    /// Kills it and starts it again with the same folder.
    async fn restart(&mut self) {
        self.process.kill();
        self.process = start(
            self.folder.path(),
            &self.arguments,
            &self.folder.path().join("log-2"),
        );
        self.ready().await;
    }

    async fn ready(&mut self) {
        let process = RefCell::new(&mut self.process);
        wait::until_true("`gatehouse dev` is ready", async || {
            let mut process = process.borrow_mut();
            process.assert_running();
            process.output().contains("is ready")
        })
        .await;
    }

    fn cli(&self) -> Cli {
        Cli::at_home(self.folder.path().to_owned())
    }

    /// The `curl` line it printed.
    async fn curl_line(&self) -> String {
        wait::until("a curl line is printed", async || {
            let output = self.process.output();
            let line = output
                .lines()
                .map(str::trim)
                .find(|line| line.starts_with("curl "));
            line.map(str::to_owned).ok_or(output.clone())
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_minute_works_as_printed_and_the_second_start_picks_it_up() {
    let mut dev = Dev::start(&[]).await;
    let curl = dev.curl_line().await;
    assert!(run(&curl).await.contains("200 OK"), "{curl}");

    // The context it wrote is enough for the command line, and the printed token is an administrator's.
    let cli = dev.cli();
    assert!(cli.ok("get environments").await.contains("local"));
    let deployments = cli.json("get deployments").await;
    assert_eq!(deployments["items"][0]["phase"], "Deployed", "{deployments:#}");
    let output = dev.process.output();
    let token = output
        .split_whitespace()
        .find(|word| word.starts_with("gth_"))
        .unwrap_or_else(|| panic!("no token in\n{output}"))
        .to_owned();
    let listen = dev.arguments[1].clone();
    let who: Value = reqwest::Client::new()
        .get(format!("http://{listen}/api/v1/whoami"))
        .bearer_auth(&token)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(who["role"], "admin");

    cli.write(
        "orders.yaml",
        "kind: Api\nmetadata: {name: orders}\nspec: {basePath: /orders, upstreams: {main: {url: 'http://127.0.0.1:9'}}}\n",
    );
    cli.ok("apply -f orders.yaml").await;
    dev.restart().await;
    assert!(cli.ok("get apis -o name").await.contains("api/orders"));
    wait::until_true("the sample answers again", async || {
        run(&curl).await.contains("200 OK")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_sample_there_is_an_environment_and_nothing_else() {
    let dev = Dev::start(&["--no-sample"]).await;
    let cli = dev.cli();
    assert!(
        cli.ok("get environments -o name")
            .await
            .contains("environment/local")
    );
    assert_eq!(cli.ok("get apis -o name").await.trim(), "");
}

/// Runs a line as a person would who copies it into a shell.
async fn run(line: &str) -> String {
    let output = tokio::process::Command::new("bash")
        .args(["-c", line])
        .output()
        .await
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}
