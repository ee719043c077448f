//! Pages whose commands are executed as they stand.
//!
//! Every line that begins with `$ ` in a block marked `console` runs in a shell, in order, in a home of its own, with
//! the built `gatehouse` in the PATH. What the page shows below a command must be in what the command prints, line by
//! line, where `...` stands for anything. A block with a title, as in `yaml title="orders.yaml"`, becomes that file. A
//! command that the page says exits with a code (`# exit 2`) must do so; all others exit 0. `ID` is the identity that
//! the last command printed. `cd` and `export` hold for what follows. A command that ends in `&` goes on: it is ready
//! when it has printed what is shown below it, or else when the upstream listens.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use gatehouse_integration_tests::{binaries::binary, ports::free_address, process::Process, wait};

/// How often a command of a page is typed at least; fewer mean that its format changed.
const COMMANDS_MIN: usize = 12;

/// What is there already where a page is followed.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    /// Built programs that are typed, beside `gatehouse`.
    pub(crate) programs: Vec<&'static str>,
    /// Programs of others that are typed: their names, and where they are.
    pub(crate) others: Vec<(&'static str, PathBuf)>,
    /// Addresses on the page, and where it is.
    pub(crate) addresses: Vec<(&'static str, String)>,
    /// Variables that the reader has set already.
    pub(crate) variables: Vec<(&'static str, String)>,
    /// Identities on the page that a vendor gives: the first line that shows one tells what it is here.
    pub(crate) identities: Vec<&'static str>,
}

/// Does everything that a page asks its reader to do, in this home.
pub(crate) async fn follow(page: &str, home: &Path) {
    follow_beside(page, home, Beside::default()).await;
}

/// The same beside something that is there already.
pub(crate) async fn follow_beside(page: &str, home: &Path, beside: Beside) {
    let actions = actions(page);
    let is_run = |action: &&Action| matches!(action, Action::Run(_));
    let count = actions.iter().filter(is_run).count();
    assert!(
        count >= COMMANDS_MIN,
        "the page has {count} commands; is its format right?"
    );
    fs::create_dir(home.join("bin")).unwrap();
    let built = ["gatehouse"].iter().chain(&beside.programs);
    let programs = built.map(|name| (*name, binary(name)));
    for (name, path) in programs.chain(beside.others) {
        std::os::unix::fs::symlink(path, home.join("bin").join(name)).unwrap();
    }
    let mut run = Run::begin(home);
    run.replacements.extend(beside.addresses);
    run.unknown = beside.identities;
    let variables = beside.variables.into_iter();
    run.variables
        .extend(variables.map(|(name, value)| (name.to_owned(), value)));
    for action in &actions {
        run.take(action).await;
    }
}

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

/// Addresses on pages, each of which becomes a free one.
const ADDRESSES: [&str; 5] = [
    "127.0.0.1:9090",
    "127.0.0.1:8080",
    "127.0.0.1:9094",
    "127.0.0.1:7000",
    "127.0.0.1:7001",
];

/// One run through the page: where things are, in place of the addresses on the page.
struct Run {
    home: PathBuf,
    /// Where commands run.
    folder: PathBuf,
    /// What was exported.
    variables: BTreeMap<String, String>,
    replacements: Vec<(&'static str, String)>,
    /// Identities of a vendor that nothing was printed of yet.
    unknown: Vec<&'static str>,
    /// The identity that the last command printed.
    identity: Option<String>,
    background: Vec<Process>,
}

impl Run {
    fn begin(home: &Path) -> Self {
        let mut replacements = vec![("9999", free_address().port().to_string())];
        for written in ADDRESSES {
            replacements.push((written, free_address().to_string()));
        }
        let actual = |written: &str| {
            let mut found = replacements.iter().filter(|(other, _)| *other == written);
            found.next().map(|(_, actual)| actual.clone()).unwrap_or_default()
        };
        let variables = [
            ("TINY_GATEWAY_ADMIN_LISTEN", actual("127.0.0.1:7001")),
            ("TINY_GATEWAY_LISTEN", actual("127.0.0.1:7000")),
        ];
        Self {
            home: home.to_owned(),
            folder: home.to_owned(),
            variables: variables.map(|(name, value)| (name.to_owned(), value)).into(),
            replacements,
            unknown: Vec::new(),
            identity: None,
            background: Vec::new(),
        }
    }

    async fn take(&mut self, action: &Action) {
        let step = match action {
            Action::Write { file, content } => {
                return fs::write(self.folder.join(file), self.put_into(content)).unwrap();
            }
            Action::Run(step) => step,
        };
        let command = step.command.as_str();
        if let Some(folder) = command.strip_prefix("cd ") {
            self.enter(folder);
        } else if let Some((name, value)) = command.strip_prefix("export ").and_then(|it| it.split_once('='))
        {
            self.variables.insert(name.to_owned(), value.to_owned());
        } else if command.contains("gatehouse -- dev") || command.starts_with("gatehouse dev") {
            let (_, options) = command.split_once(" dev").unwrap_or_default();
            self.start_dev(options.trim_end_matches('&')).await;
        } else if command.ends_with(" &") {
            self.start_in_background(step).await;
        } else {
            self.check(step).await;
        }
    }

    /// What is built there is built where everything else is, so that what has been built already is not built again.
    fn enter(&mut self, folder: &str) {
        self.folder.push(folder);
        if self.folder.join("Cargo.toml").is_file() {
            let profile = binary("gatehouse").parent().unwrap().to_owned();
            std::os::unix::fs::symlink(profile.parent().unwrap(), self.folder.join("target")).unwrap();
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

    async fn start_dev(&mut self, options: &str) {
        let mut command = Command::new(binary("gatehouse"));
        command.arg("dev").arg("--data-dir").arg(self.home.join("data"));
        for (option, written) in [
            ("--listen", "127.0.0.1:9090"),
            ("--gateway-listen", "127.0.0.1:8080"),
            ("--admin-listen", "127.0.0.1:9094"),
        ] {
            command.args([option, &self.put_into(written)]);
        }
        command.args(options.split_whitespace());
        let output = self.start("gatehouse dev", command);
        self.wait("`gatehouse dev` is ready", async || {
            fs::read_to_string(&output).is_ok_and(|output| output.contains("is ready"))
        })
        .await;
    }

    async fn start_in_background(&mut self, step: &Step) {
        let line = self.put_into(step.command.trim_end_matches(" &"));
        let mut command = Command::new("bash");
        // One process, which the test can end, where the line is one command.
        let is_one = !line.contains("$(");
        command.args([
            "-c",
            &if is_one {
                format!("exec {line}")
            } else {
                line.clone()
            },
        ]);
        let log = self.start(&line, command);
        let shown: Vec<String> = step.shown.iter().map(|shown| self.put_into(shown)).collect();
        let upstream = self.put_into("127.0.0.1:9999");
        let is_ready = async || match shown.as_slice() {
            [] => tokio::net::TcpStream::connect(&upstream).await.is_ok(),
            shown => {
                let printed = fs::read_to_string(&log).unwrap_or_default();
                let is_printed = |shown: &String| printed.lines().any(|line| matches(shown, line));
                shown.iter().all(is_printed)
            }
        };
        self.wait(&format!("`{line}` is ready"), is_ready).await;
    }

    fn start(&mut self, name: &str, mut command: Command) -> PathBuf {
        self.in_home(&mut command);
        let log = self.home.join(format!("log-{}", self.background.len()));
        self.background.push(Process::start(name, command, &log));
        log
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
        self.learn(&step.shown, &printed);
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

    /// Learns what the identities of a vendor are that the page shows below a command.
    fn learn(&mut self, shown: &[String], printed: &str) {
        let here: Vec<String> = shown.iter().map(|line| self.put_into(line)).collect();
        self.unknown.retain(|written| {
            let actual = here.iter().find_map(|line| stands_for(written, line, printed));
            self.replacements
                .extend(actual.iter().map(|actual| (*written, actual.clone())));
            actual.is_none()
        });
    }

    fn in_home(&self, command: &mut Command) {
        let search = std::env::var("PATH").unwrap_or_default();
        // Cargo is told where it runs by the one that runs this test.
        let of_cargo = std::env::vars_os().map(|(name, _)| name);
        for name in of_cargo.filter(|name| name.to_string_lossy().starts_with("CARGO_")) {
            command.env_remove(name);
        }
        for (variable, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
            let usual = || Some(PathBuf::from(std::env::var_os("HOME")?).join(folder).into());
            if let Some(place) = std::env::var_os(variable).or_else(usual) {
                command.env(variable, place);
            }
        }
        command
            .current_dir(&self.folder)
            .env("HOME", &self.home)
            .env("XDG_CONFIG_HOME", self.home.join(".config"))
            .env("PATH", format!("{}:{search}", self.home.join("bin").display()))
            .env("NO_COLOR", "1")
            .env("CARGO_NET_OFFLINE", "true")
            .envs(&self.variables)
            .env_remove("GATEHOUSE_SERVER")
            .env_remove("GATEHOUSE_TOKEN");
    }
}

/// What a printed line has in the place where a line of the page has this identity.
fn stands_for(written: &str, shown: &str, printed: &str) -> Option<String> {
    let (before, after) = shown.split_once(written)?;
    let before = before.rsplit("...").next()?;
    let after = after.split("...").next()?;
    let (_, rest) = printed.split_once(before)?;
    let end = rest.find(|sign: char| !sign.is_ascii_alphanumeric())?;
    let (identity, rest) = rest.split_at(end);
    rest.starts_with(after).then(|| identity.to_owned())
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
fn identities_are_those_that_are_printed_in_their_place() {
    let is = |shown, printed| stands_for("a1b2c3", shown, printed);
    let printed = "deployed\nhttps://zz9.example.com/live\n";
    assert_eq!(
        is("https://a1b2c3.example.com/live", printed),
        Some("zz9".to_owned())
    );
    assert_eq!(
        is(r#"..."id": "a1b2c3",..."#, r#"{"id": "k7", "name": "x"}"#),
        Some("k7".to_owned())
    );
    assert_eq!(is("https://a1b2c3.example.com/test", printed), None);
    assert_eq!(is("deployed", printed), None);
}

#[test]
fn dots_stand_for_anything() {
    assert!(matches("HTTP/1.1 200 OK", "HTTP/1.1 200 OK"));
    assert!(matches("created  api/...", "created api/orders"));
    assert!(matches("...octocat...", r#"{"path": "/repos/octocat/hello"}"#));
    assert!(!matches("created", "unchanged api/orders, created nothing"));
}
