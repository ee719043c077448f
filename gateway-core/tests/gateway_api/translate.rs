//! What a gateway's listeners and routes mean for the native gateway.

use std::collections::BTreeMap;

use gatehouse_gateway_core::{ApiConfig, Secret};
use gatehouse_schemas::{canonical::Fingerprint, identity::ExternalRef};
use serde_json::{Map, Value, json};

use crate::{
    backends::duration,
    certificates::{self, Security},
    listeners::{self, Listener},
    world::{World, list, name, namespace},
};

/// The configurations for one port of a gateway.
pub(crate) fn configurations(world: &World, gateway: &str, port: u64) -> Vec<ApiConfig> {
    let mut listeners = listeners::of_gateway(world, gateway);
    listeners.retain(|listener| listener.port == port && listener.protocol != "TLS");
    let mut configurations = Vec::new();
    for (number, listener) in listeners.iter().enumerate() {
        for route in world
            .of_kind("HTTPRoute")
            .filter(|route| listener.takes(world, route))
        {
            let hosts = listener.hosts(route, &listeners);
            if !hosts.is_empty() {
                let reference = format!("{number}/{}/{}", namespace(route), name(route));
                configurations.push(api(&reference, &hosts, world, gateway, &operations(world, route)));
            }
        }
        configurations.push(closed(number, listener, world, gateway));
    }
    configurations
}

/// What no route of a listener takes is not for the listeners of less specific hosts.
fn closed(number: usize, listener: &Listener, world: &World, gateway: &str) -> ApiConfig {
    let nothing = json!({
        "match": {"method": "*", "path": "/{rest...}"},
        "policies": [{"type": "respond", "with": {"status": 404}}],
    });
    let reference = format!("~{number}");
    api(
        &reference,
        std::slice::from_ref(&listener.hostname),
        world,
        gateway,
        &[nothing],
    )
}

fn api(
    reference: &str,
    hosts: &[Option<String>],
    world: &World,
    gateway: &str,
    operations: &[Value],
) -> ApiConfig {
    let own = certificates::of_gateway(world, gateway);
    let mut upstreams: BTreeMap<String, Value> = BTreeMap::new();
    for ((namespace, name), backend) in &world.backends {
        let url = json!({"url": format!("http://{}", backend.address)});
        upstreams.insert(format!("{namespace}.{name}"), url.clone());
        let mut http2 = url.clone();
        http2["protocol"] = json!("http2");
        upstreams.insert(format!("{namespace}.{name}.http2"), http2);
        let service = world.service(namespace, name).expect("its service");
        for port in list(&service["spec"]["ports"]).map(|port| &port["port"]) {
            if let Some(tls) = secured(world, service, port, own.is_some()) {
                let url = format!("https://{}", backend.address);
                upstreams.insert(
                    format!("{namespace}.{name}.{port}"),
                    json!({"url": url, "tls": tls}),
                );
            }
        }
        upstreams.insert("main".to_owned(), url);
    }
    let content = json!({
        "displayName": reference,
        "version": "v1",
        "type": "rest",
        "direction": "ingress",
        "hostnames": hosts.iter().flatten().collect::<Vec<_>>(),
        "basePath": "/",
        "upstreams": upstreams,
        "operations": operations,
    });
    let secrets = own.into_iter().flat_map(|own| {
        [("own-certificate", &own.pem), ("own-key", &own.key_pem)]
            .map(|(name, value)| (name.parse().expect("a name"), Secret::from(value.clone())))
    });
    ApiConfig {
        external_ref: ExternalRef(reference.to_owned()),
        mark: None,
        fingerprint: Fingerprint::of_value(&content),
        content: serde_json::from_value(content).expect("content of a revision"),
        secret_hashes: BTreeMap::new(),
        secrets: secrets.collect(),
    }
}

/// Whom the gateway trusts at a port of a service, and as whom it comes, if there is TLS.
fn secured(world: &World, service: &Value, port: &Value, has_own: bool) -> Option<Value> {
    let Security::Tls {
        authorities,
        hostname,
        names,
    } = certificates::security(world, service, port)
    else {
        return None;
    };
    let mut tls = json!({"authorities": authorities, "serverName": hostname, "allowedNames": names});
    if has_own {
        tls["clientCertificate"] = json!({"secretRef": "own-certificate"});
        tls["clientKey"] = json!({"secretRef": "own-key"});
    }
    Some(tls)
}

fn operations(world: &World, route: &Value) -> Vec<Value> {
    let everything = [json!({})];
    let mut operations = Vec::new();
    for rule in list(&route["spec"]["rules"]) {
        let matches = rule["matches"].as_array().map_or(&everything[..], Vec::as_slice);
        for wanted in matches {
            operations.push(operation(world, route, rule, wanted));
        }
    }
    operations
}

fn operation(world: &World, route: &Value, rule: &Value, wanted: &Value) -> Value {
    let path = &wanted["path"];
    let value = path["value"].as_str().unwrap_or("/");
    let exact = path["type"] == "Exact";
    let template = match exact {
        true => value.to_owned(),
        false => format!("{}/{{rest...}}", value.trim_end_matches('/')),
    };
    let mut operation = json!({
        "match": {
            "method": wanted["method"].as_str().unwrap_or("*"),
            "path": template,
            "exactSlash": exact,
            "headers": pairs(&of_type(&wanted["headers"], "Exact")),
            "headerRegex": pairs(&of_type(&wanted["headers"], "RegularExpression")),
            "query": pairs(&of_type(&wanted["queryParams"], "Exact")),
            "queryRegex": pairs(&of_type(&wanted["queryParams"], "RegularExpression")),
        },
        "policies": policies(world, route, rule),
    });
    if let Some(traffic) = traffic(world, route, rule) {
        operation["traffic"] = traffic;
    }
    operation
}

fn of_type(matches: &Value, kind: &str) -> Value {
    let of_kind = |it: &&Value| it["type"].as_str().unwrap_or("Exact") == kind;
    list(matches).filter(of_kind).cloned().collect()
}

/// Names and values; of a name that is there twice, the first counts.
fn pairs(values: &Value) -> Value {
    let mut pairs = Map::new();
    for pair in list(values) {
        let name = pair["name"].as_str().expect("a name");
        pairs.entry(name).or_insert_with(|| pair["value"].clone());
    }
    Value::Object(pairs)
}

fn policies(world: &World, route: &Value, rule: &Value) -> Vec<Value> {
    let mut policies = Vec::new();
    // Backends see the host that callers asked, unless it is rewritten.
    let mut rewrite = json!({"host": "{host}"});
    let mut redirected = false;
    for filter in list(&rule["filters"]) {
        match filter["type"].as_str().expect("a type") {
            "RequestHeaderModifier" => {
                let changes = changes(&filter["requestHeaderModifier"]);
                policies.push(json!({"type": "headers", "with": {"request": changes}}));
            }
            "ResponseHeaderModifier" => {
                let changes = changes(&filter["responseHeaderModifier"]);
                policies.push(json!({"type": "headers", "with": {"response": changes}}));
            }
            "URLRewrite" => {
                let described = &filter["urlRewrite"];
                if let Some(host) = described["hostname"].as_str() {
                    rewrite["host"] = json!(host);
                }
                if let Some(path) = replaced(&described["path"]) {
                    rewrite["path"] = json!(path);
                }
            }
            "RequestRedirect" => {
                policies.push(redirect(&filter["requestRedirect"]));
                redirected = true;
            }
            "CORS" => policies.push(cors(&filter["cors"])),
            "RequestMirror" => {}
            other => panic!("filter {other} is not translated"),
        }
    }
    policies.push(json!({"type": "rewrite", "with": rewrite}));
    for limit in ["request", "backendRequest"] {
        let limit = rule["timeouts"][limit].as_str().map(duration);
        if let Some(limit) = limit.filter(|limit| !limit.is_zero()) {
            policies.push(json!({"type": "timeout", "with": {"responseMs": limit.as_millis() as u64}}));
        }
    }
    if let Some(attempts) = rule["retry"]["attempts"].as_u64() {
        let statuses = &rule["retry"]["codes"];
        let with = json!({"attempts": attempts, "statuses": statuses, "backoffMs": 1});
        policies.push(json!({"type": "retry", "with": with}));
    }
    if !redirected && backends(world, route, rule).is_empty() {
        policies.push(json!({"type": "respond", "with": {"status": 500}}));
    }
    policies
}

fn changes(modifier: &Value) -> Value {
    json!({
        "remove": modifier["remove"].as_array().cloned().unwrap_or_default(),
        "set": pairs(&modifier["set"]),
        "add": pairs(&modifier["add"]),
    })
}

fn replaced(path: &Value) -> Option<String> {
    match path["type"].as_str()? {
        "ReplaceFullPath" => path["replaceFullPath"].as_str().map(str::to_owned),
        _ => {
            let prefix = path["replacePrefixMatch"].as_str()?;
            Some(format!("{}/{{rest}}", prefix.trim_end_matches('/')))
        }
    }
}

fn redirect(described: &Value) -> Value {
    let mut redirect = Map::new();
    let mut put =
        |name: &str, value: Option<Value>| value.map(|value| redirect.insert(name.to_owned(), value));
    let given = |name: &str| Some(described[name].clone()).filter(|value| !value.is_null());
    put("scheme", given("scheme"));
    put("host", given("hostname"));
    put("port", given("port"));
    put("path", replaced(&described["path"]).map(|path| json!(path)));
    let status = described["statusCode"].as_u64().unwrap_or(302);
    json!({"type": "respond", "with": {"status": status, "redirect": redirect}})
}

/// `*` among methods or headers is an empty list here: those that are asked for.
fn cors(described: &Value) -> Value {
    let names = |field: &str| {
        let names: Vec<Value> = list(&described[field]).cloned().collect();
        if names.contains(&json!("*")) {
            Vec::new()
        } else {
            names
        }
    };
    let mut with = json!({
        "allowOrigins": described["allowOrigins"],
        "allowMethods": names("allowMethods"),
        "allowHeaders": names("allowHeaders"),
        "exposeHeaders": names("exposeHeaders"),
        "allowCredentials": described["allowCredentials"].as_bool().unwrap_or(false),
    });
    if let Some(seconds) = described["maxAge"].as_u64() {
        with["maxAgeSeconds"] = json!(seconds);
    }
    json!({"type": "cors", "with": with})
}

/// The upstreams of a rule that exist and that the route may refer to, with what is said of them.
fn backends<'a>(world: &World, route: &Value, rule: &'a Value) -> Vec<(String, &'a Value)> {
    let references = list(&rule["backendRefs"]);
    let known = references.filter_map(|reference| Some((upstream(world, route, reference)?, reference)));
    known.collect()
}

fn upstream(world: &World, route: &Value, reference: &Value) -> Option<String> {
    let own = namespace(route);
    let target = reference["namespace"].as_str().unwrap_or(own);
    let name = reference["name"].as_str()?;
    let is_service = reference["kind"].as_str().unwrap_or("Service") == "Service";
    let granted = target == own
        || world
            .of_kind("ReferenceGrant")
            .any(|grant| grants(grant, own, target, name));
    world.backend(target, name)?;
    let port = &reference["port"];
    let suffix = match certificates::security(world, world.service(target, name)?, port) {
        Security::Unusable => return None,
        Security::Tls { .. } => format!(".{port}"),
        Security::Plain if world.speaks_http2(target, name, port) => ".http2".to_owned(),
        Security::Plain => String::new(),
    };
    (is_service && granted).then(|| format!("{target}.{name}{suffix}"))
}

fn grants(grant: &Value, own: &str, target: &str, service: &str) -> bool {
    let from = |it: &Value| {
        it["group"] == "gateway.networking.k8s.io" && it["kind"] == "HTTPRoute" && it["namespace"] == own
    };
    let to = |it: &Value| {
        let group = it["group"].as_str().unwrap_or_default();
        group.is_empty() && it["kind"] == "Service" && it["name"].as_str().is_none_or(|name| name == service)
    };
    let spec = &grant["spec"];
    namespace(grant) == target && list(&spec["from"]).any(from) && list(&spec["to"]).any(to)
}

fn traffic(world: &World, route: &Value, rule: &Value) -> Option<Value> {
    let share = |(upstream, reference): (String, &Value)| {
        let filters = list(&reference["filters"]);
        let changed = filters
            .filter(|filter| filter["type"] == "RequestHeaderModifier")
            .map(|filter| changes(&filter["requestHeaderModifier"]));
        json!({
            "upstream": upstream,
            "weight": reference["weight"].as_u64().unwrap_or(1),
            "headers": changed.last().unwrap_or_else(|| json!({})),
        })
    };
    let split: Vec<Value> = backends(world, route, rule).into_iter().map(share).collect();
    let filters = list(&rule["filters"]).filter(|filter| filter["type"] == "RequestMirror");
    let mirror: Vec<Value> = filters
        .filter_map(|filter| mirror(world, route, &filter["requestMirror"]))
        .collect();
    (!split.is_empty() || !mirror.is_empty()).then(|| json!({"split": split, "mirror": mirror}))
}

fn mirror(world: &World, route: &Value, described: &Value) -> Option<Value> {
    let upstream = upstream(world, route, &described["backendRef"])?;
    let fraction = &described["fraction"];
    let share = match (described["percent"].as_u64(), fraction["numerator"].as_u64()) {
        (Some(percent), _) => percent * 10_000,
        (None, Some(parts)) => parts * 1_000_000 / fraction["denominator"].as_u64().unwrap_or(100),
        (None, None) => 1_000_000,
    };
    Some(json!({"upstream": upstream, "perMillion": share}))
}
