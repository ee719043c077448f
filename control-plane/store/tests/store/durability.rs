//! What was acknowledged survives `kill -9`.

use std::{
    env,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use gatehouse_control_plane_store::{EncryptionKey, Store};
use gatehouse_schemas::resource::Kind;
use serde_json::json;

use crate::harness::{create, on_every_database};

const URL: &str = "GATEHOUSE_TEST_WRITER_URL";
const KEY: &str = "GATEHOUSE_TEST_WRITER_KEY";

/// The child of the test below: writes for ever and says what was acknowledged.
#[tokio::test]
#[ignore = "the child process of another test"]
async fn writer() {
    let (Ok(url), Ok(key)) = (env::var(URL), env::var(KEY)) else {
        eprintln!("SKIPPED: this is the child process of another test");
        return;
    };
    let store = Store::connect(&url, EncryptionKey::from_file(Path::new(&key)).expect("the key"))
        .await
        .expect("open");
    for number in 0.. {
        create(
            &store,
            Kind::Environment,
            &format!("e{number}"),
            json!({"gatewayType": "kong"}),
        )
        .await;
        println!("\nacknowledged e{number}");
    }
}

#[tokio::test]
async fn an_acknowledged_commit_survives_kill_9() {
    on_every_database(|database| async move {
        let mut child = Command::new(env::current_exe().expect("this program"))
            .args(["durability::writer", "--exact", "--ignored", "--nocapture"])
            .env(URL, &database.url)
            .env(KEY, database.folder.join("key"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a child");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let mut acknowledged = Vec::new();
        for line in lines.map_while(Result::ok) {
            if let Some(name) = line.strip_prefix("acknowledged ") {
                acknowledged.push(name.to_owned());
            }
            if acknowledged.len() == 20 {
                child.kill().expect("killed");
            }
        }
        child.wait().expect("ended");
        assert!(acknowledged.len() >= 20);
        let store = database.open_again().await.expect("opened after the kill");
        let kept: Vec<_> = store.all_resources(Kind::Environment).await.expect("a read");
        for name in &acknowledged {
            assert!(
                kept.iter().any(|row| row.metadata.name.as_str() == name),
                "{name} is lost"
            );
        }
        let generation = store.generation().await.expect("a read").0;
        assert_eq!(generation, kept.len() as u64, "each change has its generation");
    })
    .await;
}
