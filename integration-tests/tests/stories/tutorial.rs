//! The tutorial's commands, executed as they stand.
//!
//! Every line that begins with `$ ` in a block marked `console` runs in a shell, in order, in a home of its own, with
//! the built `gatehouse` in the PATH. What the page shows below a command must be in what the command prints, line by
//! line, where `...` stands for anything. A block with a title, as in `yaml title="orders.yaml"`, becomes that file. A
//! command that the page says exits with a code (`# exit 2`) must do so; all others exit 0. `ID` is the identity that
//! the last command printed.

use std::{
    cell::RefCell,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use gatehouse_integration_tests::{binaries::binary, documents, ports::free_address, process::Process, wait};

/// One command of the page and the lines that are shown below it.
#[derive(Debug)]
struct Step {
    command: String,
    shown: Vec<String>,
}

/// One thing the page asks the reader to do.
#[derive(Debug)]
enum Action {
    Run(Step),
    Write { file: String, content: String },
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_tutorial_does_what_the_page_says() {
    let page = fs::read_to_string(documents::repository().join("docs/tutorial.md")).unwrap();
    let actions = actions(&page);
    let count = actions
        .iter()
        .filter(|action| matches!(action, Action::Run(_)))
        .count();
    assert!(count >= 15, "the page has {count} commands; is its format right?");

    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    fs::create_dir(path.join("bin")).unwrap();
    std::os::unix::fs::symlink(binary("gatehouse"), path.join("bin/gatehouse")).unwrap();
    fs::copy(documents::github(), path.join("github-openapi.json")).unwrap();
    let mut run = Run::begin(path);
    for action in &actions {
        match action {
            Action::Write { file, content } => fs::write(path.join(file), run.put_into(content)).unwrap(),
            Action::Run(step) if step.command.contains("gatehouse -- dev") => run.start_dev().await,
            Action::Run(step) if step.command.ends_with(" &") => run.start_upstream(step).await,
            Action::Run(step) => run.check(step).await,
        }
    }
}

fn actions(page: &str) -> Vec<Action> {
    let mut actions = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else {
            continue;
        };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        if info == "console" {
            actions.extend(steps(&block).into_iter().map(Action::Run));
        } else if let Some((_, title)) = info.split_once("title=\"") {
            actions.push(Action::Write {
                file: title.trim_end_matches('"').to_owned(),
                content: format!("{}\n", block.join("\n")),
            });
        }
    }
    actions
}

fn steps(block: &[&str]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in block {
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step {
                command: command.to_owned(),
                shown: Vec::new(),
            });
        } else if let Some(step) = steps.last_mut() {
            if let Some(more) = step.command.strip_suffix('\\') {
                step.command = format!("{more} {}", line.trim_start_matches("> ").trim());
            } else {
                step.shown.push((*line).to_owned());
            }
        }
    }
    steps
}

/// One run through the page: where things are, in place of the addresses on the page.
struct Run {
    home: PathBuf,
    replacements: Vec<(&'static str, String)>,
    /// The identity that the last command printed.
    identity: Option<String>,
    background: Vec<Process>,
}

impl Run {
    fn begin(home: &Path) -> Self {
        let mut replacements = vec![("9999", free_address().port().to_string())];
        for written in ["127.0.0.1:9090", "127.0.0.1:8080", "127.0.0.1:9094"] {
            replacements.push((written, free_address().to_string()));
        }
        Self {
            home: home.to_owned(),
            replacements,
            identity: None,
            background: Vec::new(),
        }
    }

    fn put_into(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (written, actual) in &self.replacements {
            text = text.replace(written, actual);
        }
        match &self.identity {
            Some(identity) => text.replace(" ID", &format!(" {identity}")),
            None => text,
        }
    }

    async fn start_dev(&mut self) {
        let mut command = Command::new(binary("gatehouse"));
        command.arg("dev").arg("--data-dir").arg(self.home.join("data"));
        for (option, written) in [
            ("--listen", "127.0.0.1:9090"),
            ("--gateway-listen", "127.0.0.1:8080"),
            ("--admin-listen", "127.0.0.1:9094"),
        ] {
            command.args([option, &self.put_into(written)]);
        }
        self.start("gatehouse dev", command);
        let output = self.home.join("log-0");
        self.wait("`gatehouse dev` is ready", async || {
            fs::read_to_string(&output).is_ok_and(|output| output.contains("is ready"))
        })
        .await;
    }

    async fn start_upstream(&mut self, step: &Step) {
        let line = step.command.trim_end_matches(" &");
        let mut command = Command::new("bash");
        command.args(["-c", &format!("exec {line}")]);
        self.start(line, command);
        let address = self.put_into("127.0.0.1:9999");
        self.wait("the upstream listens", async || {
            tokio::net::TcpStream::connect(&address).await.is_ok()
        })
        .await;
    }

    fn start(&mut self, name: &str, mut command: Command) {
        self.in_home(&mut command);
        let log = self.home.join(format!("log-{}", self.background.len()));
        self.background.push(Process::start(name, command, &log));
    }

    async fn wait<F: Future<Output = bool>>(&mut self, what: &str, mut ready: impl FnMut() -> F) {
        let process = RefCell::new(self.background.last_mut().unwrap());
        wait::until_true(what, || {
            process.borrow_mut().assert_running();
            ready()
        })
        .await;
    }

    async fn check(&mut self, step: &Step) {
        let (line, code) = match step.command.split_once("  # exit ") {
            Some((line, code)) => (line, code.trim().parse().unwrap()),
            None => (step.command.as_str(), 0),
        };
        let mut command = Command::new("bash");
        command.args(["-c", &self.put_into(line)]);
        self.in_home(&mut command);
        let output = tokio::task::spawn_blocking(move || command.output())
            .await
            .unwrap()
            .unwrap();
        let printed = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(output.status.code(), Some(code), "$ {line}\n{printed}");
        for shown in &step.shown {
            let shown = self.put_into(shown);
            assert!(
                printed.lines().any(|line| matches(&shown, line)),
                "the page shows below `{line}`\n{shown}\nbut it prints\n{printed}"
            );
        }
        self.identity = printed
            .split_whitespace()
            .find(|word| is_identity(word))
            .map(str::to_owned)
            .or(self.identity.take());
    }

    fn in_home(&self, command: &mut Command) {
        let search = std::env::var("PATH").unwrap_or_default();
        command
            .current_dir(&self.home)
            .env("HOME", &self.home)
            .env("XDG_CONFIG_HOME", self.home.join(".config"))
            .env("PATH", format!("{}:{search}", self.home.join("bin").display()))
            .env("NO_COLOR", "1")
            .env_remove("GATEHOUSE_SERVER")
            .env_remove("GATEHOUSE_TOKEN");
    }
}

/// Whether a word is a UUID.
fn is_identity(word: &str) -> bool {
    let lengths: Vec<usize> = word.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && word.chars().all(|sign| sign == '-' || sign.is_ascii_hexdigit())
}

/// Whether a printed line is what the page shows; `...` stands for anything, and runs of spaces are one.
fn matches(shown: &str, printed: &str) -> bool {
    let normal = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let printed = normal(printed);
    let mut rest = printed.as_str();
    for (index, part) in normal(shown).split("...").enumerate() {
        let part = part.trim();
        match rest.find(part) {
            Some(at) if index > 0 || at == 0 => rest = &rest[at + part.len()..],
            _ => return false,
        }
    }
    true
}

#[test]
fn dots_stand_for_anything() {
    assert!(matches("HTTP/1.1 200 OK", "HTTP/1.1 200 OK"));
    assert!(matches("created  api/...", "created api/orders"));
    assert!(matches("...octocat...", r#"{"path": "/repos/octocat/hello"}"#));
    assert!(!matches("created", "unchanged api/orders, created nothing"));
}
