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
    of_kind(folder, "json")
}

fn journals(folder: &Path) -> Vec<PathBuf> {
    of_kind(folder, "journal")
}

/// The files of a folder whose names end so, the newest last.
fn of_kind(folder: &Path, kind: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path());
    let mut found: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|found| found == kind))
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
fn a_damaged_last_change_is_passed_over_and_what_it_changed_is_left_out() {
    let folder = folder();
    let (mut store, _) = open(&folder);
    store.put(&config("a", "v1")).expect("written");
    store.put(&config("b", "v1")).expect("written");
    store.put(&config("a", "v2")).expect("written");
    damage_last_change(&folder);
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
    damage_last_change(&folder);
    assert_eq!(open(&folder).1, Some(vec![config("b", "v1")]));
}

/// In the journal and in its copy.
fn damage_last_change(folder: &TempDir) {
    for kind in ["journal", "copy"] {
        let newest = of_kind(folder.path(), kind).pop().expect("a journal");
        let mut text = fs::read(&newest).expect("readable");
        let end = text.iter().rposition(|byte| *byte != 0).expect("a line");
        text[end - 20] ^= 1;
        fs::write(&newest, text).expect("written");
    }
}

/// So many changes that there are as many manifests as are kept. The last one is not in a journal.
fn fill(store: &mut Store) {
    let mut written = 0;
    while written < KEPT {
        let before = store.manifests.back().copied();
        let version = format!("v{}", store.number);
        store.put(&config("filling", &version)).expect("written");
        written += usize::from(store.manifests.back().copied() != before);
    }
}

#[test]
fn a_damaged_manifest_is_passed_over_for_the_one_before_it_and_what_was_changed_since() {
    let folder = folder();
    let (mut store, _) = open(&folder);
    for name in ["a", "b", "c"] {
        store.put(&config(name, "v1")).expect("written");
    }
    fill(&mut store);
    store.put(&config("c", "v2")).expect("written");
    let filling = config("filling", &format!("v{}", store.number - 2));
    let last = [config("a", "v1"), config("b", "v1"), config("c", "v2"), filling];
    assert_eq!(open(&folder).1.as_deref(), Some(&last[..]));
    let newest = manifests(folder.path()).pop().expect("a manifest");
    fs::write(newest, "").expect("written");
    for _ in 0..2 {
        // The manifest itself made a change, and `c` has two forms.
        assert_eq!(open(&folder).1.as_deref(), Some(&last[..2]));
    }
    let (mut store, _) = open(&folder);
    store.put(&config("c", "v3")).expect("written");
    let last = [config("a", "v1"), config("b", "v1"), config("c", "v3")];
    assert_eq!(open(&folder).1.as_deref(), Some(&last[..]));
}

#[test]
fn a_change_costs_a_line_and_not_a_manifest() {
    let folder = folder();
    let (mut store, _) = open(&folder);
    for number in 0..100 {
        store
            .put(&config(&format!("api-{number}"), "v1"))
            .expect("written");
    }
    assert_eq!(manifests(folder.path()).len(), 0);
    assert_eq!(journals(folder.path()).len(), 1);
    assert_eq!(open(&folder).1.map(|apis| apis.len()), Some(100));
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
    fill(&mut store);
    fill(&mut store);
    for kind in ["json", "journal", "copy"] {
        assert_eq!(of_kind(folder.path(), kind).len(), KEPT, "{kind}");
    }
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
        let used = whole.iter().rposition(|byte| *byte != 0).expect("something") + 1;
        let step = (used / 24).max(1);
        for at in (0..used).step_by(step).chain((used..whole.len()).step_by(7_000)) {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x10;
            for damaged in [whole[..at].to_vec(), flipped] {
                let folder = folder();
                copy(original.path(), folder.path());
                fs::write(folder.path().join(name), &damaged).expect("written");
                for restart in 0..2 {
                    let (_, apis) = open(&folder);
                    let apis = apis.expect("the journal or its copy is whole");
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
fn when_everything_is_damaged_there_is_no_snapshot_and_a_new_one_can_be_written() {
    let folder = folder();
    let (mut store, _) = open(&folder);
    store.put(&config("a", "v1")).expect("written");
    store.put(&config("a", "v2")).expect("written");
    for kind in ["json", "journal", "copy"] {
        for file in of_kind(folder.path(), kind) {
            fs::write(file, "").expect("written");
        }
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
        "manifest-00000000000000000000.tmp",
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

/// The highest number of a change, without any judgement: that of the newest manifest, and its journal's lines.
fn highest(folder: &Path) -> u64 {
    let journal = journals(folder).pop();
    let number = |path: &PathBuf| {
        path.file_stem()?
            .to_str()?
            .strip_prefix("manifest-")?
            .parse::<u64>()
            .ok()
    };
    let lines = |path: &PathBuf| {
        let text = fs::read(path).unwrap_or_default();
        text.iter().filter(|byte| **byte == b'\n').count() as u64
    };
    journal
        .as_ref()
        .map_or(0, |path| number(path).unwrap_or(0) + lines(path))
}
