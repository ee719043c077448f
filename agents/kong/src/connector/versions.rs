//! What older Kongs do not know, and nobody misses.

use gatehouse_connector_sdk::error::Result;
use serde_json::Value;

use super::deploying::Generation;
use crate::{client::Client, translate::Form};

/// Fields that only change what people read: the name of what they sign in to.
const COSMETIC: [(&str, &str); 1] = [("basic-auth", "realm")];

/// Takes out of a generation what this Kong does not know. Nothing that a policy promises is among it.
pub(super) async fn fit(client: &Client, generation: &mut Generation) -> Result<()> {
    for (plugin, field) in COSMETIC {
        let is_used = generation.form.plugin_names().any(|name| name == plugin);
        if is_used && !client.is_konnect && !client.plugin_fields(plugin).await?.contains(field) {
            without(&mut generation.form, plugin, field);
            without(&mut generation.record.form, plugin, field);
        }
    }
    Ok(())
}

fn without(form: &mut Form, plugin: &str, field: &str) {
    for part in &mut form.parts {
        let is_it = part.fields.get("name").is_some_and(|name| name == plugin);
        if let Some(config) = part
            .fields
            .get_mut("config")
            .and_then(Value::as_object_mut)
            .filter(|_| is_it)
        {
            config.remove(field);
        }
    }
}
