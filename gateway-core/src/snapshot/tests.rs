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
