//! `cache`: answers that are kept and given again (RFC 9111), to callers who pass every check.
//!
//! Who gets which answer is decided by its key: the route, what the upstream would be asked for, and, unless the policy
//! says otherwise, who asks. A new revision has routes of its own, so nothing of an old one is ever given.

pub(crate) mod rules;
pub(crate) mod store;

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use aws_lc_rs::digest::{Context, SHA256};
use gatehouse_schemas::{identity::ExternalRef, policy::CachePolicy};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header, request};

use self::store::{Key, Name, Names, Store};
use crate::{
    proxy::head::is_vouch,
    router::rule::{decoded_equals, parameters},
};

/// With which upstreams mark answers, so that they can be purged together.
static TAGS: [HeaderName; 2] = [
    HeaderName::from_static("surrogate-key"),
    HeaderName::from_static("cache-tag"),
];

/// Whether a trusted proxy says here where a request comes from, how, and whose it is.
fn is_said_by_proxies(name: &str) -> bool {
    matches!(name, "x-forwarded-host" | "x-forwarded-proto") || is_vouch(name)
}

/// A compiled policy.
#[derive(Debug)]
pub(crate) struct Caching {
    pub(crate) store: Arc<Store>,
    pub(crate) longest: Duration,
    api: String,
    vary_query: Option<Vec<String>>,
    vary_headers: Vec<HeaderName>,
    per_consumer: bool,
}

/// A number that no other route has.
pub(crate) fn next_scope() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Relaxed)
}

/// Who asks for what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// The number of the route.
    pub(crate) scope: u64,
    pub(crate) secure: bool,
    /// The host that the caller named.
    pub(crate) host: &'a [u8],
    /// The path as the caller sees it, in its canonical form.
    pub(crate) path: &'a str,
    /// What the upstream would be asked for.
    pub(crate) target: &'a Uri,
    pub(crate) headers: &'a HeaderMap,
    /// Headers that the upstream does not see.
    pub(crate) hidden: &'a [HeaderName],
    /// Headers in which those who let the caller through tell the upstream who it is.
    pub(crate) vouched: &'a [(HeaderName, HeaderValue)],
    /// Whether what the caller says of where requests come from reaches the upstream.
    pub(crate) trusted: bool,
    pub(crate) consumer: Option<&'a str>,
}

impl Caching {
    /// Compiles the policy.
    pub(crate) fn compile(
        policy: &CachePolicy,
        api: &ExternalRef,
        store: Arc<Store>,
    ) -> Result<Self, String> {
        let name = |text: &String| {
            HeaderName::try_from(text.as_str()).map_err(|_| format!("`{text}` is not a header name"))
        };
        Ok(Self {
            store,
            longest: Duration::from_secs(policy.ttl_seconds.into()),
            api: api.0.clone(),
            vary_query: policy.vary_query.clone(),
            vary_headers: policy.vary_headers.iter().map(name).collect::<Result<_, _>>()?,
            per_consumer: policy.per_consumer,
        })
    }

    /// Under what answers to a request are kept.
    pub(crate) fn key(&self, asked: &Asked<'_>) -> Key {
        let mut key = KeyBuilder::new();
        key.part(&asked.scope.to_le_bytes());
        key.part(&[u8::from(asked.secure)]);
        key.part(asked.host);
        key.part(asked.target.path().as_bytes());
        self.query(asked.target.query(), &mut key);
        if asked.trusted {
            // It reaches the upstream, which may go by it.
            let names = asked.headers.keys();
            let mut said: Vec<&HeaderName> = names.filter(|name| is_said_by_proxies(name.as_str())).collect();
            said.sort_unstable_by_key(|name| name.as_str());
            for name in said {
                key.part(name.as_str().as_bytes());
                key.header(asked.headers, name);
            }
            key.end();
        }
        if self.per_consumer {
            key.optional(asked.consumer.map(str::as_bytes));
            // The upstream may go by these, whoever we take the caller for.
            for (name, value) in asked.vouched {
                key.part(name.as_str().as_bytes());
                key.part(value.as_bytes());
            }
            key.end();
            for name in [header::AUTHORIZATION, header::COOKIE] {
                if !asked.hidden.contains(&name) {
                    key.header(asked.headers, &name);
                }
            }
        }
        for name in &self.vary_headers {
            key.header(asked.headers, name);
        }
        key.finish()
    }

    fn query(&self, query: Option<&str>, key: &mut KeyBuilder) {
        let Some(wanted) = &self.vary_query else {
            return key.optional(query.map(str::as_bytes));
        };
        for pair in counting(query, wanted) {
            key.part(pair.as_bytes());
        }
        key.end();
    }

    /// Whether answers are given to others than the one whose credential only the upstream has checked.
    pub(crate) fn shares_credential(&self, asked: &Asked<'_>) -> bool {
        !self.per_consumer
            && asked.consumer.is_none()
            && asked.vouched.is_empty()
            && asked.headers.contains_key(header::AUTHORIZATION)
            && !asked.hidden.contains(&header::AUTHORIZATION)
    }

    /// By what the answer to a request can be purged, as far as it is known when it is asked for.
    pub(crate) fn names(&self, asked: &Asked<'_>) -> Names {
        let mut names = self.store.names();
        names.add(&Name::Api(&self.api));
        let target = self.target(asked.host, asked.path, asked.target.query());
        names.add(&Name::Target(&self.api, &target));
        names
    }

    /// Adds what the upstream marked the answer with.
    pub(crate) fn add_tags(&self, headers: &HeaderMap, names: &mut Names) {
        let values = TAGS.iter().flat_map(|name| headers.get_all(name));
        let tags = values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split([' ', ',']))
            .filter(|tag| !tag.is_empty());
        tags.for_each(|tag| names.add(&Name::Tag(&self.api, tag)));
    }

    /// What a write changes: the same for all queries that the policy takes for one.
    pub(crate) fn target(&self, host: &[u8], path: &str, query: Option<&str>) -> String {
        let host = String::from_utf8_lossy(host);
        let query = match &self.vary_query {
            None => Cow::Borrowed(query.unwrap_or_default()),
            Some(wanted) => Cow::Owned(counting(query, wanted).collect::<Vec<_>>().join("&")),
        };
        format!("{}:{host}{path}?{query}", host.len())
    }

    /// What was written to is not what it was (RFC 9111, section 4.4).
    pub(crate) fn written(&self, target: &str) {
        self.store.purge(&Name::Target(&self.api, target));
    }
}

/// The parts of a query by which answers differ.
fn counting<'q>(query: Option<&'q str>, wanted: &[String]) -> impl Iterator<Item = &'q str> {
    query.unwrap_or_default().split('&').filter(|pair| {
        let mut names = parameters(pair).map(|(name, _)| name);
        names.any(|name| wanted.iter().any(|wanted| decoded_equals(name, wanted)))
    })
}

/// Under what those answers to a request are kept that differ by these headers.
pub(crate) fn variant(key: &Key, names: &[HeaderName], headers: &HeaderMap) -> Key {
    let mut variant = KeyBuilder::new();
    variant.part(key);
    for name in names {
        variant.part(name.as_str().as_bytes());
        variant.header(headers, name);
    }
    variant.finish()
}

/// Whether an answer to this request could come from a cache or be kept in one.
pub(crate) fn concerns(parts: &request::Parts, has_body: bool) -> bool {
    static WITHOUT: [HeaderName; 7] = [
        header::RANGE,
        header::IF_RANGE,
        header::IF_MATCH,
        header::IF_UNMODIFIED_SINCE,
        // What an upstream takes for another method is not what others get for this one.
        HeaderName::from_static("x-http-method-override"),
        HeaderName::from_static("x-http-method"),
        HeaderName::from_static("x-method-override"),
    ];
    matches!(parts.method, Method::GET | Method::HEAD)
        && !has_body
        && WITHOUT.iter().all(|name| !parts.headers.contains_key(name))
}

/// Parts of a key; no two lists of parts give the same one.
struct KeyBuilder(Context);

impl KeyBuilder {
    fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    fn part(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    /// Ends a list of parts of which none is empty.
    fn end(&mut self) {
        self.part(&[]);
    }

    fn optional(&mut self, bytes: Option<&[u8]>) {
        self.part(&[u8::from(bytes.is_some())]);
        self.part(bytes.unwrap_or_default());
    }

    fn header(&mut self, headers: &HeaderMap, name: &HeaderName) {
        let values = headers.get_all(name);
        self.part(&(values.iter().count() as u64).to_le_bytes());
        values.iter().for_each(|value| self.part(value.as_bytes()));
    }

    fn finish(self) -> Key {
        let mut key = Key::default();
        key.copy_from_slice(self.0.finish().as_ref());
        key
    }
}

#[cfg(test)]
mod tests;
