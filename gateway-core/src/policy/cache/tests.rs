//! Who gets whose answer.

use std::time::Instant;

use bytes::Bytes;
use http::HeaderValue;
use proptest::prelude::*;
use serde_json::json;

use super::{
    rules::Lifetime,
    store::{Entry, Found},
    *,
};

/// A request, by what may make a difference; few values each, so that most requests have a like.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Request {
    scope: u64,
    secure: bool,
    host: &'static str,
    path: &'static str,
    query: Vec<(&'static str, &'static str)>,
    consumer: Option<&'static str>,
    /// What somebody else told the upstream of the caller.
    vouched: Vec<(HeaderName, HeaderValue)>,
    headers: Vec<(&'static str, &'static str)>,
}

prop_compose! {
    fn request()(
        scope in 0_u64..2,
        secure in any::<bool>(),
        host in prop::sample::select(vec!["a", "ab"]),
        path in prop::sample::select(vec!["/", "/b", "/b/"]),
        query in prop::collection::vec((prop::sample::select(vec!["x", "y", "%78"]), prop::sample::select(vec!["", "1"])), 0..3),
        consumer in prop::sample::select(vec![None, Some(""), Some("ann"), Some("bob")]),
        vouched in prop::sample::select(vec![vec![], vec!["ann"], vec!["bob"], vec!["ann", "bob"]]),
        headers in prop::collection::vec((
            prop::sample::select(vec!["authorization", "cookie", "accept", "x-tenant", "x-other"]),
            prop::sample::select(vec!["", "1", "2"]),
        ), 0..4),
    ) -> Request {
        let told = |name| (HeaderName::from_static("x-user"), HeaderValue::from_static(name));
        let vouched = vouched.into_iter().map(told).collect();
        Request { scope, secure, host, path, query, consumer, vouched, headers }
    }
}

impl Request {
    fn uri(&self) -> Uri {
        let query: Vec<String> = self
            .query
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        match query.is_empty() {
            true => self.path.parse().unwrap(),
            false => format!("{}?{}", self.path, query.join("&")).parse().unwrap(),
        }
    }

    fn headers(&self) -> HeaderMap {
        let headers = self.headers.iter();
        headers
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    fn values(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(own, _)| *own == name)
            .map(|(_, value)| *value)
            .collect()
    }

    /// Whether one of the two may have the other's answer, which varies by these headers.
    fn may_have(&self, other: &Self, policy: &CachePolicy, vary: &[&str]) -> bool {
        let same = |name: &str| self.values(name) == other.values(name);
        let query = |request: &Self| -> Vec<(&str, &str)> {
            let counts = |name: &str| {
                let name = if name == "%78" { "x" } else { name };
                policy
                    .vary_query
                    .as_ref()
                    .is_none_or(|wanted| wanted.iter().any(|wanted| wanted == name))
            };
            request
                .query
                .iter()
                .copied()
                .filter(|(name, _)| counts(name))
                .collect()
        };
        (self.scope, self.secure, self.host, self.path) == (other.scope, other.secure, other.host, other.path)
            && query(self) == query(other)
            && (!policy.per_consumer
                || self.consumer == other.consumer
                    && self.vouched == other.vouched
                    && same("authorization")
                    && same("cookie"))
            && policy.vary_headers.iter().all(|name| same(name))
            && vary.iter().all(|name| same(name))
    }
}

fn policies() -> impl Strategy<Value = CachePolicy> {
    let query = prop::sample::select(vec![json!(null), json!([]), json!(["x"])]);
    let headers = prop::sample::select(vec![json!([]), json!(["X-Tenant"])]);
    (query, headers, any::<bool>()).prop_map(|(query, headers, per_consumer)| {
        let mut policy = json!({"ttlSeconds": 60, "varyHeaders": headers, "perConsumer": per_consumer});
        if !query.is_null() {
            policy["varyQuery"] = query;
        }
        let mut policy: CachePolicy = serde_json::from_value(policy).unwrap();
        policy
            .vary_headers
            .iter_mut()
            .for_each(|name| name.make_ascii_lowercase());
        policy
    })
}

/// Looks up the answer to a request: the number of the request it was made for.
fn find(caching: &Caching, request: &Request) -> Option<usize> {
    let (uri, headers) = (request.uri(), request.headers());
    let key = caching.key(&asked(request, &uri, &headers));
    let (_, found) = caching
        .store
        .find(&key, |names| variant(&key, names, &headers), Instant::now());
    match found {
        Found::Answer(entry) => std::str::from_utf8(&entry.body).unwrap().parse().ok(),
        Found::Nothing | Found::Passing => None,
    }
}

fn asked<'a>(request: &'a Request, target: &'a Uri, headers: &'a HeaderMap) -> Asked<'a> {
    Asked {
        scope: request.scope,
        secure: request.secure,
        host: request.host.as_bytes(),
        path: request.path,
        target,
        headers,
        hidden: &[],
        vouched: &request.vouched,
        trusted: false,
        consumer: request.consumer,
    }
}

fn keep(caching: &Caching, request: &Request, number: usize, vary: &[&'static str]) {
    let (uri, headers) = (request.uri(), request.headers());
    let asked = asked(request, &uri, &headers);
    let key = caching.key(&asked);
    let names: Arc<[HeaderName]> = vary.iter().map(|name| HeaderName::from_static(name)).collect();
    let variant = (!vary.is_empty()).then(|| (Arc::clone(&names), variant(&key, &names, &headers)));
    let lifetime = Lifetime {
        age: Duration::ZERO,
        fresh: Duration::from_secs(60),
        while_revalidate: Duration::ZERO,
        if_error: Duration::ZERO,
    };
    let entry = Entry {
        headers: HeaderMap::new(),
        body: Bytes::from(number.to_string()),
        lifetime,
        received: Instant::now(),
        names: caching.names(&asked),
    };
    caching.store.keep(&key, variant, entry);
}

fn compiled(policy: &CachePolicy) -> Caching {
    let api = ExternalRef("a".to_owned());
    Caching::compile(policy, &api, Store::new(16 * 1024 * 1024)).unwrap()
}

proptest! {
    #[test]
    fn a_kept_answer_is_given_to_nobody_who_asked_something_else_or_is_somebody_else(
        policy in policies(),
        requests in prop::collection::vec((request(), prop::sample::subsequence(vec!["accept", "x-other"], 0..=2)), 1..40),
    ) {
        let caching = compiled(&policy);
        for (number, (request, vary)) in requests.iter().enumerate() {
            if let Some(found) = find(&caching, request) {
                let (owner, vary) = &requests[found];
                prop_assert!(request.may_have(owner, &policy, vary), "{:?} got what was for {:?}", request, owner);
            }
            keep(&caching, request, number, vary);
            prop_assert_eq!(find(&caching, request), Some(number), "what was kept last is found");
        }
    }
}

#[test]
fn parameters_that_make_no_difference_share_an_answer() {
    let policy = serde_json::from_value(json!({"ttlSeconds": 60, "varyQuery": ["x"]})).unwrap();
    let caching = compiled(&policy);
    let request = |query: Vec<(&'static str, &'static str)>| Request {
        scope: 0,
        secure: false,
        host: "a",
        path: "/",
        query,
        consumer: None,
        vouched: Vec::new(),
        headers: Vec::new(),
    };
    keep(&caching, &request(vec![("x", "1"), ("y", "1")]), 7, &[]);
    assert_eq!(find(&caching, &request(vec![("y", ""), ("x", "1")])), Some(7));
    assert_eq!(find(&caching, &request(vec![("x", ""), ("y", "1")])), None);
}

#[test]
fn a_write_takes_answers_for_its_target_from_everybody() {
    let policy = serde_json::from_value(json!({"ttlSeconds": 60})).unwrap();
    let caching = compiled(&policy);
    let request = |consumer, path| Request {
        scope: 0,
        secure: false,
        host: "a",
        path,
        query: Vec::new(),
        consumer,
        vouched: Vec::new(),
        headers: Vec::new(),
    };
    let all = [
        request(Some("ann"), "/b"),
        request(Some("bob"), "/b"),
        request(Some("ann"), "/"),
    ];
    for (number, request) in all.iter().enumerate() {
        keep(&caching, request, number, &[]);
    }
    caching.written(&caching.target(b"a", "/b", None));
    assert_eq!(
        all.each_ref().map(|request| find(&caching, request)),
        [None, None, Some(2)]
    );
}

#[test]
fn a_write_takes_all_answers_that_the_policy_takes_for_one() {
    let policy = serde_json::from_value(json!({"ttlSeconds": 60, "varyQuery": ["x"]})).unwrap();
    let caching = compiled(&policy);
    let request = |query| Request {
        scope: 0,
        secure: false,
        host: "a",
        path: "/b",
        query,
        consumer: None,
        vouched: Vec::new(),
        headers: Vec::new(),
    };
    let (one, two) = (request(vec![("y", "1")]), request(vec![("x", "1"), ("y", "1")]));
    keep(&caching, &one, 1, &[]);
    keep(&caching, &two, 2, &[]);
    caching.written(&caching.target(b"a", "/b", Some("y=2")));
    assert_eq!(
        [&one, &two].map(|request| find(&caching, request)),
        [None, Some(2)]
    );
    caching.written(&caching.target(b"a", "/b", Some("y=2&x=1")));
    assert_eq!(find(&caching, &two), None);
}

#[test]
fn what_a_trusted_proxy_says_of_callers_keeps_their_answers_apart() {
    let policy = serde_json::from_value(json!({"ttlSeconds": 60})).unwrap();
    let caching = compiled(&policy);
    let request = |name: &'static str, value: &'static str| Request {
        scope: 0,
        secure: false,
        host: "a",
        path: "/",
        query: Vec::new(),
        consumer: None,
        vouched: Vec::new(),
        headers: vec![(name, value)],
    };
    let key = |request: &Request, trusted| {
        let (uri, headers) = (request.uri(), request.headers());
        let asked = asked(request, &uri, &headers);
        caching.key(&Asked { trusted, ..asked })
    };
    for name in [
        "x-forwarded-client-cert",
        "forwarded",
        "x-forwarded-prefix",
        "x-forwarded-proto",
    ] {
        let (one, other) = (request(name, "1"), request(name, "2"));
        assert_ne!(key(&one, true), key(&other, true), "{name}");
        assert_eq!(
            key(&one, false),
            key(&other, false),
            "{name} does not reach the upstream"
        );
    }
}
