//! An API in Kong's words, for people.

use gatehouse_connector_sdk::schemas::{desired::DesiredApi, identity::ExternalRef};
use serde_json::{Value, json};

use super::{
    Secrets,
    form::{Form, Occasion, Part},
    names::{Names, reference},
    plugins::IssuerKeys,
};
use crate::{
    client::node::{Edition, Flavor},
    entities::Collection,
};

/// The form for people: what hangs together, without identities and secrets.
pub(crate) fn vendor_form(desired: &DesiredApi) -> Value {
    let (names, secrets) = (Names::new(desired, 1), Secrets::default());
    let reference = ExternalRef(reference(&desired.mark));
    let form = Occasion {
        desired,
        names: &names,
        secrets: &secrets,
        edition: Edition::OpenSource,
        keys: &IssuerKeys::new(),
        flavor: Flavor::Traditional,
        reference: &reference,
        is_probed: false,
    }
    .form();
    let consumers = form.of(Collection::Consumers).map(|part| nested(&form, part));
    let services = form.of(Collection::Services).map(|part| nested(&form, part));
    let mut shown = json!({"services": services.collect::<Vec<_>>()});
    let consumers: Vec<Value> = consumers.collect();
    if !consumers.is_empty() {
        shown["consumers"] = json!(consumers);
    }
    shown
}

/// A part with those that belong to it.
fn nested(form: &Form, part: &Part) -> Value {
    let mut shown = part.fields.clone();
    shown.remove("tags");
    for field in ["service", "route", "consumer"] {
        shown.remove(field);
    }
    let owned = form
        .parts
        .iter()
        .filter(|other| owner(other) == Some(part.id.as_str()));
    for other in owned {
        let list = shown
            .entry(other.collection.declarative_name())
            .or_insert_with(|| json!([]));
        if let Some(list) = list.as_array_mut() {
            list.push(nested(form, other));
        }
    }
    if part.collection == Collection::Routes {
        shown.remove("name");
    }
    if part.collection == Collection::Consumers {
        shown.remove("username");
    }
    Value::Object(shown)
}

fn owner(part: &Part) -> Option<&str> {
    let fields = ["route", "service", "consumer"];
    fields
        .into_iter()
        .find_map(|field| part.fields.get(field)?.get("id")?.as_str())
}
