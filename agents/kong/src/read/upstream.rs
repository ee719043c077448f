//! Where a service's requests go.

use gatehouse_connector_sdk::schemas::api::{ApiType, Upstream};
use serde_json::{Map, Value, json};

use super::{Index, native, pattern::literal};
use crate::entities::Entity;

/// Where requests go, and what of it canonical words do not say.
#[derive(Debug)]
pub(super) struct Destination {
    /// Scheme, host and port.
    pub(super) origin: String,
    /// The service's path, escaped; empty if it has none.
    pub(super) path: String,
    pub(super) api_type: ApiType,
    pub(super) timeout_ms: u32,
    pub(super) connect_timeout_ms: u32,
    /// How often requests are sent again; none if Kong's default.
    pub(super) retries: Option<u64>,
    /// Fields of a native fragment.
    pub(super) native: Map<String, Value>,
    pub(super) notes: Vec<String>,
}

/// What Kong waits for where nothing else is said, and what canonical words can say at most, in milliseconds.
const TIMEOUT_DEFAULT: u64 = 60_000;
const TIMEOUT_MAX: u64 = 3_600_000;
const CONNECT_TIMEOUT_MAX: u64 = 600_000;
const RETRIES_DEFAULT: u64 = 5;
/// What an upstream has that nobody has to say.
const PORT_DEFAULT: u64 = 80;

impl Destination {
    /// Where a service's requests go.
    pub(super) fn of(index: &Index<'_>, service: &Entity) -> Result<Self, String> {
        let (scheme, api_type) = scheme(service)?;
        let path = literal(service.text("path").unwrap_or_default().trim_end_matches('/'));
        let time = |field: &str| service.number(field).unwrap_or(TIMEOUT_DEFAULT);
        let mut destination = Self {
            origin: String::new(),
            path,
            api_type,
            timeout_ms: within(time("read_timeout"), TIMEOUT_MAX),
            connect_timeout_ms: within(time("connect_timeout"), CONNECT_TIMEOUT_MAX),
            retries: service
                .number("retries")
                .filter(|retries| *retries != RETRIES_DEFAULT),
            native: Map::new(),
            notes: Vec::new(),
        };
        let authority = destination.authority(index, service)?;
        destination.origin = format!("{scheme}://{authority}");
        destination.beyond(service);
        Ok(destination)
    }

    /// Where no requests go, since a plugin answers them: a name that never leads anywhere (RFC 6761).
    pub(super) fn nowhere() -> Self {
        Self {
            origin: "http://upstream.invalid:80".to_owned(),
            path: String::new(),
            api_type: ApiType::Rest,
            timeout_ms: within(TIMEOUT_DEFAULT, TIMEOUT_MAX),
            connect_timeout_ms: within(TIMEOUT_DEFAULT, CONNECT_TIMEOUT_MAX),
            retries: None,
            native: Map::new(),
            notes: vec!["the route has no service: a plugin answers, and no upstream is asked".to_owned()],
        }
    }

    /// The URL of the upstream, with a path of its own.
    pub(super) fn upstream(&self, path: &str) -> Upstream {
        let default_port = if self.origin.starts_with("https:") {
            ":443"
        } else {
            ":80"
        };
        let origin = self.origin.strip_suffix(default_port).unwrap_or(&self.origin);
        Upstream {
            timeout_ms: self.timeout_ms,
            connect_timeout_ms: self.connect_timeout_ms,
            ..Upstream::at(format!("{origin}{}", path.trim_end_matches('/')))
        }
    }

    /// Host and port: those of the only target where the host is the name of an upstream.
    fn authority(&mut self, index: &Index<'_>, service: &Entity) -> Result<String, String> {
        let host = service.text("host").unwrap_or_default();
        let port = service.number("port").unwrap_or(PORT_DEFAULT);
        let Some(upstream) = index.upstream(service) else {
            return authority(host, port).ok_or_else(|| nowhere(service));
        };
        let targets = index.targets(upstream);
        let used: Vec<&Entity> = targets
            .iter()
            .copied()
            .filter(|it| it.number("weight") != Some(0))
            .collect();
        let plain = upstream.text("host_header").is_none();
        match &used[..] {
            [only] if plain => {
                let text = only.text("target").unwrap_or_default();
                let (host, port) = text.rsplit_once(':').unwrap_or((text, "8000"));
                let port = port.parse().unwrap_or(0);
                authority(host.trim_matches(['[', ']']), port).ok_or_else(|| nowhere(service))
            }
            used => {
                self.notes.push(format!(
                    "requests go to upstream `{host}` with {} targets, which is kept as a `native` policy; elsewhere \
                     than on Kong, write where they go",
                    used.len()
                ));
                self.native.insert(
                    "upstream".to_owned(),
                    Value::Object(native::upstream(upstream, targets, &mut self.notes)),
                );
                authority(host, port).ok_or_else(|| nowhere(service))
            }
        }
    }

    /// What the service says that an upstream cannot.
    fn beyond(&mut self, service: &Entity) {
        let fields = [
            ("tls_verify", Value::Null),
            ("tls_verify_depth", Value::Null),
            ("ca_certificates", Value::Null),
            ("client_certificate", Value::Null),
            (
                "write_timeout",
                service
                    .0
                    .get("read_timeout")
                    .cloned()
                    .unwrap_or(json!(TIMEOUT_DEFAULT)),
            ),
            ("read_timeout", json!(self.timeout_ms)),
            ("connect_timeout", json!(self.connect_timeout_ms)),
        ];
        let mut kept = Map::new();
        for (field, said) in fields {
            let value = service.0.get(field).unwrap_or(&Value::Null);
            let default = field.ends_with("timeout") && *value == json!(TIMEOUT_DEFAULT);
            if !value.is_null() && *value != said && !default {
                kept.insert(field.to_owned(), value.clone());
            }
        }
        let protocol = service.text("protocol").unwrap_or("http");
        if !matches!(protocol, "http" | "https") {
            kept.insert("protocol".to_owned(), json!(protocol));
        }
        if self.retries.is_some_and(|retries| retries > 10) {
            kept.insert("retries".to_owned(), json!(self.retries));
        }
        if !kept.is_empty() {
            let names: Vec<String> = kept.keys().map(|name| format!("`{name}`")).collect();
            self.notes.push(format!(
                "{} of the service: kept as a `native` policy",
                names.join(", ")
            ));
            self.native.insert("service".to_owned(), Value::Object(kept));
        }
    }
}

fn scheme(service: &Entity) -> Result<(&'static str, ApiType), String> {
    match service.text("protocol").unwrap_or("http") {
        "http" => Ok(("http", ApiType::Rest)),
        "https" => Ok(("https", ApiType::Rest)),
        "grpc" => Ok(("http", ApiType::Grpc)),
        "grpcs" => Ok(("https", ApiType::Grpc)),
        "ws" => Ok(("http", ApiType::WebSocket)),
        "wss" => Ok(("https", ApiType::WebSocket)),
        other => Err(format!(
            "service `{}` passes on connections (`{other}`), not requests; leave it to Kong, and put it on the \
             environment's ignore list",
            service.title()
        )),
    }
}

fn authority(host: &str, port: u64) -> Option<String> {
    let allowed = |it: char| it.is_ascii_alphanumeric() || "-._:".contains(it);
    let named = !host.is_empty() && host.chars().all(allowed) && (1..=65_535).contains(&port);
    let host = host.to_ascii_lowercase();
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host
    };
    named.then(|| format!("{host}:{port}"))
}

fn nowhere(service: &Entity) -> String {
    format!(
        "service `{}` names no host and port that requests could go to; correct it on Kong",
        service.title()
    )
}

fn within(milliseconds: u64, most: u64) -> u32 {
    u32::try_from(milliseconds.clamp(1, most)).unwrap_or(u32::MAX)
}
