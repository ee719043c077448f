//! Clients of Kong that others wrote work with the fake as with a real one.

use std::path::{Path, PathBuf};
use std::process::Command;

use gatehouse_fake_kong::{FakeKong, FakeKongOptions};

/// What decK puts into an empty Kong.
const STATE: &str = r#"_format_version: "1.1"
services:
- name: petstore
  host: 127.0.0.1
  port: 19999
  protocol: http
  path: /api
  tags: [demo]
  routes:
  - name: pets
    paths: [/pets]
    methods: [GET, POST]
    plugins:
    - name: key-auth
      config:
        key_names: [apikey]
  plugins:
  - name: rate-limiting
    config:
      minute: 5
      policy: local
consumers:
- username: alice
  custom_id: app-1
  keyauth_credentials:
  - key: alice-key
  acls:
  - group: gold
upstreams:
- name: pets.upstream
  targets:
  - target: 127.0.0.1:19999
plugins:
- name: correlation-id
"#;

#[tokio::test(flavor = "multi_thread")]
async fn deck_puts_a_state_in_and_gets_it_out_again() {
    let kong = FakeKong::start(FakeKongOptions::default()).await.unwrap();
    let other = FakeKong::start(FakeKongOptions::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    std::fs::write(file("state.yaml"), STATE).unwrap();

    deck(&kong, "sync", &["--state", file("state.yaml").to_str().unwrap()]);
    deck(
        &kong,
        "dump",
        &["--output-file", file("dump.yaml").to_str().unwrap()],
    );
    deck(&other, "sync", &["--state", file("dump.yaml").to_str().unwrap()]);
    deck(
        &other,
        "dump",
        &["--output-file", file("again.yaml").to_str().unwrap()],
    );

    let (dump, again) = (read(&file("dump.yaml")), read(&file("again.yaml")));
    assert_eq!(dump, again);
    for part in [
        "name: petstore",
        "/pets",
        "name: key-auth",
        "minute: 5",
        "username: alice",
        "group: gold",
        "127.0.0.1:19999",
    ] {
        assert!(dump.contains(part), "`{part}` is not in\n{dump}");
    }
    let count = |kong: &FakeKong, name: &str| kong.with_configuration(|all| all.all(name).count());
    for collection in [
        "services",
        "routes",
        "plugins",
        "consumers",
        "keyauth_credentials",
        "acls",
        "targets",
    ] {
        assert_eq!(
            count(&kong, collection),
            count(&other, collection),
            "{collection}"
        );
    }
}

fn deck(kong: &FakeKong, command: &str, arguments: &[&str]) {
    let run = Command::new("deck")
        .args([command, "--kong-addr", &kong.admin_url()])
        .args(arguments)
        .env("DECK_ANALYTICS", "off")
        .output();
    let output = run.unwrap_or_else(|error| {
        panic!("`deck` does not start ({error}); `./test tools` installs it (Debian package `deck`)")
    });
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "deck {command}: {}", said.join("\n"));
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn aio_kong_creates_lists_and_deletes() {
    let kong = FakeKong::start(FakeKongOptions::default()).await.unwrap();
    let python = python();
    assert!(
        python.is_file(),
        "{} is missing; `./test tools` installs aio-kong there",
        python.display()
    );
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fake/aio_kong.py");
    let output = Command::new(&python)
        .arg(script)
        .arg(kong.admin_url())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let left = kong.with_configuration(|all| {
        ["services", "routes", "plugins", "consumers"].map(|name| all.all(name).count())
    });
    assert_eq!(left, [0, 0, 0, 0]);
}

/// The interpreter that `./test tools` installs aio-kong for, beside the built binaries.
fn python() -> PathBuf {
    let binary = Path::new(env!("CARGO_BIN_EXE_gatehouse-fake-kong"));
    binary
        .ancestors()
        .nth(2)
        .unwrap()
        .join("test-tools/venv/bin/python")
}
