//! Contexts, tokens and agents.

use std::{fs, os::unix::fs::PermissionsExt as _};

use super::harness::{Home, with_control_plane};

#[test]
fn contexts_are_added_chosen_and_removed() {
    let home = Home::new();
    home.write("token", "gth_one\n");
    home.ok("context add one --server http://127.0.0.1:1 --token-file token");
    home.ok("context add two --server http://127.0.0.1:2");
    assert_eq!(home.ok("context current").trim(), "one");
    home.ok("context use two");
    assert_eq!(home.ok("context current").trim(), "two");
    let listed = home.json("context list");
    assert_eq!(listed["items"][0]["name"], "one");
    assert_eq!(listed["items"][0]["hasToken"], true);
    assert_eq!(listed["items"][1]["current"], true);
    assert!(!listed.to_string().contains("gth_one"), "tokens are not shown");
    let file = home.path().join(".config/gatehouse/config.yaml");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    home.ok("context remove two");
    home.expect("context current", 6);
    home.expect("context add bad --server nowhere", 64);
    home.expect("context add bad", 64);
}

#[test]
fn a_context_is_enough_to_reach_a_control_plane() {
    let (with_variables, _running) = with_control_plane();
    let shown = with_variables.json("whoami");
    let home = Home::new();
    let server = variable(&with_variables, "GATEHOUSE_SERVER");
    let token = variable(&with_variables, "GATEHOUSE_TOKEN");
    let outcome = home.run_with_input(
        &["context", "add", "work", "--server", &server, "--token-file", "-"],
        &token,
    );
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert_eq!(home.json("whoami"), shown);
    assert_eq!(home.json("whoami --context work"), shown);
}

fn variable(home: &Home, name: &str) -> String {
    let command = home.command(&[]);
    let found = command
        .get_envs()
        .find(|(known, _)| *known == name)
        .and_then(|(_, value)| value);
    found.unwrap().to_str().unwrap().to_owned()
}

#[test]
fn tokens_are_made_listed_and_revoked_and_shown_once() {
    let (home, _running) = with_control_plane();
    let created = home.json("token create --name robot --role publisher --ttl 1h");
    assert!(
        created["token"].as_str().unwrap().starts_with("gth_"),
        "{created}"
    );
    let listed = home.json("get tokens");
    assert!(!listed.to_string().contains(created["token"].as_str().unwrap()));
    assert!(home.ok("get tokens").contains("robot"));
    assert!(home.ok("describe token robot").contains("publisher"));
    home.ok("token revoke robot");
    home.expect("token revoke robot", 6);
}

#[test]
fn a_join_token_is_the_only_thing_on_standard_output() {
    let (home, _running) = with_control_plane();
    let outcome = home.expect("agent join-token --type native --ttl 5m", 0);
    assert_eq!(outcome.stdout.lines().count(), 1);
    assert!(outcome.stderr.contains("once"), "{}", outcome.stderr);
    assert_eq!(
        home.json("agent join-token --type native")["gatewayType"],
        "native"
    );
    home.expect("agent revoke 01890a5d-ac96-774b-bcce-b302099a8057", 6);
}
