//! The conformance suite over the Agent API, as authors of agents run it: against an agent's process, in any language.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use gatehouse_integration_tests::{binaries::binary, documents::repository};
use serde_json::Value;
use tempfile::TempDir;

/// What a command said, and how it ended.
struct Ran {
    code: i32,
    output: String,
    errors: String,
}

fn connector(arguments: &[&str], folder: &Path) -> Ran {
    let output = Command::new(binary("gatehouse"))
        .arg("connector")
        .args(arguments)
        .current_dir(folder)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    Ran {
        code: output.status.code().unwrap(),
        output: String::from_utf8(output.stdout).unwrap(),
        errors: String::from_utf8(output.stderr).unwrap(),
    }
}

/// What came of each behaviour of the core level.
fn core_outcomes(report: &Value) -> BTreeMap<String, (String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let behaviours = report["behaviours"].as_array().unwrap().iter();
    behaviours
        .filter(|tested| tested["level"] == "core")
        .map(|tested| {
            let outcome = (text(&tested["outcome"]), text(&tested["reason"]));
            (text(&tested["id"]), outcome)
        })
        .collect()
}

#[test]
fn the_agent_in_python_passes_core_and_its_report_is_the_one_checked_in() {
    let settings = repository().join("docs/examples/python-agent/conformance.yaml");
    let folder = TempDir::new().unwrap();
    let ran = connector(
        &["test", "--settings", settings.to_str().unwrap(), "-o", "json"],
        folder.path(),
    );
    assert_eq!(ran.code, 0, "{}\n{}", ran.output, ran.errors);
    let report: Value = serde_json::from_str(&ran.output).unwrap();
    let reports = repository().join("docs/conformance/tiny.yaml");
    let shown = connector(
        &["report", reports.to_str().unwrap(), "-o", "json"],
        folder.path(),
    );
    let shown: Value = serde_json::from_str(&shown.output).unwrap();
    let checked_in = &shown["items"][0];
    assert_eq!(
        core_outcomes(&report),
        core_outcomes(checked_in),
        "run ./conformance to write the reports anew"
    );
    assert_eq!(report["capabilities"], checked_in["capabilities"]);
    assert_eq!(report["policies"], checked_in["policies"]);
}

#[test]
fn what_is_wrong_with_a_test_is_told_with_a_remedy() {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write(
        "unknown.yaml",
        "driver: {command: [cat]}\nproxied: []\nagents: {}\n",
    );
    write("nobody.yaml", "driver: {command: [cat]}\nproxied: [adminUrl]\n");
    write(
        "gone.yaml",
        "agent: {command: [./no-such-agent]}\ndriver: {command: [cat]}\nproxied: []\n",
    );
    write(
        "quiet.yaml",
        "agent: {command: [sh, -c, 'echo no settings here; exit 7', '{stateDir}']}\ndriver: {command: [cat]}\nproxied: []\n",
    );
    write("report.yaml", "suite: 0.1.0\n");
    for (arguments, code, said) in [
        (
            &["test", "--settings", "missing.yaml"][..],
            6,
            "the test file `missing.yaml` cannot be used",
        ),
        (&["test", "--settings", "unknown.yaml"], 3, "agents"),
        (
            &["test", "--settings", "nobody.yaml"],
            3,
            "no agent is named; give one with `--agent PROGRAM`",
        ),
        (
            &["test", "--settings", "gone.yaml"],
            1,
            "no-such-agent` cannot be started",
        ),
        (&["test", "--settings", "quiet.yaml"], 1, "no settings here"),
        (&["report"], 6, "`conformance.yaml` cannot be read"),
        (
            &["report", "report.yaml"],
            3,
            "`report.yaml`: it is not a report of the conformance suite",
        ),
        (&["test"], 64, "--settings"),
    ] {
        let ran = connector(arguments, folder.path());
        assert_eq!(ran.code, code, "{arguments:?}: {}", ran.errors);
        assert!(ran.errors.contains(said), "{arguments:?}: {}", ran.errors);
    }
}

#[test]
fn a_report_is_shown_and_made_a_page() {
    let folder = TempDir::new().unwrap();
    let reports = repository().join("docs/conformance");
    let ran = connector(
        &["report", reports.to_str().unwrap(), "--page", "page.md"],
        folder.path(),
    );
    assert_eq!(ran.code, 0, "{}", ran.errors);
    for said in [
        "In-memory gateway",
        "reproduce  cargo test",
        "claims     check, deploy",
        "a deploy never takes several steps",
    ] {
        assert!(ran.output.contains(said), "{said}: {}", ran.output);
    }
    let page = fs::read_to_string(folder.path().join("page.md")).unwrap();
    assert_eq!(page, fs::read_to_string(reports.join("README.md")).unwrap());
    let names = connector(
        &["report", reports.to_str().unwrap(), "-o", "name"],
        folder.path(),
    );
    // Kong with a database, and without one.
    assert_eq!(names.output, "aws\nkong\nkong\nmemory\nnative\ntiny\n");
}
