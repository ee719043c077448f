//! What comes back after a restart, whatever happened to the files.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::json;
use tempfile::TempDir;

use super::*;

fn config(name: &str, version: &str) -> ApiConfig {
    let content = json!({
        "displayName": name, "version": version, "type": "rest", "direction": "ingress",
        "basePath": "/", "upstreams": {"main": {"url": "http://127.0.0.1:1"}},
    });
    ApiConfig {
        external_ref: ExternalRef(name.to_owned()),
        mark: None,
        fingerprint: Fingerprint::of_value(&content),
        content: serde_json::from_value(content).expect("content"),
        secret_hashes: BTreeMap::new(),
        secrets: BTreeMap::new(),
    }
}

fn open(folder: &TempDir) -> (Store, Option<Vec<ApiConfig>>) {
    Store::open(folder.path()).expect("a usable folder")
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn manifests(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path());
    let mut found: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|kind| kind == "json"))
        .collect();
    found.sort();
    found
}

#[test]
fn what_was_put_and_not_removed_comes_back() {
    let folder = folder();
    let (mut store, before) = open(&folder);
    assert!(before.is_none());
    store.put(&config("a", "v1")).expect("written");
    store.put(&config("b", "v1")).expect("written");
    store.put(&config("a", "v2")).expect("written");
    store.remove(&ExternalRef("b".to_owned())).expect("written");
    assert_eq!(open(&folder).1, Some(vec![config("a", "v2")]));
}

#[test]
fn a_damaged_newest_manifest_is_passed_over_and_what_it_changed_is_left_out() {
    let folder = folder();
    let (mut store, _) = open(&folder);
    store.put(&config("a", "v1")).expect("written");
    store.put(&config("b", "v1")).expect("written");
    store.put(&config("a", "v2")).expect("written");
    damage_newest_manifest(&folder);
    assert_eq!(open(&folder).1, Some(vec![config("b", "v1")]));
    // Set aside, it is still known to be missing.
    let (mut store, apis) = open(&folder);
    assert_eq!(apis, Some(vec![config("b", "v1")]));
    store.put(&config("b", "v2")).expect("written");
    assert_eq!(open(&folder).1, Some(vec![config("b", "v2")]));
    store.put(&config("a", "v3")).expect("written");
    assert_eq!(open(&folder).1, Some(vec![config("a", "v3"), config("b", "v2")]));
}

#[test]
fn a_lost_return_to_an_earlier_form_is_left_out_too() {
    let folder = folder();
    let (mut store, _) = open(&folder);
    store.put(&config("b", "v1")).expect("written");
    for version in ["v1", "v2", "v1"] {
        store.put(&config("a", version)).expect("written");
    }
    damage_newest_manifest(&folder);
    assert_eq!(open(&folder).1, Some(vec![config("b", "v1")]));
}

fn damage_newest_manifest(folder: &TempDir) {
    let newest = manifests(folder.path()).pop().expect("a manifest");
    let mut text = fs::read(&newest).expect("readable");
    text[80] ^= 1;
    fs::write(&newest, text).expect("written");
}

#[test]
fn a_cut_off_api_file_leaves_its_api_out_and_the_others_alone() {
    let folder = folder();
    let (mut store, _) = open(&folder);
    store.put(&config("a", "v1")).expect("written");
    store.put(&config("b", "v1")).expect("written");
    store.put(&config("a", "v2")).expect("written");
    let name = file_name(&serde_json::to_vec(&config("a", "v2")).expect("JSON"));
    fs::write(folder.path().join("apis").join(name), "{").expect("written");
    for _ in 0..2 {
        assert_eq!(open(&folder).1, Some(vec![config("b", "v1")]));
    }
}

#[test]
fn only_the_newest_manifests_and_their_files_are_kept() {
    let folder = folder();
    let (mut store, _) = open(&folder);
    for number in 0..10 {
        store.put(&config("a", &format!("v{number}"))).expect("written");
    }
    assert_eq!(manifests(folder.path()).len(), KEPT);
    assert_eq!(manifests(&folder.path().join("apis")).len(), KEPT);
}

#[cfg(unix)]
#[test]
fn nobody_else_can_read_the_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = folder();
    let (mut store, _) = open(&folder);
    store.put(&config("a", "v1")).expect("written");
    for file in manifests(folder.path())
        .into_iter()
        .chain(manifests(&folder.path().join("apis")))
    {
        let mode = fs::metadata(file).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

fn secret_config(name: &str, version: &str) -> ApiConfig {
    let mut config = config(name, version);
    let value = format!("s3cret-{version}");
    config
        .secrets
        .insert("client".parse().expect("a name"), value.into());
    config
}

/// Every file of a folder, the API's files included.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => files.extend(self::files(&path)),
            false => files.push(path),
        }
    }
    files
}

fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).expect("below"));
        fs::create_dir_all(target.parent().expect("a folder")).expect("created");
        fs::copy(file, target).expect("copied");
    }
}

#[test]
fn secrets_come_back_and_lie_open_in_no_file() {
    let folder = folder();
    let (mut store, _) = open(&folder);
    store.put(&secret_config("a", "v1")).expect("written");
    store.put(&config("b", "v1")).expect("written");
    assert_eq!(
        open(&folder).1,
        Some(vec![secret_config("a", "v1"), config("b", "v1")])
    );
    for file in files(folder.path()) {
        let bytes = fs::read(&file).expect("readable");
        assert!(
            !String::from_utf8_lossy(&bytes).contains("s3cret"),
            "{}",
            file.display()
        );
    }
}

#[test]
fn with_another_key_only_apis_without_secrets_come_back() {
    let (ours, theirs) = (folder(), folder());
    let (mut store, _) = open(&ours);
    store.put(&secret_config("a", "v1")).expect("written");
    store.put(&config("b", "v1")).expect("written");
    open(&theirs);
    fs::copy(theirs.path().join("node.key"), ours.path().join("node.key")).expect("copied");
    let (mut store, apis) = open(&ours);
    assert_eq!(apis, Some(vec![config("b", "v1")]));
    store.put(&secret_config("a", "v1")).expect("written");
    assert_eq!(
        open(&ours).1,
        Some(vec![secret_config("a", "v1"), config("b", "v1")])
    );
}

#[test]
fn a_snapshot_from_before_there_were_sealed_secrets_comes_back() {
    let folder = folder();
    let (mut store, _) = open(&folder);
    store.put(&config("a", "v1")).expect("written");
    fs::remove_file(folder.path().join("node.key")).expect("removed");
    let text = files(&folder.path().join("apis")).pop().map(fs::read_to_string);
    assert!(!text.expect("a file").expect("readable").contains(SEALED));
    assert_eq!(open(&folder).1, Some(vec![config("a", "v1")]));
}

/// Whatever happens to one file, nothing comes back that was not the last word on its API, and what has not changed
/// since the manifests that are left comes back.
#[test]
fn a_file_that_is_cut_off_or_changed_anywhere_costs_no_more_than_what_it_may_have_held() {
    let original = folder();
    let (mut store, _) = open(&original);
    store.put(&config("b", "v1")).expect("written");
    store.put(&secret_config("a", "v1")).expect("written");
    store.put(&config("c", "v1")).expect("written");
    store.put(&secret_config("a", "v2")).expect("written");
    let last = [secret_config("a", "v2"), config("b", "v1"), config("c", "v1")];
    for file in files(original.path()) {
        let whole = fs::read(&file).expect("readable");
        let name = file.strip_prefix(original.path()).expect("below");
        let step = (whole.len() / 24).max(1);
        for at in (0..whole.len()).step_by(step) {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x10;
            for damaged in [whole[..at].to_vec(), flipped] {
                let folder = folder();
                copy(original.path(), folder.path());
                fs::write(folder.path().join(name), &damaged).expect("written");
                for restart in 0..2 {
                    let (_, apis) = open(&folder);
                    let apis = apis.expect("two manifests are whole");
                    let told = format!("{} at {at}, restart {restart}: {apis:?}", name.display());
                    assert!(apis.iter().all(|api| last.contains(api)), "{told}");
                    assert!(
                        apis.contains(&last[1]) || name == file_of(&original, "b"),
                        "{told}"
                    );
                }
            }
        }
    }
}

/// The path of an API's file, below the folder.
fn file_of(folder: &TempDir, api: &str) -> PathBuf {
    let (store, _) = open(folder);
    let newest = store.newest.as_ref().expect("a manifest");
    Path::new("apis").join(&newest.apis[&ExternalRef(api.to_owned())])
}

#[test]
fn when_every_manifest_is_damaged_there_is_no_snapshot_and_new_ones_can_be_written() {
    let folder = folder();
    let (mut store, _) = open(&folder);
    store.put(&config("a", "v1")).expect("written");
    store.put(&config("a", "v2")).expect("written");
    for manifest in manifests(folder.path()) {
        fs::write(manifest, "").expect("written");
    }
    let (mut store, apis) = open(&folder);
    assert_eq!(apis, None, "so readiness waits for somebody who knows");
    store.put(&config("a", "v3")).expect("written");
    assert_eq!(open(&folder).1, Some(vec![config("a", "v3")]));
}

/// What a write leaves behind that is broken off before the rename.
#[test]
fn a_file_that_was_never_moved_into_place_changes_nothing() {
    let folder = folder();
    let (mut store, _) = open(&folder);
    store.put(&secret_config("a", "v1")).expect("written");
    store.put(&config("b", "v1")).expect("written");
    for name in [
        "manifest-00000000000000000003.tmp",
        "apis/0123456789abcdef.tmp",
        "node.tmp",
    ] {
        fs::write(folder.path().join(name), "{\"half").expect("written");
    }
    assert_eq!(
        open(&folder).1,
        Some(vec![secret_config("a", "v1"), config("b", "v1")])
    );
}

/// Not a test of its own: the process that the next one kills.
#[test]
#[ignore = "writes until it is killed"]
fn writes_until_it_is_killed() {
    let Some(folder) = std::env::var_os("GATEHOUSE_TEST_SNAPSHOT") else {
        return;
    };
    let (mut store, _) = Store::open(Path::new(&folder)).expect("a usable folder");
    for number in 0_u64.. {
        store
            .put(&secret_config("a", &format!("v{number}")))
            .expect("written");
    }
}

#[cfg(unix)]
#[test]
fn a_process_that_is_killed_while_it_writes_leaves_a_whole_snapshot() {
    use std::{process::Stdio, time::Duration};
    let folder = folder();
    let (mut store, _) = open(&folder);
    store.put(&config("b", "v1")).expect("written");
    let mut last = 0;
    for round in 0..8_u64 {
        let mut writer = std::process::Command::new(std::env::current_exe().expect("this test"))
            .args([
                "--exact",
                "snapshot::tests::writes_until_it_is_killed",
                "--ignored",
            ])
            .env("GATEHOUSE_TEST_SNAPSHOT", folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("started");
        // Killed at another moment of a write each time.
        let begun = std::time::Instant::now();
        while highest(folder.path()) < last + 5 {
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "the writer does not write"
            );
            std::thread::yield_now();
        }
        std::thread::sleep(Duration::from_micros(300 * round));
        writer.kill().expect("killed");
        writer.wait().expect("ended");
        last = highest(folder.path());
        let (_, apis) = open(&folder);
        let apis = apis.expect("a snapshot");
        assert_eq!(apis.len(), 2, "{apis:?}");
        assert_eq!(apis[1], config("b", "v1"));
        let version = apis[0].content.version.to_string();
        assert_eq!(apis[0], secret_config("a", &version));
    }
}

/// The highest number of a manifest, by the names alone.
fn highest(folder: &Path) -> u64 {
    let number = |path: &PathBuf| {
        path.file_stem()?
            .to_str()?
            .strip_prefix("manifest-")?
            .parse()
            .ok()
    };
    manifests(folder).iter().filter_map(number).max().unwrap_or(0)
}
