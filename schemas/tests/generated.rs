//! The generated files are current, and the examples in them work.

#![expect(
    clippy::expect_used,
    reason = "a test stops where something is wrong, and says what it leaves out"
)]

use std::{collections::BTreeSet, env, fs, path::PathBuf};

use gatehouse_schemas::{
    parse,
    policy::{MergeRule, Policy},
    reference::{EXAMPLES, json_schema, markdown},
    resource::Kind,
};
use serde_json::{Value, json};

/// The one command that writes the generated files.
const COMMAND: &str = "UPDATE_GENERATED=1 cargo test -p gatehouse-schemas --test generated";

fn check(path: &str, content: &str) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    if env::var_os("UPDATE_GENERATED").is_some() {
        fs::create_dir_all(file.parent().expect("the file is in a folder")).expect("the folder can be made");
        fs::write(&file, content).expect("the file can be written");
    }
    let there = fs::read_to_string(&file).unwrap_or_default();
    assert!(there == content, "`{path}` is stale; write it with: {COMMAND}");
}

fn schema_of(kind: Kind) -> jsonschema::Validator {
    jsonschema::draft202012::new(&json_schema(kind)).expect("the schema is a schema")
}

fn documents(text: &str) -> Vec<Value> {
    parse::documents(text).expect("the example is YAML")
}

#[test]
fn json_schemas_are_current() {
    for kind in Kind::ALL {
        let text = serde_json::to_string_pretty(&json_schema(kind)).expect("a schema is JSON") + "\n";
        check(
            &format!("schemas/generated/json-schema/{kind}.schema.json"),
            &text,
        );
    }
}

#[test]
fn the_reference_of_resources_is_current() {
    check("docs/reference/resources.md", &markdown());
}

#[test]
fn every_kind_and_every_policy_has_an_example_that_is_in_the_reference() {
    let kinds = Kind::ALL.map(|kind| kind.as_str().to_owned());
    let policies = json_schema(Kind::Api);
    let variants = policies
        .pointer("/$defs/Policy/oneOf")
        .and_then(Value::as_array)
        .expect("policy types");
    let policies = variants.iter().map(|variant| {
        let name = variant.pointer("/properties/type/enum/0").and_then(Value::as_str);
        name.expect("a policy type has a name").to_owned()
    });
    let wanted: BTreeSet<String> = policies.chain(kinds).collect();
    let there: BTreeSet<String> = EXAMPLES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(there, wanted);
    let page = markdown();
    for (name, example) in EXAMPLES {
        assert!(
            page.contains(example),
            "the example of {name} is in the reference"
        );
    }
}

#[test]
fn every_example_is_read_and_satisfies_the_schema() {
    for (name, example) in EXAMPLES {
        let [value] = &documents(example)[..] else {
            panic!("{name} is one document")
        };
        let value = match Kind::ALL.into_iter().find(|kind| kind.as_str() == name) {
            Some(_) => value.clone(),
            None => json!({"kind": "Policy", "metadata": {"name": "example"}, "spec": {
                "targets": [{"project": "default"}], "policies": [value],
            }}),
        };
        let document = parse::document(&value).unwrap_or_else(|issues| panic!("{name}: {issues:?}"));
        let errors: Vec<String> = schema_of(document.kind())
            .iter_errors(&value)
            .map(|error| error.to_string())
            .collect();
        assert_eq!(errors, Vec::<String>::new(), "{name}");
    }
}

#[test]
fn the_schema_is_as_strict_as_the_reader() {
    let api = |spec: Value| json!({"kind": "Api", "metadata": {"name": "a"}, "spec": spec});
    let policy = |policy: Value| {
        api(json!({"basePath": "/", "upstreams": {"main": {"url": "http://a"}}, "policies": [policy]}))
    };
    for wrong in [
        json!({"kind": "Api", "metadata": {"name": "a"}}),
        json!({"kind": "Api", "metadata": {"name": "A B"}, "spec": {"basePath": "/", "upstreams": {"main": {"url": "http://a"}}}}),
        api(json!({"upstreams": {"main": {"url": "http://a"}}})),
        api(json!({"basePath": "/", "upstreams": {"main": {"url": "http://a", "timeoutMs": 0}}})),
        api(json!({"basePath": "/", "upstreams": {"main": {"url": "http://a"}}, "polices": []})),
        api(
            json!({"basePath": "/", "upstreams": {"main": {"url": "http://a"}}, "definition": {"openapi": {"inline": {}, "file": "x"}}}),
        ),
        policy(json!({"type": "unknown", "with": {}})),
        policy(json!({"type": "request.size", "with": {"maxBytes": 1}, "more": 1})),
        policy(json!({"type": "ratelimit", "with": {"limits": [{"requests": 1, "per": "year"}]}})),
        policy(json!({"type": "ratelimit", "with": {"limits": [], "key": "address"}})),
    ] {
        assert!(parse::document(&wrong).is_err(), "the reader takes {wrong}");
        assert!(!schema_of(Kind::Api).is_valid(&wrong), "the schema takes {wrong}");
    }
}

#[test]
fn defaults_in_the_schema_are_what_reading_gives() {
    let schema = json_schema(Kind::Api);
    let default = |pointer: &str| schema.pointer(&format!("/$defs/{pointer}/default")).cloned();
    assert_eq!(default("Upstream/properties/timeoutMs"), Some(json!(30_000)));
    assert_eq!(default("ApiSpec/properties/version"), Some(json!("v1")));
    assert_eq!(
        default("JwtPolicy/properties/algorithms"),
        Some(json!(["RS256", "ES256"]))
    );
    assert_eq!(default("RateLimitPolicy/properties/key"), Some(json!("address")));
    let example: Policy =
        serde_json::from_value(json!({"type": "auth.apiKey", "with": {"keys": []}})).expect("a policy");
    let Policy::AuthApiKey(policy) = example else {
        panic!("another policy")
    };
    assert_eq!(default("ApiKeyPolicy/properties/name"), Some(json!(policy.name)));
}

/// A page that people write.
fn page(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../docs")
        .join(name);
    fs::read_to_string(path).expect("the page can be read")
}

#[test]
fn the_page_about_policies_says_of_every_type_what_is_so() {
    let page = page("policies.md");
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let types: Vec<String> = rows.iter().map(|row| row[0].replace('`', "")).collect();
    assert_eq!(types, Policy::TYPES);
    for (name, example) in EXAMPLES {
        let Some(row) = rows.iter().find(|row| row[0] == format!("`{name}`")) else {
            continue;
        };
        let policy: Policy = serde_json::from_value(documents(example).remove(0)).expect("a policy");
        let together = match policy.merge_rule() {
            MergeRule::AddsUp => "adds up",
            MergeRule::Smallest => "smallest",
            MergeRule::MostSpecific => "most specific",
            MergeRule::InOrder => "in order",
        };
        let security = if policy.is_security() { "yes" } else { "no" };
        assert_eq!((row[2], row[3]), (together, security), "{name}");
    }
}

#[test]
fn the_examples_on_the_pages_about_policies_and_upstreams_are_read() {
    for page in ["policies.md", "upstreams.md"].map(page) {
        let blocks: Vec<&str> = page
            .split("```yaml\n")
            .skip(1)
            .filter_map(|rest| rest.split_once("```"))
            .map(|(block, _)| block)
            .collect();
        assert!(!blocks.is_empty());
        for value in blocks.into_iter().flat_map(documents) {
            if let Err(issues) = parse::document(&value) {
                panic!("{issues:?} in {value}");
            }
        }
    }
}
