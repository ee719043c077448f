//! What a node says of itself: version, plugins, health.

use std::io;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::data;
use crate::kong::Kong;
use crate::options::{Database, FakeKongOptions, RouterFlavor};
use crate::versions::is_before;

/// What a node says of itself and that no change of the configuration touches, as recorded from a real one.
#[derive(Debug)]
pub(crate) struct NodeInformation {
    root: Value,
    status: Value,
    enabled: Vec<Value>,
    pub(crate) timers: Value,
    pub(crate) endpoints: Value,
}

impl NodeInformation {
    pub(crate) fn load(folder: &Path, options: &FakeKongOptions) -> io::Result<Self> {
        let transcript = match options.database {
            Database::Postgres => "00-root-and-info",
            Database::Off => "08-dbless",
        };
        let general = |path: &str| data::recorded_answer(folder, "00-root-and-info", path);
        let enabled = general("/plugins/enabled")?;
        Ok(Self {
            root: data::recorded_answer(folder, transcript, "/")?,
            status: data::recorded_answer(folder, transcript, "/status")?,
            enabled: enabled["enabled_plugins"].as_array().cloned().unwrap_or_default(),
            timers: general("/timers")?,
            endpoints: general("/endpoints")?,
        })
    }
}

/// `GET /`.
pub(crate) fn root(kong: &Kong) -> Value {
    let mut root = kong.information.root.clone();
    let options = &kong.options;
    let version = full_version(options);
    let flavor = match options.router_flavor {
        RouterFlavor::TraditionalCompatible => "traditional_compatible",
        RouterFlavor::Expressions => "expressions",
    };
    root["version"] = Value::from(version.as_str());
    root["node_id"] = Value::from(kong.node_id.as_str());
    root["configuration"]["router_flavor"] = Value::from(flavor);
    root["plugins"]["enabled_in_cluster"] = Value::Array(plugins_in_use(kong));
    root["plugins"]["available_on_server"] = Value::Object(available(kong, &root, &version));
    set_edition(&mut root, options);
    root
}

fn full_version(options: &FakeKongOptions) -> String {
    match options.enterprise {
        Some(_) => format!("{}.1-enterprise-edition", options.version),
        None => options.version.clone(),
    }
}

/// Versions before 3.5 do not say which edition they are.
fn set_edition(root: &mut Value, options: &FakeKongOptions) {
    let edition = if options.enterprise.is_some() {
        "enterprise"
    } else {
        "community"
    };
    if let Value::Object(root) = root {
        root.insert("edition".to_owned(), Value::from(edition));
        if options.enterprise.is_none() && is_before(&options.version, "3.5") {
            root.remove("edition");
        }
    }
}

fn available(kong: &Kong, root: &Value, version: &str) -> Map<String, Value> {
    let known = root["plugins"]["available_on_server"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    let enabled = known
        .into_iter()
        .filter(|(name, _)| kong.options.plugins.is_enabled(name));
    let renewed = enabled.map(|(name, mut plugin)| {
        plugin["version"] = Value::from(version);
        (name, plugin)
    });
    renewed.collect()
}

fn plugins_in_use(kong: &Kong) -> Vec<Value> {
    let mut names: Vec<Value> = kong.read(|store| {
        store
            .configuration
            .all("plugins")
            .filter_map(|(_, plugin)| plugin.get("name").cloned())
            .collect()
    });
    names.sort_by_key(ToString::to_string);
    names.dedup();
    names
}

/// `GET /status`.
pub(crate) fn status(kong: &Kong) -> Value {
    let mut status = kong.information.status.clone();
    if kong.options.database == Database::Off {
        status["configuration_hash"] = Value::from(kong.configuration_hash());
    }
    status
}

/// `GET /plugins/enabled`.
pub(crate) fn enabled_plugins(kong: &Kong) -> Value {
    let is_enabled = |name: &&Value| {
        name.as_str()
            .is_some_and(|name| kong.options.plugins.is_enabled(name))
    };
    let names: Vec<&Value> = kong.information.enabled.iter().filter(is_enabled).collect();
    json!({ "enabled_plugins": names })
}
