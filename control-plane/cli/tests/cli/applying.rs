//! `apply`, `diff`, `get`, `describe`, `delete`.

use super::harness::{with_control_plane, with_orders};

#[test]
fn what_is_read_can_be_applied_again_unchanged() {
    let (home, _running) = with_orders();
    for kind in ["apis", "environments", "projects", "policies"] {
        let text = home.ok(&format!("get {kind} -o yaml"));
        if text.is_empty() {
            continue;
        }
        home.write("back.yaml", &text);
        home.ok("diff -f back.yaml");
        let applied = home.json("apply -f back.yaml");
        for result in applied["results"].as_array().unwrap() {
            assert_eq!(result["action"], "unchanged", "{kind}: {result}");
        }
    }
}

#[test]
fn apply_tells_what_became_of_each_document() {
    let (home, _running) = with_orders();
    let dry = home.ok("apply -f orders.yaml --dry-run");
    assert!(dry.contains("api/orders unchanged (dry run)"), "{dry}");
    let changed = std::fs::read_to_string(home.path().join("orders.yaml"))
        .unwrap()
        .replace("/{id}", "/v2/{id}");
    let outcome = home.run_with_input(&["apply", "-f", "-"], &changed);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(
        outcome.stdout.contains("api/orders updated (revision 2)"),
        "{}",
        outcome.stdout
    );
    assert!(
        outcome.stdout.contains("project/payments unchanged"),
        "{}",
        outcome.stdout
    );
    let revisions = home.json("get revisions --api orders");
    assert_eq!(revisions["items"].as_array().unwrap().len(), 2);
    assert!(home.json("get revision orders@1")["content"]["operations"].is_array());
}

#[test]
fn secret_values_are_in_no_output() {
    let (home, _running) = with_orders();
    for line in [
        "get secrets -o yaml",
        "get secrets -o json",
        "get secrets",
        "describe secret shop-key",
        "diff -f orders.yaml -o json",
        "get audit-events -o json",
    ] {
        let shown = home.ok(line);
        assert!(!shown.contains("open-sesame"), "{line}");
    }
    let mut home = home;
    home.set("SHOP_KEY", "another-value");
    let shown = home.expect("diff -f orders.yaml", 2).stdout;
    assert!(
        !shown.contains("another-value") && !shown.contains("open-sesame"),
        "{shown}"
    );
}

#[test]
fn lists_have_tables_names_and_items() {
    let (home, _running) = with_orders();
    assert_eq!(home.ok("get apis -o name"), "api/orders\n");
    assert_eq!(home.ok("get api/orders -o name"), "api/orders\n");
    let table = home.ok("get apis");
    assert!(table.starts_with("NAME "), "{table}");
    assert!(table.lines().nth(1).unwrap().starts_with("orders "), "{table}");
    assert_eq!(home.json("get apis")["items"][0]["kind"], "Api");
    assert_eq!(home.json("get api orders")["metadata"]["name"], "orders");
    assert_eq!(home.ok("get apis -l tier=public -o name"), "api/orders\n");
    assert_eq!(home.ok("get apis -l tier=internal -o name"), "");
    assert_eq!(home.ok("get apis --project payments -o name"), "api/orders\n");
    assert_eq!(home.ok("get apis --project default -o name"), "");
    assert!(home.ok("get envs").contains("staging"));
    for kind in ["policies", "deployments", "agents", "discoveries", "imports"] {
        assert_eq!(
            home.json(&format!("get {kind}"))["items"]
                .as_array()
                .unwrap()
                .len(),
            0,
            "{kind}"
        );
    }
    assert!(home.ok("get audit-events").contains("api/orders"));
}

#[test]
fn lists_follow_all_pages() {
    let (home, _running) = with_control_plane();
    let document = |number: usize| format!("kind: Project\nmetadata: {{name: p{number}}}\n---\n");
    home.write("many.yaml", &(0..450).map(document).collect::<String>());
    home.ok("apply -f many.yaml");
    let names = home.ok("get projects -o name");
    assert!(names.lines().count() >= 450, "{}", names.lines().count());
}

#[test]
fn describe_shows_everything_about_one_object() {
    let (home, _running) = with_orders();
    let shown = home.ok("describe api orders");
    for part in ["Base Path:", "/orders", "auth.apiKey", "Revisions:"] {
        assert!(shown.contains(part), "{part} is missing in\n{shown}");
    }
    assert!(home.ok("describe env staging").contains("Connected"));
}

#[test]
fn in_a_pipe_delete_does_not_ask() {
    let (home, _running) = with_orders();
    assert_eq!(home.ok("delete api orders"), "api/orders deleted\n");
    assert_eq!(
        home.json("delete secret/shop-key")["items"][0]["name"],
        "shop-key"
    );
    home.expect("get api orders", 6);
}
