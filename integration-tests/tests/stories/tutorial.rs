//! The tutorial and the guides: their commands, executed as they stand. How: `page.rs`.

use std::{fs, path::Path, process::Command};

use gatehouse_fake_aws::{FakeAws, FakeAwsOptions, emulators::command_line};
use gatehouse_fake_kong::FakeKongOptions;
use gatehouse_integration_tests::{aws, documents, kong::Kong, ports::free_address, process::Process};

use crate::page::{Beside, follow, follow_beside};

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_tutorial_does_what_the_page_says() {
    let home = tempfile::tempdir().unwrap();
    fs::copy(documents::github(), home.path().join("github-openapi.json")).unwrap();
    follow(&read("docs/tutorial.md"), home.path()).await;
}

/// It makes a connector's crate, and builds and tests it: `connector new` gives something that works.
#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_guide_to_agents_does_what_the_page_says() {
    let home = tempfile::tempdir().unwrap();
    follow(&read("docs/guides/write-your-own-agent.md"), home.path()).await;
}

/// On a fake Kong in place of the reader's.
#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_guide_to_kong_does_what_the_page_says() {
    let home = tempfile::tempdir().unwrap();
    let kong = Kong::fake(FakeKongOptions::default()).await;
    let page = read("docs/guides/kong.md")
        .replace("choose-something-long", gatehouse_integration_tests::kong::TOKEN);
    let address = |url: &str| url.trim_start_matches("http://").to_owned();
    let beside = Beside {
        programs: vec!["gatehouse-agent-kong"],
        addresses: vec![
            ("127.0.0.1:8001", address(&kong.admin_url)),
            ("127.0.0.1:8000", address(&kong.proxy_url)),
        ],
        ..Beside::default()
    };
    follow_beside(&page, home.path(), beside).await;
}

/// It builds a policy module, which takes a compiler to WebAssembly, and crates that nothing else here needs.
#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_guide_to_policy_modules_does_what_the_page_says() {
    let targets = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", "wasm32-wasip2"])
        .output();
    let libraries = targets.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    if !libraries.is_ok_and(|folder| !folder.is_empty() && Path::new(&folder).is_dir()) {
        println!(
            "SKIPPED: Rust has no target `wasm32-wasip2` here (`rustup target add wasm32-wasip2`): the guide to policy modules is not followed"
        );
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let beside = Beside {
        variables: vec![
            ("GATEHOUSE_SOURCES", documents::repository().display().to_string()),
            ("CARGO_NET_OFFLINE", "false".to_owned()),
        ],
        ..Beside::default()
    };
    follow_beside(&read("docs/guides/policy-modules.md"), home.path(), beside).await;
}

/// On a fake AWS in place of the reader's account, and with a pet store of this machine.
#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_guide_to_aws_does_what_the_page_says() {
    let Some(client) = command_line() else {
        return;
    };
    let home = tempfile::tempdir().unwrap();
    let pets = PetStore::start(home.path());
    let cloud = FakeAws::start(FakeAwsOptions::default()).await.unwrap();
    // Consumers reach the fake elsewhere than AWS.
    let stage = "    stage: live\n";
    let page = read("docs/guides/aws.md");
    assert_eq!(page.matches(stage).count(), 1);
    let data_plane = format!(
        "{stage}    dataPlaneUrl: \"{}/{{api}}/{{stage}}\"\n",
        cloud.data_url()
    );
    let page = page.replace(stage, &data_plane);
    let stage_of = |id: &str| format!("{}/{id}", cloud.data_url());
    let beside = Beside {
        programs: vec!["gatehouse-agent-aws"],
        others: vec![("aws", client)],
        addresses: vec![
            (PetStore::ADDRESS, pets.address.clone()),
            (
                "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com",
                stage_of("a1b2c3d4e5"),
            ),
            (
                "https://f6g7h8i9j0.execute-api.eu-central-1.amazonaws.com",
                stage_of("f6g7h8i9j0"),
            ),
        ],
        variables: vec![
            ("AWS_ENDPOINT_URL", cloud.control_url()),
            ("AWS_ACCESS_KEY_ID", aws::ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "any".to_owned()),
        ],
        identities: vec!["a1b2c3d4e5", "f6g7h8i9j0"],
    };
    follow_beside(&page, home.path(), beside).await;
}

/// What AWS's own examples have for an upstream, on this machine.
struct PetStore {
    address: String,
    _process: Process,
}

impl PetStore {
    /// As pages write it.
    const ADDRESS: &str = "petstore-demo-endpoint.execute-api.com";

    fn start(home: &Path) -> Self {
        let folder = home.join("pet-store");
        fs::create_dir_all(folder.join("petstore/pets")).unwrap();
        let pet = r#"{"id": 1, "type": "dog", "price": 249.99}"#;
        fs::write(folder.join("petstore/pets/1"), format!("{pet}\n")).unwrap();
        let address = free_address();
        let mut command = Command::new("python3");
        command
            .args(["-m", "http.server", "--bind", "127.0.0.1"])
            .arg(address.port().to_string())
            .current_dir(&folder);
        let log = home.join("log-pet-store");
        Self {
            address: address.to_string(),
            _process: Process::start("the pet store", command, &log),
        }
    }
}

fn read(page: &str) -> String {
    fs::read_to_string(documents::repository().join(page)).unwrap()
}
