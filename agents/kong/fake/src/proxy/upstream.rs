//! Asking the upstream: where it is, what it is told of the consumer's request, and what failures look like.
//!
//! Headers are those of a recorded Kong 3.9.3; the messages of failures are those of `kong/error_handlers.lua`.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use serde_json::Value;

use super::answer::{Answer, append, set, text};
use super::exchange::Exchange;
use super::memory::{Memory, Timeouts};
use super::path;
use super::router::reference;
use crate::configuration::{Configuration, Entity};

/// Headers that concern one connection only.
const HOP_BY_HOP: [header::HeaderName; 6] = [
    header::CONNECTION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::PROXY_AUTHENTICATE,
];

/// Takes the headers away that concern one connection only.
pub(crate) fn without_hop_by_hop(headers: &mut HeaderMap) {
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    headers.remove("keep-alive");
}

/// Asks the upstream of the request's service, again when it cannot be reached.
pub(crate) async fn ask(exchange: &Exchange, memory: &Memory) -> Answer {
    let Some(service) = &exchange.service else {
        return Answer::error(503, "no Service found with those values", &exchange.request_id);
    };
    let Ok(client) = memory.client(timeouts(service)) else {
        return Answer::error(500, "An unexpected error occurred", &exchange.request_id);
    };
    let tries = 1 + number(service, "retries", 5);
    for attempt in 1..=tries {
        let Some(peer) = peer(&exchange.configuration, service, memory) else {
            return Answer::error(
                503,
                "failure to get a peer from the ring-balancer",
                &exchange.request_id,
            );
        };
        match request(&client, exchange, service, &peer).send().await {
            Ok(response) => return received(response),
            Err(error) if error.is_connect() && !error.is_timeout() && attempt < tries => {}
            Err(error) => return failed(&error, &exchange.request_id),
        }
    }
    Answer::error(
        502,
        "An invalid response was received from the upstream server",
        &exchange.request_id,
    )
}

fn timeouts(service: &Entity) -> Timeouts {
    let duration = |name| std::time::Duration::from_millis(number(service, name, 60_000));
    let verify = service.get("tls_verify") == Some(&Value::Bool(true));
    Timeouts {
        connect: duration("connect_timeout"),
        read: duration("read_timeout"),
        verify,
    }
}

fn number(service: &Entity, name: &str, default: u64) -> u64 {
    service.get(name).and_then(Value::as_u64).unwrap_or(default)
}

fn word<'a>(entity: &'a Entity, name: &str) -> Option<&'a str> {
    entity.get(name).and_then(Value::as_str)
}

/// One address to ask, and the name to ask it by.
#[derive(Debug, PartialEq, Eq)]
struct Peer {
    authority: String,
    host: String,
}

/// The service's host, or the target of its upstream whose turn it is; none when all targets have weight 0.
fn peer(configuration: &Configuration, service: &Entity, memory: &Memory) -> Option<Peer> {
    let host = word(service, "host").unwrap_or_default();
    let port = number(service, "port", 80);
    let mut upstreams = configuration.all("upstreams").map(|(_, upstream)| upstream);
    let Some(upstream) = upstreams.find(|upstream| word(upstream, "name") == Some(host)) else {
        let authority = format!("{host}:{port}");
        return Some(Peer {
            host: named(service, &authority),
            authority,
        });
    };
    let id = word(upstream, "id")?;
    let target = target(configuration, id, memory.turn(id))?;
    let host = word(upstream, "host_header").map_or_else(|| named(service, &target), str::to_owned);
    Some(Peer {
        host,
        authority: target,
    })
}

/// The authority without the port that its protocol has anyway.
fn named(service: &Entity, authority: &str) -> String {
    let usual = if word(service, "protocol") == Some("https") {
        ":443"
    } else {
        ":80"
    };
    authority.strip_suffix(usual).unwrap_or(authority).to_owned()
}

/// Round robin by weight: of ten turns, a target with a tenth of all weight has one.
fn target(configuration: &Configuration, upstream: &str, turn: u64) -> Option<String> {
    let targets = configuration
        .all("targets")
        .filter(|(_, target)| reference(target, "upstream") == Some(upstream));
    let weighted: Vec<_> = targets
        .map(|(_, target)| (word(target, "target"), number(target, "weight", 100)))
        .collect();
    let divisor = weighted
        .iter()
        .map(|(_, weight)| *weight)
        .fold(0, greatest_common_divisor)
        .max(1);
    let total: u64 = weighted.iter().map(|(_, weight)| weight / divisor).sum();
    let mut left = turn.checked_rem(total)?;
    for (target, weight) in weighted {
        let share = weight / divisor;
        if left < share {
            return target.map(str::to_owned);
        }
        left -= share;
    }
    None
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}

fn request(
    client: &reqwest::Client,
    exchange: &Exchange,
    service: &Entity,
    peer: &Peer,
) -> reqwest::RequestBuilder {
    let upstream = &exchange.upstream;
    let protocol = if word(service, "protocol") == Some("https") {
        "https"
    } else {
        "http"
    };
    let query = upstream
        .query
        .as_ref()
        .map(|query| format!("?{query}"))
        .unwrap_or_default();
    let url = format!(
        "{protocol}://{}{}{query}",
        peer.authority,
        path::escaped(&upstream.path)
    );
    let request = client
        .request(upstream.method.clone(), url)
        .headers(headers(exchange, peer));
    if upstream.body.is_empty() {
        request
    } else {
        request.body(upstream.body.clone())
    }
}

fn headers(exchange: &Exchange, peer: &Peer) -> HeaderMap {
    let mut headers = exchange.upstream.headers.clone();
    without_hop_by_hop(&mut headers);
    headers.remove(header::CONTENT_LENGTH);
    let asked = text(&exchange.asked_headers, "host").unwrap_or_default();
    let preserve = exchange.route.get("preserve_host") == Some(&Value::Bool(true));
    if !headers.contains_key(header::HOST) {
        set(&mut headers, "host", if preserve { asked } else { &peer.host });
    }
    let client = exchange.peer.ip().to_string();
    append_forwarded_for(&mut headers, &client);
    set(&mut headers, "x-forwarded-proto", "http");
    set(
        &mut headers,
        "x-forwarded-host",
        asked.rsplit_once(':').map_or(asked, |(host, _)| host),
    );
    set(&mut headers, "x-forwarded-port", &exchange.port.to_string());
    set(&mut headers, "x-forwarded-path", &exchange.raw_path);
    headers.remove("x-forwarded-prefix");
    if let Some(prefix) = &exchange.prefix {
        set(&mut headers, "x-forwarded-prefix", prefix);
    }
    set(&mut headers, "x-real-ip", &client);
    set(&mut headers, "x-kong-request-id", &exchange.request_id);
    append(&mut headers, "via", "1.1 kong/3.9.3");
    headers
}

fn append_forwarded_for(headers: &mut HeaderMap, client: &str) {
    let before = headers
        .get("x-forwarded-for")
        .and_then(|value: &HeaderValue| value.to_str().ok());
    let all = before.map_or_else(|| client.to_owned(), |before| format!("{before}, {client}"));
    set(headers, "x-forwarded-for", &all);
}

fn received(response: reqwest::Response) -> Answer {
    let mut headers = response.headers().clone();
    without_hop_by_hop(&mut headers);
    Answer {
        status: response.status(),
        headers,
        body: Body::from_stream(response.bytes_stream()),
        upstream: true,
    }
}

fn failed(error: &reqwest::Error, request_id: &str) -> Answer {
    if error.is_timeout() {
        return Answer::error(504, "The upstream server is timing out", request_id);
    }
    Answer::error(
        502,
        "An invalid response was received from the upstream server",
        request_id,
    )
}
