//! Running a test: its gateways, its requests, what must have come of them.

use std::{collections::BTreeMap, net::SocketAddr, path::Path, sync::Arc};

use futures_util::{SinkExt as _, StreamExt as _};

use gatehouse_gateway_core::{Gateway, GatewayOptions, TlsOptions};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::Value;
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::Message;

use crate::{
    cases::{Case, Expected, Redirect, Request, Test},
    certificates::{Callers, callers},
    client::{Answer, Ask, Door, send},
    listeners::{self, Listener},
    repeated::{mirrored, mirrored_share, named_by_backend, retried, shares},
    translate,
    world::World,
};

/// Runs all cases; the error says which went wrong and how.
pub(crate) async fn check(test: &Test, world: &World) -> Result<(), String> {
    let mut gateways = Gateways::new(world);
    if test.short_name == "HTTPRouteBackendProtocolWebSocket" {
        let place = &at(&listeners::first_gateway(world), 80)[0];
        return websocket(gateways.at(place).await.address).await;
    }
    let cases = test.cases();
    let mut wrong = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        for place in places(test, number, case, world) {
            let door = gateways.at(&place).await;
            if let Err(reason) = checked(test, case, &place, door, world).await {
                wrong.push(format!("{} ({reason})", number + 1));
            }
        }
    }
    match gateways.refused.first().or(wrong.first()) {
        None => Ok(()),
        Some(first) => Err(format!(
            "{} of {} cases go wrong: {first}",
            wrong.len(),
            cases.len()
        )),
    }
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    gateway: String,
    port: u64,
    without_grants: bool,
}

fn at(gateway: &str, port: u64) -> Vec<Place> {
    vec![Place {
        gateway: gateway.to_owned(),
        port,
        without_grants: false,
    }]
}

/// The gateways that a case is sent to: the first of its routes, where the suite does not say otherwise.
fn places(test: &Test, number: usize, case: &Case, world: &World) -> Vec<Place> {
    let host = case.request.host.as_str().unwrap_or_default();
    let https = "same-namespace-with-https-listener";
    if let Some(port) = case.port {
        let gateways = world
            .of_kind("HTTPRoute")
            .find_map(|route| route["spec"]["parentRefs"][0]["name"].as_str());
        return at(gateways.expect("a gateway"), port);
    }
    match (test.short_name.as_str(), number) {
        ("GatewayHTTPListenerIsolation", _) => [
            at("http-listener-isolation", 80),
            at("http-listener-isolation-with-hostname-intersection", 80),
        ]
        .concat(),
        ("HTTPRouteHostnameIntersection", 27..) => at("httproute-hostname-intersection-all", 80),
        ("HTTPRouteMultipleGateways", 2..) => at("all-namespaces", 80),
        ("HTTPRouteListenerPortMatching", _) => {
            let port = host.split_once(':').map_or("80", |(_, port)| port);
            at("httproute-listener-port-matching", port.parse().expect("a port"))
        }
        ("HTTPRouteRedirectPortAndScheme", 6..=8) => at("same-namespace-with-http-listener-on-8080", 8080),
        ("BackendTLSPolicy", 0) => at(https, 443),
        ("HTTPRouteHTTPSListener" | "HTTPRouteHTTPSListenerDetectMisdirectedRequests", _)
        | ("HTTPRouteRedirectPortAndScheme", 9..) => at(https, 443),
        ("HTTPRouteReferenceGrant", 1) => {
            let mut places = at("same-namespace", 80);
            places[0].without_grants = true;
            places
        }
        _ => at(&listeners::first_gateway(world), 80),
    }
}

/// Gateways that run, by their places.
struct Gateways<'a> {
    world: &'a World,
    running: BTreeMap<Place, Running>,
    /// What the gateway did not take.
    refused: Vec<String>,
}

struct Running {
    door: Door,
    _gateway: Gateway,
    _folder: Option<TempDir>,
}

impl<'a> Gateways<'a> {
    fn new(world: &'a World) -> Self {
        Self {
            world,
            running: BTreeMap::new(),
            refused: Vec::new(),
        }
    }

    async fn at(&mut self, place: &Place) -> &Door {
        if !self.running.contains_key(place) {
            let running = self.start(place).await;
            self.running.insert(place.clone(), running);
        }
        &self.running[place].door
    }

    async fn start(&mut self, place: &Place) -> Running {
        let listeners = listeners::of_gateway(self.world, &place.gateway);
        let here: Vec<_> = listeners.into_iter().filter(|it| it.port == place.port).collect();
        let secure = here.iter().any(|it| it.protocol == "HTTPS");
        let (tls, trust, folder) = match secure {
            true => certificates(&here),
            false => (None, None, None),
        };
        let callers = match secure {
            true => callers(self.world, &place.gateway, place.port),
            false => Callers::Any,
        };
        let authorities = match (&callers, &folder) {
            (Callers::Of(authorities), Some(folder)) => {
                let file = folder.path().join("authorities.pem");
                std::fs::write(&file, authorities).expect("written");
                Some(file)
            }
            _ => None,
        };
        let options = GatewayOptions {
            worker_threads: Some(1),
            tls,
            client_authorities_file: authorities,
            ..GatewayOptions::default()
        };
        let gateway = Gateway::start(options).await.expect("the gateway starts");
        let configurations = match place.without_grants {
            false => translate::configurations(self.world, &place.gateway, place.port),
            true => {
                let objects = self.world.objects.iter();
                let left = World {
                    objects: objects
                        .filter(|object| object["kind"] != "ReferenceGrant")
                        .cloned()
                        .collect(),
                    backends: self.world.backends.clone(),
                    certificates: Arc::clone(&self.world.certificates),
                };
                translate::configurations(&left, &place.gateway, place.port)
            }
        };
        for configuration in configurations {
            if let Err(error) = gateway.put_api(configuration).await {
                self.refused.push(error.to_string());
            }
        }
        let address = match secure {
            true => gateway.tls_address().expect("it listens with TLS"),
            false => gateway.address(),
        };
        if callers == Callers::Nobody {
            gateway.remove_listener(address).await;
        }
        Running {
            door: Door {
                address,
                tls: trust,
                certificates: Arc::clone(&self.world.certificates),
            },
            _gateway: gateway,
            _folder: folder,
        }
    }
}

type Certificate = (
    Option<TlsOptions>,
    Option<Arc<rustls::ClientConfig>>,
    Option<TempDir>,
);

/// What a listener is on one port with others, is a certificate here: one for each that has a host of its own, and one
/// for all other names.
fn certificates(listeners: &[Listener]) -> Certificate {
    let folder = tempfile::tempdir().expect("a folder");
    let more = folder.path().join("more");
    std::fs::create_dir(&more).expect("a folder");
    let options = TlsOptions {
        listen: "127.0.0.1:0".parse().expect("an address"),
        certificate_file: folder.path().join("cert.pem"),
        key_file: folder.path().join("cert.key"),
        certificate_dir: Some(more.clone()),
    };
    let mut roots = rustls::RootCertStore::empty();
    let mut write = |folder: &Path, file: &str, names: &[&str]| {
        let names = names.iter().map(|name| (*name).to_owned());
        let generated = generate_simple_self_signed(names.collect::<Vec<_>>());
        let CertifiedKey { cert, signing_key } = generated.expect("a certificate");
        std::fs::write(folder.join(format!("{file}.pem")), cert.pem()).expect("written");
        std::fs::write(folder.join(format!("{file}.key")), signing_key.serialize_pem()).expect("written");
        roots.add(cert.der().clone()).expect("a root");
    };
    write(
        folder.path(),
        "cert",
        &[
            "example.org",
            "unknown-example.org",
            "https-listener.org",
            "gateway.test",
        ],
    );
    let hosts = listeners
        .iter()
        .filter_map(|listener| listener.hostname.as_deref());
    for (number, host) in hosts.enumerate() {
        write(&more, &format!("listener-{number}"), &[host]);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let trust = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Some(options), Some(Arc::new(trust)), Some(folder))
}

async fn checked(test: &Test, case: &Case, place: &Place, door: &Door, world: &World) -> Result<(), String> {
    let ask = asked(case, place.port);
    match test.short_name.as_str() {
        "HTTPRouteWeight" => return shares(door, &ask).await,
        "HTTPRouteRequestHeaderModifierBackendWeights" => return named_by_backend(door, &ask).await,
        "HTTPRouteRequestPercentageMirror" => return mirrored_share(case, door, &ask, world).await,
        "HTTPRouteRetry" => return retried(case, door, &ask).await,
        _ => {}
    }
    let answer = send(door, &ask).await;
    if case.unreachable {
        return match answer {
            Err(_) => Ok(()),
            Ok(answer) => Err(format!("there is an answer, {}", answer.status)),
        };
    }
    let answer = answer?;
    answered(case, &ask, &answer)?;
    handshaken(case, &answer, world)?;
    for mirror in &case.mirrored_to {
        mirrored(mirror, &ask, world).await?;
    }
    Ok(())
}

/// The request as a client writes it that takes the gateway for `gateway.test` at the listener's port.
fn asked(case: &Case, port: u64) -> Ask {
    let host = case.request.host.as_str().unwrap_or("gateway.test");
    let host = match port {
        80 | 443 => host.to_owned(),
        // The suite connects to it without naming it.
        _ if case.port.is_some() => host.to_owned(),
        _ if host.contains(':') => host.to_owned(),
        port => format!("{host}:{port}"),
    };
    let mut headers: Vec<(String, String)> = case.request.headers.clone().into_iter().flatten().collect();
    if !case.backend_set_response_headers.is_empty() {
        let pairs = case.backend_set_response_headers.iter();
        let pairs: Vec<String> = pairs.map(|(name, value)| format!("{name}:{value}")).collect();
        headers.push(("X-Echo-Set-Header".to_owned(), pairs.join(",")));
    }
    let own_name = host.split(':').next().unwrap_or_default();
    Ask {
        server_name: case.server_name.unwrap_or(own_name).to_owned(),
        http2: case.request.is_http2(),
        shown: case.shown,
        method: case.request.method.clone().unwrap_or_else(|| "GET".to_owned()),
        host,
        path: case.request.path.as_str().expect("a path").to_owned(),
        headers,
    }
}

/// What the backend must have been asked for and shown in the TLS handshake.
fn handshaken(case: &Case, answer: &Answer, world: &World) -> Result<(), String> {
    let tls = &answer.seen["tls"];
    if let Some(name) = case.seen_server_name
        && tls["serverName"] != name
    {
        return Err(format!(
            "the backend was asked for {}, not for `{name}`",
            tls["serverName"]
        ));
    }
    let Some(secret) = case.seen_certificate else {
        return Ok(());
    };
    let wanted = world.certificates.secret(secret).expect("a secret").der.as_ref();
    match tls["certificate"] == serde_json::json!(wanted) {
        true => Ok(()),
        false => Err("the backend was not shown the gateway's certificate".to_owned()),
    }
}

pub(crate) fn answered(case: &Case, ask: &Ask, answer: &Answer) -> Result<(), String> {
    let statuses = case.response.statuses();
    let status = u64::from(answer.status.as_u16());
    if !statuses.contains(&status) {
        return Err(format!(
            "{} {}{} was answered {status}, not {statuses:?}",
            ask.method, ask.host, ask.path
        ));
    }
    response_headers(case, answer)?;
    if let Some(redirect) = &case.redirect_request {
        return redirected(redirect, ask, answer);
    }
    if status == 200 && answer.seen.is_object() {
        return forwarded(case, ask, &answer.seen);
    }
    match case.backend.as_str() {
        Some(backend) if !backend.is_empty() && status == 200 => Err(format!("no answer of `{backend}`")),
        _ => Ok(()),
    }
}

fn response_headers(case: &Case, answer: &Answer) -> Result<(), String> {
    let given = |name: &str| answer.headers.get(&name.to_ascii_lowercase());
    for (name, value) in &case.response.headers {
        if given(name) != Some(value) {
            return Err(format!(
                "the answer's `{name}` is {:?}, not `{value}`",
                given(name)
            ));
        }
    }
    for (name, good) in &case.response.valid_header_values {
        let plain = |text: &str| text.replace(' ', "");
        let found = given(name).is_some_and(|value| good.iter().any(|good| plain(good) == plain(value)));
        if !found {
            return Err(format!(
                "the answer's `{name}` is {:?}, none of {good:?}",
                given(name)
            ));
        }
    }
    let absent = case.response.absent_headers.iter();
    match absent.clone().find(|name| given(name).is_some()) {
        Some(name) => Err(format!("the answer has `{name}`")),
        None => Ok(()),
    }
}

/// What is not said of the URL is as it was asked for.
fn redirected(expected: &Redirect, ask: &Ask, answer: &Answer) -> Result<(), String> {
    let location = answer.headers.get("location").cloned().unwrap_or_default();
    let uri: http::Uri = location
        .parse()
        .map_err(|error| format!("`{location}`: {error}"))?;
    let scheme = uri.scheme_str().unwrap_or_default();
    let usual = if scheme == "https" { "443" } else { "80" };
    let port = uri.port().map_or(usual.to_owned(), |port| port.to_string());
    let host = ask.host.split(':').next().unwrap_or_default();
    let good = expected.scheme.as_deref().is_none_or(|it| it == scheme)
        && uri.host() == Some(expected.host.as_deref().unwrap_or(host))
        && port == expected.port.as_deref().unwrap_or(usual)
        && uri.path() == expected.path.as_deref().unwrap_or(&ask.path);
    match good {
        true => Ok(()),
        false => Err(format!("callers are sent to `{location}`, not to {expected:?}")),
    }
}

fn forwarded(case: &Case, ask: &Ask, seen: &Value) -> Result<(), String> {
    let nothing = Expected::default();
    let expected = case.expected_request.as_ref().unwrap_or(&nothing);
    let Request {
        host,
        path,
        method,
        headers,
        ..
    } = &expected.request;
    let given = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let same = |field: &str, wanted: String| match seen[field] == wanted.as_str() {
        true => Ok(()),
        false => Err(format!("the backend saw {field} {}, not `{wanted}`", seen[field])),
    };
    same("path", given(path).unwrap_or_else(|| ask.path.clone()))?;
    same("host", given(host).unwrap_or_else(|| ask.host.clone()))?;
    same("method", method.clone().unwrap_or_else(|| ask.method.clone()))?;
    // What is expected of headers is said whole, or nothing is and all of the request's stay.
    let unchanged = case.expected_request.is_none().then_some(&case.request.headers);
    let headers = unchanged.unwrap_or(headers);
    let saw = |name: &str| seen["headers"][name.to_ascii_lowercase()].as_str();
    for (name, value) in headers.iter().flatten() {
        let plain = |text: &str| text.replace(", ", ",");
        if saw(name).map(plain) != Some(plain(value)) {
            return Err(format!("the backend saw `{name}` {:?}, not `{value}`", saw(name)));
        }
    }
    if let Some(name) = expected.absent_headers.iter().find(|name| saw(name).is_some()) {
        return Err(format!("the backend saw `{name}`"));
    }
    if let Some(backend) = given(&case.backend) {
        let pod = seen["pod"].as_str().unwrap_or_default();
        let namespace = given(&case.namespace).unwrap_or_default();
        if !pod.starts_with(&backend) || (!namespace.is_empty() && seen["namespace"] != namespace.as_str()) {
            return Err(format!("`{pod}` answered, not `{backend}`"));
        }
    }
    Ok(())
}

/// Messages go there and back.
async fn websocket(gateway: SocketAddr) -> Result<(), String> {
    let (mut socket, _) = tokio_tungstenite::connect_async(format!("ws://{gateway}/"))
        .await
        .map_err(|error| error.to_string())?;
    let sent = Message::text("there and back");
    socket
        .send(sent.clone())
        .await
        .map_err(|error| error.to_string())?;
    match socket.next().await {
        Some(Ok(message)) if message == sent => Ok(()),
        other => Err(format!("{other:?} came back")),
    }
}
