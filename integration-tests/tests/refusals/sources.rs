//! Where the product's sentences are, and where the tests are.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    literals::literals,
    sentences::{Sentence, is_sentence, one_space},
};

/// Whose texts are looked at: everything that plans, changes, compares, discovers or refuses. Files, and folders with
/// all that is in them.
const PRODUCT: &[&str] = &[
    "connector-sdk/src/layers",
    "connector-sdk/src/runtime/discovery",
    "connector-sdk/src/runtime/reconcile.rs",
    "connector-sdk/src/runtime/refusals.rs",
    "connector-sdk/src/runtime/steps.rs",
    "connector-sdk/src/runtime/tasks",
    "connector-sdk/src/settings.rs",
    "control-plane/cli/src/plan_file.rs",
    "control-plane/cli/src/plan_text.rs",
    "control-plane/cli/src/planning.rs",
    "control-plane/cli/src/verbs/adopt.rs",
    "control-plane/cli/src/verbs/deploy.rs",
    "control-plane/cli/src/verbs/discover.rs",
    "control-plane/cli/src/verbs/drift.rs",
    "control-plane/cli/src/verbs/environment.rs",
    "control-plane/cli/src/verbs/explain.rs",
    "control-plane/cli/src/verbs/ignore.rs",
    "control-plane/cli/src/verbs/import.rs",
    "control-plane/cli/src/verbs/move_api.rs",
    "control-plane/cli/src/verbs/plan.rs",
    "control-plane/cli/src/verbs/rollback.rs",
    "control-plane/cli/src/verbs/undeploy.rs",
    "control-plane/server/src/admin_api/checks.rs",
    "control-plane/server/src/admin_api/deployments.rs",
    "control-plane/server/src/admin_api/discoveries.rs",
    "control-plane/server/src/admin_api/drift.rs",
    "control-plane/server/src/admin_api/environments.rs",
    "control-plane/server/src/admin_api/explain",
    "control-plane/server/src/admin_api/explain.rs",
    "control-plane/server/src/admin_api/ignored.rs",
    "control-plane/server/src/admin_api/imports.rs",
    "control-plane/server/src/admin_api/permissions.rs",
    "control-plane/server/src/admin_api/plans.rs",
    "control-plane/server/src/admin_api/removals.rs",
    "control-plane/server/src/admin_api/settings.rs",
    "control-plane/server/src/admin_api/tasks.rs",
    "control-plane/server/src/agent_api",
    "control-plane/server/src/drift_policy.rs",
    "control-plane/server/src/missing.rs",
    "control-plane/server/src/rollouts.rs",
    "control-plane/server/src/schedules",
    "control-plane/server/src/schedules.rs",
    "control-plane/server/src/status.rs",
    "control-plane/server/src/write/drift.rs",
    "control-plane/server/src/write/drift_adopt.rs",
    "control-plane/server/src/write/drift_void.rs",
    "control-plane/server/src/write/import",
    "control-plane/server/src/write/import.rs",
    "control-plane/server/src/write/obstacles.rs",
    "control-plane/server/src/write/plan.rs",
    "control-plane/server/src/write/plan_answer.rs",
    "control-plane/server/src/write/plan_item.rs",
    "control-plane/server/src/write/rollback.rs",
    "control-plane/server/src/write/rollout.rs",
    "control-plane/server/src/write/rollout_back.rs",
    "control-plane/server/src/write/rollout_fate.rs",
    "control-plane/server/src/write/rollout_patience.rs",
    "control-plane/server/src/write/rollout_progress.rs",
    "schemas/src/drift.rs",
    "schemas/src/fidelity.rs",
    "schemas/src/plan.rs",
    "schemas/src/policy",
    "schemas/src/quota.rs",
    "schemas/src/removal.rs",
    "schemas/src/schedule.rs",
    "schemas/src/select.rs",
    "schemas/src/three_way.rs",
    "schemas/src/validate/environment.rs",
    "schemas/src/validate/policy",
    "schemas/src/validate/policy.rs",
];

/// Where tests are.
const CRATES: [&str; 6] = [
    "connector-sdk",
    "control-plane",
    "gateway-core",
    "integration-tests/src",
    "integration-tests/tests/stories",
    "schemas",
];

/// Every sentence of the product.
pub(crate) fn sentences() -> Vec<Sentence> {
    let mut sentences = Vec::new();
    for file in PRODUCT.iter().flat_map(|place| rust_files(&root().join(place))) {
        let name = file.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        if is_test(&name) {
            continue;
        }
        let source = fs::read_to_string(&file).unwrap();
        let (product, _) = halves(&source);
        let literals = literals(product).into_iter().filter(is_sentence);
        sentences.extend(literals.map(|literal| Sentence {
            file: name.clone(),
            line: literal.line,
            text: literal.text,
        }));
    }
    sentences
}

/// What each test file says in its literals, with single spaces.
pub(crate) fn texts_of_tests() -> Vec<String> {
    let files = CRATES.iter().flat_map(|place| rust_files(&root().join(place)));
    let texts = files.map(|file| {
        let name = file.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        let source = fs::read_to_string(&file).unwrap();
        let tests = if is_test(&name) {
            source.as_str()
        } else {
            halves(&source).1
        };
        let said: Vec<String> = literals(tests)
            .into_iter()
            .map(|literal| example(&literal.text))
            .collect();
        said.join("\n")
    });
    texts.collect()
}

/// A literal of a test: formatted by it, or compared as it is.
fn example(text: &str) -> String {
    one_space(text).replace("{{", "{").replace("}}", "}")
}

/// A source up to its tests, and its tests.
fn halves(source: &str) -> (&str, &str) {
    source.split_at(source.find("#[cfg(test)]\nmod ").unwrap_or(source.len()))
}

fn is_test(name: &str) -> bool {
    name.split('/').any(|part| part == "tests" || part == "tests.rs")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn rust_files(place: &Path) -> Vec<PathBuf> {
    if place.is_file() {
        return vec![place.to_owned()];
    }
    let entries = fs::read_dir(place).unwrap_or_else(|error| panic!("{}: {error}", place.display()));
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| match path.extension() {
            Some(extension) if extension == "rs" => vec![path],
            _ if path.is_dir() => rust_files(&path),
            _ => Vec::new(),
        })
        .collect();
    files.sort();
    files
}
