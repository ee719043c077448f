//! One request on its way through the proxy: what was asked, who asks, and what will be asked of the upstream.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use axum::body::Bytes;
use axum::http::{HeaderMap, Method};

use super::answer::set;
use crate::configuration::{Configuration, Entity};

/// A request, as plugins see and change it.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) request_id: String,
    pub(crate) now: SystemTime,
    pub(crate) peer: SocketAddr,
    /// The port that the proxy was reached at.
    pub(crate) port: u16,
    pub(crate) method: Method,
    /// The path as it was asked, with percent signs.
    pub(crate) raw_path: String,
    /// The path as the router saw it.
    pub(crate) path: String,
    /// The query string as it was asked.
    pub(crate) asked_query: Option<String>,
    /// The headers as they were asked.
    pub(crate) asked_headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) configuration: Arc<Configuration>,
    pub(crate) route: Entity,
    pub(crate) service: Option<Entity>,
    pub(crate) captures: BTreeMap<String, String>,
    /// What `strip_path` took away.
    pub(crate) prefix: Option<String>,
    pub(crate) consumer: Option<Entity>,
    pub(crate) credential: Option<String>,
    /// What the cache knew of the request, and the key to keep its answer under.
    pub(crate) cache: Option<(&'static str, String)>,
    /// What goes to the upstream.
    pub(crate) upstream: UpstreamRequest,
    /// Headers that plugins put on the answer, whoever gives it.
    pub(crate) answer_headers: HeaderMap,
}

/// The request that will be made to the upstream.
#[derive(Debug, Default)]
pub(crate) struct UpstreamRequest {
    pub(crate) method: Method,
    /// Not yet escaped.
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Exchange {
    /// The id of the service, the route or the consumer.
    pub(crate) fn id(entity: Option<&Entity>) -> Option<&str> {
        entity?.get("id")?.as_str()
    }

    /// Notes who asks and tells the upstream of it, as Kong's authentication plugins do.
    pub(crate) fn authenticate(&mut self, consumer: Entity, credential: Option<String>) {
        let word = |name: &str| {
            consumer
                .get(name)
                .and_then(|value| value.as_str())
                .map(str::to_owned)
        };
        let told = [
            ("x-consumer-id", word("id")),
            ("x-consumer-custom-id", word("custom_id")),
            ("x-consumer-username", word("username")),
            ("x-credential-identifier", credential.clone()),
            (
                "x-anonymous-consumer",
                credential.is_none().then(|| "true".to_owned()),
            ),
        ];
        for (name, value) in told {
            self.upstream.headers.remove(name);
            if let Some(value) = value {
                set(&mut self.upstream.headers, name, &value);
            }
        }
        self.consumer = Some(consumer);
        self.credential = credential;
    }
}
