//! What real OpenAPI documents say of requests, taken into revisions whole: how large that is, and that a validator
//! takes it.

#![expect(
    clippy::print_stdout,
    reason = "a test stops where something is wrong, and says what it leaves out"
)]

use std::{env, fs, path::PathBuf, time::Instant};

use gatehouse_schemas::{
    canonical::Fingerprint,
    identity::ResourceName,
    openapi,
    policy::{ExpandedRequests, Policy},
    revision,
};
use serde_json::{Value, json};

/// What none of the documents may take in a revision, in bytes of JSON.
const BYTES_MAX: usize = 4 * 1024 * 1024;

fn folder(variable: &str, otherwise: &str) -> PathBuf {
    let workspace = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    env::var_os(variable).map_or_else(|| workspace.join(otherwise), PathBuf::from)
}

fn documents() -> Vec<PathBuf> {
    let shared = folder("GATEHOUSE_SHARED", "../shared").join("data/openapi");
    let github =
        folder("GATEHOUSE_TEST_DOCUMENTS", "target/test-documents").join("octokit-openapi/generated");
    let mut paths: Vec<PathBuf> = fs::read_dir(&shared)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    if paths.is_empty() {
        println!("SKIPPED: there are no documents in {}", shared.display());
    }
    for name in ["api.github.com.json", "ghec.json"] {
        let path = github.join(name);
        match path.exists() {
            true => paths.push(path),
            false => println!("SKIPPED: {} is not there", path.display()),
        }
    }
    paths.sort();
    paths
}

/// The schemas of a policy, each with all that it refers to.
fn schemas(expanded: &ExpandedRequests) -> impl Iterator<Item = Value> {
    let of_operations = expanded.operations.iter().flat_map(|operation| {
        let parameters = operation.parameters.iter().map(|parameter| &parameter.schema);
        let bodies = operation.body.iter().flat_map(|body| body.content.values());
        parameters.chain(bodies)
    });
    of_operations.filter(|schema| schema.is_object()).map(|schema| {
        let mut schema = schema.clone();
        schema["$defs"] = json!(expanded.schemas);
        schema
    })
}

#[test]
fn every_real_document_is_expanded_or_refused_with_the_place() {
    let name: ResourceName = "api".parse().expect("a name");
    for path in documents() {
        let text = fs::read_to_string(&path).expect("the document can be read");
        let document = openapi::parse(&text).expect("JSON");
        let definition = openapi::read(&document).expect("OpenAPI");
        if definition.operations.is_empty() {
            continue;
        }
        let fingerprint = Fingerprint::of_value(&definition.canonical);
        let spec = serde_json::from_value(json!({
            "basePath": "/",
            "definition": {"openapi": {"fingerprint": fingerprint}},
            "upstreams": {"main": {"url": "http://a"}},
            "policies": [{"type": "request.validate", "with": {"definition": ["parameters", "body"]}}],
        }));
        let spec = spec.expect("a spec");
        let began = Instant::now();
        let built = revision::build(&name, &spec, Some((&fingerprint, &definition)));
        let took = began.elapsed();
        let shown = path.file_name().expect("a name").display();
        let content = match built {
            Ok(content) => content,
            Err(issues) => {
                println!("{shown}: refused, {took:?}");
                for issue in &issues {
                    println!("    {issue}");
                    assert!(issue.pointer.starts_with("/definition"), "{issue}");
                }
                continue;
            }
        };
        let Some(Policy::RequestValidate(validate)) = content.policies.first() else {
            unreachable!("there is one policy");
        };
        let expanded = validate.expanded.as_deref().expect("it is expanded");
        assert_eq!(expanded.operations.len(), content.operations.len());
        let bytes = serde_json::to_vec(&expanded).expect("JSON").len();
        assert!(bytes <= BYTES_MAX, "{shown}: {bytes}");
        println!(
            "{shown}: {} operations, {} schemas, {} KiB of {} KiB, {took:?}",
            expanded.operations.len(),
            expanded.schemas.len(),
            bytes / 1024,
            text.len() / 1024
        );
        if bytes < 64 * 1024 {
            for schema in schemas(expanded) {
                jsonschema::draft202012::new(&schema).expect("a JSON Schema");
            }
        }
        let again = revision::build(
            &name,
            &revision::to_spec(&content),
            Some((&fingerprint, &definition)),
        );
        assert_eq!(again, Ok(content), "{shown}");
    }
}
