//! Changes of headers, query and target: `request-transformer` and `response-transformer`.
//!
//! They act in the order remove, rename, replace, add, append. `replace` changes only what is there and `add` adds only
//! what is not, so that both together set.

use std::collections::{BTreeMap, BTreeSet};

use gatehouse_connector_sdk::schemas::policy::{HeaderChanges, QueryChanges};
use serde_json::{Value, json};

/// What one of the two plugins is told.
#[derive(Debug, Default)]
pub(super) struct Transformer {
    headers: Changes,
    query: Changes,
}

/// The changes of several policies, as one.
#[derive(Debug, Default)]
struct Changes {
    remove: BTreeSet<String>,
    set: BTreeMap<String, String>,
    append: Vec<(String, String)>,
}

impl Changes {
    fn remove(&mut self, name: &str) {
        self.forget(name);
        self.remove.insert(name.to_owned());
    }

    fn set(&mut self, name: &str, value: &str) {
        self.forget(name);
        self.set.insert(name.to_owned(), value.to_owned());
    }

    /// What a later change overrides.
    fn forget(&mut self, name: &str) {
        self.remove.remove(name);
        self.set.remove(name);
        self.append.retain(|(other, _)| other != name);
    }

    /// The parts of the plugin's configuration, each with the texts that belong into it.
    fn parts(&self) -> [(&'static str, Vec<String>); 4] {
        let set: Vec<String> = self
            .set
            .iter()
            .map(|(name, value)| format!("{name}:{value}"))
            .collect();
        let append = self.append.iter().map(|(name, value)| format!("{name}:{value}"));
        [
            ("remove", self.remove.iter().cloned().collect()),
            ("replace", set.clone()),
            ("add", set),
            ("append", append.collect()),
        ]
    }
}

impl Transformer {
    /// Header changes act in the order remove, set, add; names have no case.
    pub(super) fn change(&mut self, changes: &HeaderChanges) {
        for name in &changes.remove {
            self.headers.remove(&name.to_lowercase());
        }
        for (name, value) in &changes.set {
            self.headers.set(&name.to_lowercase(), value);
        }
        let added = changes
            .add
            .iter()
            .map(|(name, value)| (name.to_lowercase(), value.clone()));
        self.headers.append.extend(added);
    }

    pub(super) fn query(&mut self, changes: &QueryChanges) {
        for name in &changes.remove {
            self.query.remove(name);
        }
        for (name, value) in &changes.set {
            self.query.set(name, value);
        }
    }

    /// The plugin's configuration; none if nothing changes. The upstream is asked for a target, in the words of a template,
    /// in place of the caller's own path.
    pub(super) fn config(&self, target: Option<&str>) -> Option<Value> {
        let mut config: BTreeMap<&str, BTreeMap<&str, Value>> = BTreeMap::new();
        for (kind, changes) in [("headers", &self.headers), ("querystring", &self.query)] {
            for (part, texts) in changes.parts() {
                if !texts.is_empty() {
                    config.entry(part).or_default().insert(kind, json!(texts));
                }
            }
        }
        if let Some(target) = target {
            config.entry("replace").or_default().insert("uri", json!(target));
        }
        (!config.is_empty()).then(|| json!(config))
    }
}
