//! What is said of an API and its stage as a whole.

use std::collections::{BTreeMap, BTreeSet};

use gatehouse_connector_sdk::schemas::{
    api::{ApiType, Direction, Upstream},
    observed::resource_name,
    policy::{LogPolicy, Policy},
    revision::RevisionContent,
};
use serde_json::{Map, Value, json};

use super::{
    native,
    policies::{addresses, browsers, limits},
    secrets,
    snapshot::{Kind, Mapping, Snapshot},
};

/// How our tags begin.
const MARK: &str = "gatehouse:";
/// How stage variables begin that hold the record of what was applied.
const RECORD: &str = "gatehouseRecord";
/// Extensions of the document that are read elsewhere, or that the list of APIs says, too.
const READ: [&str; 8] = [
    "cors",
    "policy",
    "gateway-responses",
    "request-validators",
    "request-validator",
    "importexport-version",
    "endpoint-configuration",
    "integrations",
];

const GATEWAY_RESPONSES: &str = "x-amazon-apigateway-gateway-responses";
/// Settings of an API, and the extensions of a document that say them.
const SETTINGS: [(&str, &str); 2] = [
    ("binaryMediaTypes", "x-amazon-apigateway-binary-media-types"),
    (
        "minimumCompressionSize",
        "x-amazon-apigateway-minimum-compression-size",
    ),
];
/// Settings of a stage that can be deployed again.
const STAGE: [&str; 5] = [
    "cacheClusterSize",
    "dataTraceEnabled",
    "loggingLevel",
    "metricsEnabled",
    "tracingEnabled",
];

/// The content without operations and policies.
pub(super) fn content(
    snapshot: &Snapshot,
    recorded: Option<&RevisionContent>,
    upstreams: BTreeMap<String, Upstream>,
    notes: &mut Vec<String>,
) -> RevisionContent {
    let (hostnames, base_path) = match recorded {
        Some(content) => (content.hostnames.clone(), content.base_path.clone()),
        None => reached_below(snapshot, notes),
    };
    let version = snapshot
        .version
        .clone()
        .filter(|version| !version.trim().is_empty());
    RevisionContent {
        display_name: recorded.map_or_else(|| named(snapshot), |content| content.display_name.clone()),
        version: version
            .or_else(|| recorded.map(|content| content.version.clone()))
            .unwrap_or_else(|| "v1".to_owned()),
        r#type: recorded.map_or(ApiType::Rest, |content| content.r#type),
        direction: recorded.map_or(Direction::Ingress, |content| content.direction),
        definition: None,
        hostnames,
        base_path,
        upstreams,
        policies: Vec::new(),
        operations: Vec::new(),
    }
}

fn named(snapshot: &Snapshot) -> String {
    let name = Some(snapshot.name.clone()).filter(|name| !name.trim().is_empty());
    name.unwrap_or_else(|| snapshot.id.clone())
}

/// Host names and base path: those of its custom domain names, or else a base path after its name, since AWS has none.
fn reached_below(snapshot: &Snapshot, notes: &mut Vec<String>) -> (Vec<String>, String) {
    let valid = |mapping: &&Mapping| is_host(&mapping.domain) && is_path(&mapping.base_path);
    let mut mappings = snapshot.mappings.iter().filter(valid);
    let Some(first) = mappings.next() else {
        let name = resource_name(&snapshot.name).or_else(|| resource_name(&snapshot.id));
        return (
            Vec::new(),
            name.map_or_else(|| "/".to_owned(), |name| format!("/{name}")),
        );
    };
    let (same, others): (Vec<&Mapping>, Vec<&Mapping>) =
        mappings.partition(|it| it.base_path == first.base_path);
    for other in others {
        notes.push(format!(
            "it is also reached at `{}/{}`",
            other.domain, other.base_path
        ));
    }
    let hosts: BTreeSet<String> = same
        .into_iter()
        .chain([first])
        .map(|it| it.domain.to_ascii_lowercase())
        .collect();
    (hosts.into_iter().collect(), format!("/{}", first.base_path))
}

fn is_host(domain: &str) -> bool {
    let name = domain.strip_prefix("*.").unwrap_or(domain);
    let label = |label: &str| {
        let inner = label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        (1..=63).contains(&label.len()) && inner && !label.starts_with('-') && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

fn is_path(base_path: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte);
    let segment =
        |segment: &str| !segment.is_empty() && !matches!(segment, "." | "..") && segment.bytes().all(plain);
    base_path.is_empty() || base_path.split('/').all(segment)
}

/// What holds for every operation, in a fixed order.
pub(super) fn policies(
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
        .and_then(addresses::filters);
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

/// Answers of API Gateway itself in another form than usual. Headers for other origins go along with `cors`.
fn gateway_responses(
    snapshot: &Snapshot,
    has_preflights: bool,
    notes: &mut Vec<String>,
) -> Map<String, Value> {
    let responses = snapshot.export.get(GATEWAY_RESPONSES).and_then(Value::as_object);
    let of_cors = |response: &Value| {
        let parameters = response.get("responseParameters").and_then(Value::as_object);
        let mut names = parameters
            .into_iter()
            .flatten()
            .map(|(name, _)| name.to_ascii_lowercase());
        names.all(|name| name.starts_with("gatewayresponse.header.access-control-"))
            && response.get("responseTemplates").is_none_or(is_usual_template)
            && response.get("statusCode").is_none_or(Value::is_null)
    };
    let others: Map<String, Value> = responses
        .into_iter()
        .flatten()
        .filter(|(_, response)| !(has_preflights && of_cors(response)))
        .map(|(kind, response)| (kind.clone(), response.clone()))
        .collect();
    if !others.is_empty() {
        notes.push(
            "answers of API Gateway itself have another form than usual, kept as a `native` policy"
                .to_owned(),
        );
    }
    others
}

fn is_usual_template(templates: &Value) -> bool {
    let templates = templates.as_object().into_iter().flatten();
    templates
        .into_iter()
        .all(|(_, text)| text.as_str() == Some("{\"message\":$context.error.messageString}"))
}

/// Settings of the API and of the stage that no canonical policy says.
fn settings(snapshot: &Snapshot, kept: &mut Vec<(&'static str, Value)>, notes: &mut Vec<String>) {
    let stage = stage(snapshot, notes);
    let mut of_api = snapshot.settings.clone();
    of_api.retain(|_, value| !is_everything(value));
    for (what, fields) in [("API", &of_api), ("stage", &stage)] {
        if !fields.is_empty() {
            let names: Vec<String> = fields.keys().map(|name| format!("`{name}`")).collect();
            notes.push(format!(
                "{} of the {what}: kept as a `native` policy",
                names.join(", ")
            ));
        }
    }
    let trusted: Map<String, Value> = snapshot
        .mappings
        .iter()
        .filter_map(|it| {
            Some((
                it.domain.clone(),
                json!({"truststoreUri": it.truststore.as_ref()?}),
            ))
        })
        .collect();
    if !trusted.is_empty() {
        notes.push(
            "callers present a certificate at its domain name; whose is said by a file that is not read: elsewhere than on \
             AWS nobody checks this; give it a policy `auth.mtls` before moving it"
                .to_owned(),
        );
    }
    let deployable = |name: &str| snapshot.kind == Kind::Rest && STAGE.contains(&name);
    let (stage, others): (Map<String, Value>, Map<String, Value>) =
        stage.into_iter().partition(|(name, _)| deployable(name));
    kept.push(("stage", Value::Object(stage)));
    kept.push(("stageSettings", Value::Object(others)));
    kept.push(("domainNames", Value::Object(trusted)));
    kept.push(("extensions", Value::Object(extensions(snapshot))));
}

/// Bodies that are passed on as they are, of whatever type: what canonical words mean where they say nothing.
fn is_everything(media_types: &Value) -> bool {
    *media_types == json!(["*/*"])
}

/// Settings of the API, by the extensions that say them.
fn document(snapshot: &Snapshot, responses: Map<String, Value>) -> Map<String, Value> {
    let mut document = Map::new();
    for (name, extension) in SETTINGS {
        if let Some(value) = snapshot.settings.get(name).filter(|value| !is_everything(value)) {
            document.insert(extension.to_owned(), value.clone());
        }
    }
    if !responses.is_empty() {
        document.insert(GATEWAY_RESPONSES.to_owned(), Value::Object(responses));
    }
    document
}

fn stage(snapshot: &Snapshot, notes: &mut Vec<String>) -> Map<String, Value> {
    let mut stage = snapshot.stage.settings.clone();
    let others = limits::other_settings(snapshot);
    if !others.is_empty() {
        stage.extend(others);
    }
    let foreign = snapshot
        .stage
        .variables
        .iter()
        .filter(|(name, _)| !name.starts_with(RECORD));
    let mut variables: Map<String, Value> = foreign.map(|(name, text)| (name.clone(), json!(text))).collect();
    for name in secrets::take_out_of_variables(&mut variables) {
        notes.push(format!(
            "stage variable `{name}` sounds like a credential and is not taken along; put `{{secret}}` right before \
             deploying it"
        ));
    }
    if !variables.is_empty() {
        stage.insert("variables".to_owned(), Value::Object(variables));
    }
    if stage.contains_key("canarySettings") {
        notes.push(
            "part of the requests go to another deployment of AWS (a canary), which is not read".to_owned(),
        );
    }
    stage
}

fn extensions(snapshot: &Snapshot) -> Map<String, Value> {
    let said = ["api-key-source", "binary-media-types", "minimum-compression-size"];
    let fields = snapshot.export.as_object().into_iter().flatten();
    let others = fields.filter(|(field, _)| {
        let name = field.strip_prefix("x-amazon-apigateway-");
        name.is_some_and(|name| !READ.contains(&name) && !said.contains(&name))
    });
    others
        .map(|(field, value)| (field.clone(), value.clone()))
        .collect()
}

/// Its tags but for our mark.
pub(super) fn tags(snapshot: &Snapshot) -> Vec<String> {
    let foreign = snapshot
        .tags
        .iter()
        .filter(|(name, _)| !name.starts_with(MARK) && !name.starts_with("aws:"));
    foreign
        .map(|(name, value)| {
            if value.is_empty() {
                name.clone()
            } else {
                format!("{name}={value}")
            }
        })
        .collect()
}

/// Where consumers reach it: at its domain names, and at the place that AWS gives it unless that is switched off.
pub(super) fn endpoint_urls(snapshot: &Snapshot) -> Vec<String> {
    let at = |mapping: &Mapping| {
        format!("https://{}/{}", mapping.domain, mapping.base_path)
            .trim_end_matches('/')
            .to_owned()
    };
    let mut urls: Vec<String> = snapshot
        .mappings
        .iter()
        .filter(|it| !it.domain.starts_with('*'))
        .map(at)
        .collect();
    if !snapshot.disable_execute_api_endpoint {
        urls.push(snapshot.own_url.clone());
    }
    urls
}
