//! What a limit counts separately, and who a request is in that sense.

use std::{
    fmt,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
};

use aws_lc_rs::digest::{Context, SHA256};
use gatehouse_schemas::policy::RateLimitKey;
use http::{HeaderMap, HeaderName};
use serde_json::{Map, Value};

/// What a limit counts separately.
#[derive(Debug)]
pub(crate) enum Key {
    Address,
    Consumer,
    Api,
    Header(HeaderName),
    Claim(String),
}

/// What of a request may be counted by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller<'a> {
    /// Of the connection.
    pub(crate) address: IpAddr,
    /// Who the caller is, as far as a check before said so.
    pub(crate) consumer: Option<&'a str>,
    /// The claims of the caller's token, if it was verified.
    pub(crate) claims: Option<&'a Map<String, Value>>,
    pub(crate) headers: &'a HeaderMap,
}

/// By what one request is counted.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) enum Counted<'a> {
    Together,
    /// IPv6 callers own whole networks, so those are counted as one.
    Network(IpAddr),
    Consumer(&'a str),
    Header(&'a [u8]),
    ClaimText(&'a str),
    Claim(String),
}

impl Key {
    /// Compiles the parameter.
    pub(crate) fn compile(key: &RateLimitKey) -> Result<Self, String> {
        Ok(match key {
            RateLimitKey::Address => Self::Address,
            RateLimitKey::Consumer => Self::Consumer,
            RateLimitKey::Api => Self::Api,
            RateLimitKey::Header(name) => Self::Header(
                HeaderName::try_from(name.as_str()).map_err(|_| format!("`{name}` is not a header name"))?,
            ),
            RateLimitKey::Claim(name) => Self::Claim(name.clone()),
        })
    }

    /// By what a request of this caller is counted.
    pub(crate) fn of<'a>(&self, caller: Caller<'a>) -> Counted<'a> {
        match (self, caller.consumer) {
            (Self::Api, _) => Counted::Together,
            (Self::Consumer, Some(consumer)) => Counted::Consumer(consumer),
            (Self::Consumer | Self::Address, _) => Counted::Network(network(caller.address)),
            (Self::Header(name), _) => {
                let value = caller.headers.get(name);
                value.map_or(Counted::Together, |value| Counted::Header(value.as_bytes()))
            }
            (Self::Claim(name), _) => match caller.claims.and_then(|claims| claims.get(name)) {
                None | Some(Value::Null) => Counted::Together,
                Some(Value::String(text)) => Counted::ClaimText(text),
                Some(other) => Counted::Claim(other.to_string()),
            },
        }
    }
}

/// Names for what one limit counts that are the same in every gateway and after every restart, and that say nothing
/// about callers to whoever reads them.
#[derive(Clone)]
pub(crate) struct Names(Context);

impl fmt::Debug for Names {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Names").finish_non_exhaustive()
    }
}

impl Names {
    /// The names of the limit with this identity.
    pub(crate) fn of(identity: &[&str]) -> Self {
        let mut digest = Context::new(&SHA256);
        for part in identity {
            // With its length before it, no part runs into the next.
            digest.update(&(part.len() as u64).to_be_bytes());
            digest.update(part.as_bytes());
        }
        Self(digest)
    }

    /// The name of what is counted.
    pub(crate) fn name(&self, counted: &Counted<'_>) -> u128 {
        let mut digest = self.0.clone();
        counted.digest(&mut digest);
        let mut name = [0; 16];
        for (to, from) in name.iter_mut().zip(digest.finish().as_ref()) {
            *to = *from;
        }
        u128::from_be_bytes(name)
    }
}

impl Counted<'_> {
    fn digest(&self, digest: &mut Context) {
        let (kind, bytes): (&[u8], &[u8]) = match self {
            Self::Together => (b"t", b""),
            Self::Network(IpAddr::V4(address)) => (b"4", &address.octets()),
            Self::Network(IpAddr::V6(address)) => (b"6", &address.octets()),
            Self::Consumer(name) => (b"c", name.as_bytes()),
            Self::Header(value) => (b"h", value),
            Self::ClaimText(text) => (b"s", text.as_bytes()),
            Self::Claim(json) => (b"j", json.as_bytes()),
        };
        digest.update(kind);
        digest.update(bytes);
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use serde_json::json;

    use super::*;

    fn names(key: Value, callers: &[(&str, Option<&str>, Value, Option<&'static str>)]) -> Vec<u128> {
        let key: RateLimitKey = serde_json::from_value(key).expect("a key");
        let key = Key::compile(&key).expect("it compiles");
        let limit = Names::of(&["a", "b"]);
        let name =
            |(address, consumer, claims, header): &(&str, Option<&str>, Value, Option<&'static str>)| {
                let mut headers = HeaderMap::new();
                if let Some(value) = header {
                    headers.insert("x-tenant", HeaderValue::from_static(value));
                }
                let caller = Caller {
                    address: address.parse().expect("an address"),
                    consumer: *consumer,
                    claims: claims.as_object(),
                    headers: &headers,
                };
                limit.name(&key.of(caller))
            };
        callers.iter().map(name).collect()
    }

    #[test]
    fn each_key_tells_apart_what_it_says_and_nothing_else() {
        let none = Value::Null;
        let callers = [
            ("192.0.2.1", Some("a"), json!({"tenant": "x"}), Some("one")),
            ("192.0.2.1", Some("b"), json!({"tenant": 7}), Some("two")),
            ("::ffff:192.0.2.1", None, json!({"tenant": "7"}), None),
            (
                "2001:db8::1",
                Some("192.0.2.1"),
                json!({"tenant": null}),
                Some("one"),
            ),
            ("2001:db8::2", Some("a"), none, None),
        ];
        for (key, groups) in [
            (json!("api"), [0, 0, 0, 0, 0]),
            (json!("address"), [0, 0, 0, 1, 1]),
            (json!("consumer"), [0, 1, 2, 3, 0]),
            (json!({"header": "X-Tenant"}), [0, 1, 2, 0, 2]),
            (json!({"claim": "tenant"}), [0, 1, 2, 3, 3]),
        ] {
            let names = names(key.clone(), &callers);
            for (one, other) in (0..callers.len()).flat_map(|one| (0..callers.len()).map(move |it| (one, it)))
            {
                let same = names[one] == names[other];
                assert_eq!(same, groups[one] == groups[other], "{key} {one} {other}");
            }
        }
    }

    #[test]
    fn names_of_different_limits_differ() {
        let caller = Counted::Consumer("a");
        let name = |identity: &[&str]| Names::of(identity).name(&caller);
        assert_ne!(name(&["ab", "c"]), name(&["a", "bc"]));
        assert_eq!(name(&["ab", "c"]), name(&["ab", "c"]));
    }
}
