//! Exit codes, and errors that say what to do next.

use serde_json::Value;

use super::harness::{Home, free_address, with_control_plane, with_orders};

#[test]
fn a_wrong_command_line_ends_with_64() {
    let home = Home::new();
    for line in [
        "",
        "frobnicate",
        "get",
        "get gateways",
        "deploy orders",
        "apply",
        "get apis --api orders",
        "dev --server http://127.0.0.1:1",
        "delete revision orders@1",
        "get apis -o xml",
    ] {
        home.expect(line, 64);
    }
    let outcome = home.expect("get apis", 64);
    assert!(
        outcome.stderr.contains("start one with `gatehouse dev`"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn help_and_version_are_answers() {
    let home = Home::new();
    assert!(home.ok("--help").contains("Exit codes:"));
    assert!(home.ok("deploy --help").contains("--to"));
    assert!(home.ok("--version").starts_with("gatehouse "));
    assert!(home.json("version")["version"].is_string());
}

#[test]
fn nobody_there_ends_with_1_and_says_how_to_start_one() {
    let mut home = Home::new();
    let address = free_address();
    home.set("GATEHOUSE_SERVER", &format!("http://{address}"));
    let outcome = home.expect("get apis", 1);
    assert!(
        outcome.stderr.contains(&address.to_string()),
        "{}",
        outcome.stderr
    );
    assert!(outcome.stderr.contains("`gatehouse dev`"), "{}", outcome.stderr);
}

#[test]
fn differences_end_with_2_and_invalid_input_with_3() {
    let (home, _running) = with_orders();
    home.ok("diff -f orders.yaml");
    home.write(
        "changed.yaml",
        "kind: Project\nmetadata: {name: payments}\nspec: {displayName: Payments}\n",
    );
    let outcome = home.expect("diff -f changed.yaml", 2);
    assert!(outcome.stdout.contains("+ \"Payments\""), "{}", outcome.stdout);
    home.write("wrong.yaml", "kind: Project\nmetadata: {name: payments}\n---\nkind: Api\nmetadata: {name: x}\nspec:\n  basePaht: /x\n");
    let outcome = home.expect("apply -f wrong.yaml", 3);
    assert!(
        outcome.stderr.contains("wrong.yaml:7 document 2 /spec/basePaht"),
        "{}",
        outcome.stderr
    );
    home.expect("apply -f missing.yaml", 3);
    // Only the control plane can know this one; the place in the file is told all the same.
    home.write("unknown.yaml", "kind: Project\nmetadata: {name: p}\n---\nkind: Api\nmetadata: {name: x, project: nobody}\nspec: {basePath: /x, upstreams: {main: {url: 'http://a'}}}\n");
    let outcome = home.expect("apply -f unknown.yaml", 3);
    assert!(outcome.stderr.contains("unknown.yaml"), "{}", outcome.stderr);
}

#[test]
fn conflicts_end_with_4_and_missing_objects_with_6() {
    let (home, _running) = with_orders();
    home.expect("delete secret shop-key", 4);
    for line in [
        "get api nobody",
        "describe env nobody",
        "delete api nobody",
        "deploy nobody --to staging",
        "deploy orders@9 --to staging",
        "undeploy orders --from staging",
        "get deployment orders/staging",
        "context use nobody",
        "get apis --context nobody",
    ] {
        home.expect(line, 6);
    }
}

#[test]
fn a_wrong_token_or_role_ends_with_5() {
    let (mut home, _running) = with_control_plane();
    let token = home
        .ok("token create --name reader --role viewer")
        .trim()
        .to_owned();
    home.set("GATEHOUSE_TOKEN", &token);
    assert_eq!(home.json("whoami")["role"], "viewer");
    home.ok("get apis");
    home.expect("token create --name more --role admin", 5);
    home.set("GATEHOUSE_TOKEN", "gth_wrong");
    let outcome = home.expect("get apis", 5);
    assert!(outcome.stderr.contains("GATEHOUSE_TOKEN"), "{}", outcome.stderr);
}

#[test]
fn a_wait_that_times_out_ends_with_7_and_the_last_condition() {
    let (home, _running) = with_orders();
    let drift = home.expect("drift staging --last-seen", 0);
    assert!(
        drift
            .stderr
            .contains("nothing is deployed there, so nothing can have drifted"),
        "{}",
        drift.stderr
    );
    let accepted = home.ok("deploy orders --to staging");
    assert!(
        accepted.starts_with("deployment/")
            && accepted.ends_with(" accepted: orders revision 1 to staging; `--wait` waits for it\n"),
        "{accepted}"
    );
    let outcome = home.expect("deploy orders --to staging --wait --timeout 300ms", 7);
    let told = &outcome.stderr;
    for part in [
        "orders revision 1 to staging was not deployed within 300ms: Pending: ",
        "; it goes on, look with `gatehouse describe deployment ",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert_eq!(home.json("get deployment orders/staging")["phase"], "Pending");
    let accepted = home.ok("undeploy orders --from staging");
    assert!(
        accepted.contains("accepted for undeployment; `--wait` waits for it"),
        "{accepted}"
    );
    let drift = home.expect("drift staging", 0);
    let told = "staging was not looked at: no agent for gateway type ";
    assert!(drift.stderr.contains(told), "{}", drift.stderr);
    let started = home.ok("discover staging");
    for part in [
        "discovery/",
        " started; `gatehouse discoveries show ",
        "` shows what it found",
    ] {
        assert!(started.contains(part), "{part}: {started}");
    }
    let outcome = home.expect("discover staging --wait --timeout 300ms", 7);
    let told = &outcome.stderr;
    for part in [
        "the discovery did not end within 300ms: Pending: ",
        "; it goes on, look with `gatehouse discoveries show ",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[test]
fn errors_for_programs_are_problem_documents() {
    let (home, _running) = with_control_plane();
    let outcome = home.expect("get api nobody -o json", 6);
    assert_eq!(outcome.stdout, "");
    let problem: Value = serde_json::from_str(&outcome.stderr).unwrap();
    assert_eq!(problem["type"], "https://gatehouse.dev/problems/not-found");
    assert_eq!(
        (problem["status"].as_u64(), problem["exitCode"].as_u64()),
        (Some(404), Some(6))
    );
    let problem: Value = serde_json::from_str(&home.expect("get -o json", 64).stderr).unwrap();
    assert_eq!(problem["type"], "https://gatehouse.dev/problems/usage");
    home.write("wrong.yaml", "kind: Api\nmetadata: {name: x}\nspec: {}\n");
    let problem: Value = serde_json::from_str(&home.expect("apply -f wrong.yaml -o json", 3).stderr).unwrap();
    assert_eq!(problem["errors"][0]["file"], "wrong.yaml");
    assert_eq!(problem["errors"][0]["document"], 1);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let home = Home::new();
    let mut command = home.command(&["completion", "bash"]);
    let mut child = command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn there_is_a_completion_for_each_shell() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish"] {
        assert!(home.ok(&format!("completion {shell}")).contains("gatehouse"));
    }
}
