//! What holds for every operation of an API.

use gatehouse_connector_sdk::schemas::policy::{LogPolicy, Policy};
use serde_json::{Value, json};

use super::{
    super::{
        native,
        policies::{addresses, browsers, limits},
        snapshot::Snapshot,
    },
    kept::{document, gateway_responses, settings},
};

/// What holds for every operation, in a fixed order.
pub(in super::super) fn policies(
    snapshot: &Snapshot,
    asks_for_keys: bool,
    has_preflights: bool,
    notes: &mut Vec<String>,
) -> Vec<Policy> {
    let mut kept: Vec<(&'static str, Value)> = Vec::new();
    let mut policies = addresses(snapshot, &mut kept, notes);
    policies.extend(limits::of_api(snapshot, asks_for_keys, notes));
    policies.extend(cors(snapshot, &mut kept, notes));
    policies.extend(logged(snapshot));
    let responses = gateway_responses(snapshot, has_preflights, notes);
    kept.push(("document", Value::Object(document(snapshot, responses))));
    settings(snapshot, &mut kept, notes);
    policies.extend(
        kept.into_iter()
            .filter_map(|(field, value)| native::policy(field, value)),
    );
    if snapshot.endpoint_types.iter().any(|it| it == "PRIVATE") {
        notes.push(
            "its endpoint is private: it is reached from networks with a VPC endpoint alone".to_owned(),
        );
    }
    policies.iter().map(Policy::canonical).collect()
}

fn addresses(
    snapshot: &Snapshot,
    kept: &mut Vec<(&'static str, Value)>,
    notes: &mut Vec<String>,
) -> Vec<Policy> {
    let text = snapshot.policy.as_deref().filter(|text| !text.trim().is_empty());
    let exported = snapshot.export.get("x-amazon-apigateway-policy");
    let document = match (text, exported) {
        (Some(text), _) => addresses::document(text),
        (None, Some(exported)) => Some(exported.clone()),
        (None, None) => return Vec::new(),
    };
    let read = document
        .as_ref()
        .ok_or_else(|| "it is no JSON".to_owned())
        .and_then(|document| addresses::filters(document, &snapshot.vpc_endpoint_ids));
    read.unwrap_or_else(|reason| {
        notes.push(format!(
            "its resource policy is kept as a `native` policy: {reason}; elsewhere than on AWS, nobody is kept out by it"
        ));
        let text = || json!(text.unwrap_or_default());
        kept.push(("resourcePolicy", document.clone().unwrap_or_else(text)));
        Vec::new()
    })
}

fn cors(
    snapshot: &Snapshot,
    kept: &mut Vec<(&'static str, Value)>,
    notes: &mut Vec<String>,
) -> Option<Policy> {
    let exported = snapshot.export.get("x-amazon-apigateway-cors");
    let settings = snapshot
        .cors
        .as_ref()
        .or(exported)
        .filter(|it| it.as_object().is_some_and(|it| !it.is_empty()))?;
    match browsers::of_settings(settings) {
        Ok(policy) => Some(policy),
        Err(reason) => {
            notes.push(format!(
                "its settings for other origins are kept as a `native` policy: {reason}"
            ));
            kept.push(("cors", settings.clone()));
            None
        }
    }
}

/// Where access is logged and in what form is AWS's own; that it is, is said.
fn logged(snapshot: &Snapshot) -> Option<Policy> {
    let settings = snapshot.stage.settings.get("accessLogSettings")?;
    let destination = settings
        .get("destinationArn")
        .and_then(Value::as_str)
        .unwrap_or_default();
    (!destination.is_empty()).then_some(Policy::Log(LogPolicy {
        percent: 100,
        request_headers: Vec::new(),
        response_headers: Vec::new(),
    }))
}
