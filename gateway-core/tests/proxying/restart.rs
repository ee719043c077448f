//! A restart without anybody to ask serves the same thing, policies first.

use std::{fs, path::Path, time::Duration};

use gatehouse_gateway_core::{Gateway, GatewayOptions};
use serde_json::json;

use crate::{
    policies::with_key,
    support::{api, echo, get, raw, status},
};

async fn start(folder: &Path) -> Gateway {
    let options = GatewayOptions {
        state_dir: Some(folder.to_owned()),
        worker_threads: Some(1),
        ..GatewayOptions::default()
    };
    Gateway::start(options).await.expect("the gateway starts")
}

async fn stop(gateway: Gateway) {
    gateway.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn the_first_request_after_a_restart_meets_the_policies() {
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = start(folder.path()).await;
    assert!(!gateway.is_ready());
    let policy =
        json!({"type": "auth.apiKey", "with": {"keys": [{"consumer": "shop", "secretRef": "shop-key"}]}});
    let config = with_key(
        api("a", echo().await, json!({"policies": [policy]})),
        "shop-key",
        "s3cret",
    );
    gateway.put_api(config.clone()).await.expect("applied");
    stop(gateway).await;

    let gateway = start(folder.path()).await;
    assert_eq!(status(&get(&gateway, "/a").await), 401);
    let request = "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Api-Key: s3cret\r\n\r\n";
    assert_eq!(status(&raw(&gateway, request).await), 200);
    assert!(gateway.is_ready());
    assert_eq!(gateway.api(&config.external_ref).as_deref(), Some(&config));
}

#[tokio::test]
async fn an_api_that_is_damaged_on_disk_is_not_served_and_the_others_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = start(folder.path()).await;
    let upstream = echo().await;
    gateway
        .put_api(api("a", upstream, json!({})))
        .await
        .expect("applied");
    gateway
        .put_api(api("b", upstream, json!({})))
        .await
        .expect("applied");
    stop(gateway).await;
    for entry in fs::read_dir(folder.path().join("apis")).expect("a folder") {
        let path = entry.expect("an entry").path();
        if fs::read_to_string(&path).expect("readable").contains("\"/a\"") {
            fs::write(path, "{}").expect("written");
        }
    }
    let gateway = start(folder.path()).await;
    assert_eq!(status(&get(&gateway, "/a").await), 404);
    assert_eq!(status(&get(&gateway, "/b").await), 200);
    gateway
        .put_api(api("a", upstream, json!({})))
        .await
        .expect("applied again");
    assert_eq!(status(&get(&gateway, "/a").await), 200);
}

#[tokio::test]
async fn a_policy_that_no_longer_compiles_keeps_its_api_closed() {
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = start(folder.path()).await;
    let policy =
        json!({"type": "auth.apiKey", "with": {"keys": [{"consumer": "shop", "secretRef": "shop-key"}]}});
    let config = with_key(
        api("a", echo().await, json!({"policies": [policy]})),
        "shop-key",
        "s3cret",
    );
    gateway.put_api(config.clone()).await.expect("applied");
    stop(gateway).await;
    // A file that is whole but says less: rewritten with a matching checksum, as an older version might.
    let mut broken = config;
    broken.secret_hashes.clear();
    rewrite(folder.path(), &serde_json::to_string(&broken).expect("JSON"));
    let gateway = start(folder.path()).await;
    assert_eq!(status(&get(&gateway, "/a").await), 404);
}

#[tokio::test]
async fn an_older_form_with_weaker_policies_does_not_stand_in_for_a_damaged_one() {
    let policy =
        json!({"type": "auth.apiKey", "with": {"keys": [{"consumer": "shop", "secretRef": "shop-key"}]}});
    for damaged in ["apis", ""] {
        let folder = tempfile::tempdir().expect("a folder");
        let gateway = start(folder.path()).await;
        let upstream = echo().await;
        let open = api("a", upstream, json!({}));
        let closed = with_key(
            api("a", upstream, json!({"policies": [policy]})),
            "shop-key",
            "s3cret",
        );
        gateway.put_api(open).await.expect("applied");
        gateway
            .put_api(api("b", upstream, json!({})))
            .await
            .expect("applied");
        gateway.put_api(closed.clone()).await.expect("applied");
        stop(gateway).await;
        damage_newest(&folder.path().join(damaged), "shop-key");
        // It stays so, restart after restart, and when something else changes.
        for restart in 0..3 {
            let gateway = start(folder.path()).await;
            assert_eq!(status(&get(&gateway, "/a").await), 404, "{damaged:?} {restart}");
            assert_eq!(status(&get(&gateway, "/b").await), 200, "{damaged:?} {restart}");
            if restart == 1 {
                let other = api("c", upstream, json!({}));
                gateway.put_api(other).await.expect("applied");
            }
            stop(gateway).await;
        }
        let gateway = start(folder.path()).await;
        gateway.put_api(closed).await.expect("applied");
        assert_eq!(status(&get(&gateway, "/a").await), 401);
        stop(gateway).await;
        let gateway = start(folder.path()).await;
        assert_eq!(status(&get(&gateway, "/a").await), 401);
    }
}

/// Damages the file that holds this text, or else the last one by name.
fn damage_newest(folder: &Path, text: &str) {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|kind| kind == "json" || kind == "journal")
        })
        .collect();
    files.sort();
    let holds = |path: &&std::path::PathBuf| fs::read_to_string(path).is_ok_and(|read| read.contains(text));
    let file = files.iter().find(holds).or(files.last()).expect("a file");
    fs::write(file, "{").expect("written");
}

/// Puts another content in place of the only API, checksums and all.
fn rewrite(folder: &Path, content: &str) {
    use gatehouse_schemas::canonical::Fingerprint;
    let hash = |text: &str| Fingerprint::of_bytes(text.as_bytes()).0;
    let name = format!("{}.json", hash(content).trim_start_matches("sha256:"));
    fs::write(folder.join("apis").join(&name), content).expect("written");
    let manifest = json!({"format": 1, "number": 99, "apis": {"a": name}}).to_string();
    let path = folder.join("manifest-00000000000000000099.json");
    fs::write(path, format!("{}\n{manifest}\n", hash(&manifest))).expect("written");
}
