//! `gatehouse api import`.

use super::harness::with_control_plane;

const PETS: &str = r#"
openapi: 3.0.3
info: {title: Pets, version: 1.2.0}
servers: [{url: 'https://pets.example.com/v1'}]
paths:
  /pets:
    get: {operationId: list, responses: {'200': {description: ok}}}
    post: {operationId: add, responses: {'201': {description: ok}}}
  /pets/{id}:
    parameters: [{name: id, in: path, required: true, schema: {type: string}}]
    get: {operationId: read, responses: {'200': {description: ok}}}
"#;

#[test]
fn a_document_becomes_an_api() {
    let (home, _running) = with_control_plane();
    home.write("pets.yaml", PETS);
    let shown = home.ok("api import pets.yaml --name pets --upstream http://127.0.0.1:9");
    assert_eq!(
        shown,
        "api/pets created: revision 1, 3 operations of Pets (openapi-3.0)\n"
    );
    let api = home.json("get api pets");
    assert_eq!(api["spec"]["basePath"], "/pets");
    assert_eq!(api["spec"]["upstreams"]["main"]["url"], "http://127.0.0.1:9");
    assert!(
        api["spec"]["definition"]["openapi"]["fingerprint"].is_string(),
        "{api}"
    );
}

#[test]
fn the_upstream_may_come_from_the_document_and_the_document_from_a_pipe() {
    let (home, _running) = with_control_plane();
    let arguments = [
        "api",
        "import",
        "-",
        "--name",
        "pets",
        "--base-path",
        "/zoo/pets",
        "--version",
        "v7",
        "--hostname",
        "api.example.com",
        "-o",
        "json",
    ];
    let outcome = home.run_with_input(&arguments, PETS);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let imported: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(imported["action"], "created");
    assert_eq!(imported["latestRevision"], 1);
    assert_eq!(imported["operations"], 3);
    let spec = home.json("get api pets")["spec"].clone();
    assert_eq!(spec["upstreams"]["main"]["url"], "https://pets.example.com/v1");
    assert_eq!(
        (&spec["basePath"], &spec["version"]),
        (&"/zoo/pets".into(), &"v7".into())
    );
    assert_eq!(spec["hostnames"][0], "api.example.com");
}

#[test]
fn importing_again_keeps_what_the_document_does_not_say() {
    let (home, _running) = with_control_plane();
    home.write("pets.yaml", PETS);
    home.ok("api import pets.yaml --name pets --base-path /zoo");
    home.write(
        "policy.yaml",
        &home.ok("get api pets -o yaml").replace(
            "spec:\n",
            "spec:\n  policies: [{type: request.size, with: {maxBytes: 1000}}]\n",
        ),
    );
    home.ok("apply -f policy.yaml");
    assert!(
        home.ok("api import pets.yaml --name pets")
            .contains("unchanged: revision 2")
    );
    home.write("pets.yaml", &PETS.replace("/pets/{id}", "/pets/{id}/name"));
    assert!(
        home.ok("api import pets.yaml --name pets")
            .contains("updated: revision 3")
    );
    let spec = home.json("get api pets")["spec"].clone();
    assert_eq!(spec["basePath"], "/zoo");
    assert_eq!(spec["policies"][0]["type"], "request.size");
}

#[test]
fn what_is_no_openapi_is_refused_before_anything_is_sent() {
    let (home, _running) = with_control_plane();
    for (text, said) in [
        ("{\n \"openapi\": \n", "line"),
        ("just a sentence", "broken.json"),
        ("{\"hello\": 1}", "openapi"),
        (
            "{\"openapi\": \"4.0.0\", \"info\": {\"title\": \"t\", \"version\": \"1\"}, \"paths\": {}}",
            "4.0.0",
        ),
    ] {
        home.write("broken.json", text);
        let outcome = home.expect("api import broken.json --name x --upstream http://127.0.0.1:9", 3);
        assert!(
            outcome.stderr.contains(said) || outcome.stderr.contains("broken.json:"),
            "{text}: {}",
            outcome.stderr
        );
    }
    home.write("pets.yaml", PETS);
    let outcome = home.expect("api import pets.yaml --name x --upstream ftp://127.0.0.1", 3);
    assert!(outcome.stderr.contains("http"), "{}", outcome.stderr);
    home.expect("api import pets.yaml --name Not_A_Name", 64);
    assert_eq!(home.ok("get apis -o name"), "");
}

#[test]
fn a_document_over_the_limit_is_refused() {
    let (home, _running) = with_control_plane();
    let long = format!(
        "{{\"openapi\": \"3.0.0\", \"x-long\": \"{}\"}}",
        "x".repeat(50 * 1024 * 1024)
    );
    home.write("long.json", &long);
    let outcome = home.expect(
        "api import long.json --name long --upstream http://127.0.0.1:9",
        3,
    );
    assert!(outcome.stderr.contains("32 MiB"), "{}", outcome.stderr);
}
