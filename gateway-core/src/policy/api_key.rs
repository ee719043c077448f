//! `auth.apiKey`: callers present a key that is known by its SHA-256.
//!
//! The presented key is hashed and looked up by the hash, so the time a lookup takes neither grows with the number of
//! keys nor says anything about a stored one, and no key is held in clear text. A consumer may have several keys, so
//! that an old and a new one are both good for a while.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::digest::{SHA256, digest};
use gatehouse_schemas::{
    identity::ResourceName,
    policy::{ApiKeyPolicy, CredentialLocation},
    time::Timestamp,
};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use percent_encoding::percent_decode_str;

use crate::{
    proxy::problem::Problem,
    router::rule::{decoded_equals, parameters},
};

/// A SHA-256 hash.
pub(crate) type Hash = [u8; 32];

/// The keys of one policy.
#[derive(Debug)]
pub(crate) struct ApiKeys {
    pub(crate) location: Location,
    /// Whether the upstream may see the key.
    pub(crate) forward: bool,
    keys: HashMap<Hash, Key>,
    challenge: HeaderValue,
}

/// A key that opens the API.
#[derive(Debug)]
struct Key {
    consumer: Arc<str>,
    /// From when on it does not.
    expires_at: Option<Timestamp>,
}

/// Where the key is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Location {
    Header(HeaderName),
    Query(String),
}

impl ApiKeys {
    /// Compiles the policy; a key whose hash is not there is an error.
    pub(crate) fn compile(
        policy: &ApiKeyPolicy,
        hashes: &BTreeMap<ResourceName, String>,
    ) -> Result<Self, String> {
        let location = match policy.r#in {
            CredentialLocation::Query => Location::Query(policy.name.clone()),
            CredentialLocation::Header => Location::Header(
                HeaderName::try_from(policy.name.as_str())
                    .map_err(|_| format!("`{}` is not a header name", policy.name))?,
            ),
        };
        if policy.keys.is_empty() {
            return Err("it lists no keys, so nobody could call".to_owned());
        }
        let mut keys: HashMap<Hash, Key> = HashMap::with_capacity(policy.keys.len());
        for key in &policy.keys {
            let hash = hash_of(&key.secret_ref, hashes)?;
            let compiled = Key {
                consumer: Arc::from(key.consumer.as_str()),
                expires_at: key.expires_at,
            };
            // Of two secrets with the same value, the one that is good for longer counts, else the first.
            let other = keys.get(&hash);
            if other.is_none_or(|other| lasts_longer(&compiled, other)) {
                keys.insert(hash, compiled);
            }
        }
        let challenge = HeaderValue::try_from(format!("ApiKey name=\"{}\"", policy.name));
        Ok(Self {
            location,
            forward: policy.forward,
            keys,
            challenge: challenge.map_err(|_| format!("`{}` cannot name a key", policy.name))?,
        })
    }

    /// Whose key the request carries.
    pub(crate) fn check(&self, headers: &HeaderMap, query: Option<&str>) -> Result<Arc<str>, Problem> {
        let key = match &self.location {
            Location::Header(name) => only(headers.get_all(name).iter()).map(|key| key.as_bytes().to_vec()),
            Location::Query(name) => only(values(query.unwrap_or_default(), name)),
        };
        // A secret that was left empty is no key.
        let hash = key.filter(|key| !key.is_empty()).map(|key| sha256(&key));
        let key = hash.and_then(|hash| self.keys.get(&hash));
        let key = key.filter(|key| key.expires_at.is_none_or(|end| now() < end));
        key.map(|key| Arc::clone(&key.consumer)).ok_or_else(|| {
            Problem::unauthenticated("This API needs a valid API key.")
                .with(header::WWW_AUTHENTICATE, self.challenge.clone())
        })
    }
}

fn lasts_longer(one: &Key, other: &Key) -> bool {
    match (one.expires_at, other.expires_at) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(one), Some(other)) => one > other,
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The value, if there is exactly one: of two keys nobody can say which one counts.
fn only<V>(mut values: impl Iterator<Item = V>) -> Option<V> {
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

fn values<'a>(query: &'a str, name: &'a str) -> impl Iterator<Item = Vec<u8>> + 'a {
    parameters(query)
        .filter(move |(key, _)| decoded_equals(key, name))
        .map(|(_, value)| percent_decode_str(&value.replace('+', " ")).collect())
}

pub(crate) fn sha256(bytes: &[u8]) -> Hash {
    let mut hash = Hash::default();
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

pub(crate) fn hash_of(
    secret: &ResourceName,
    hashes: &BTreeMap<ResourceName, String>,
) -> Result<Hash, String> {
    let written = hashes
        .get(secret)
        .ok_or_else(|| format!("the hash of secret `{secret}` is missing; does the secret exist?"))?;
    parse_hash(written).ok_or_else(|| format!("the hash of secret `{secret}` is not 64 hexadecimal digits"))
}

fn parse_hash(written: &str) -> Option<Hash> {
    let mut hash = Hash::default();
    if written.len() != hash.len() * 2 || !written.is_ascii() {
        return None;
    }
    for (byte, digits) in hash.iter_mut().zip(written.as_bytes().chunks_exact(2)) {
        let digits = std::str::from_utf8(digits).ok()?;
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use gatehouse_schemas::canonical::hexadecimal;
    use serde_json::json;

    use super::*;

    fn compiled(location: &str) -> ApiKeys {
        let policy =
            json!({"in": location, "name": "key", "keys": [{"consumer": "shop", "secretRef": "shop-key"}]});
        let policy = serde_json::from_value(policy).expect("a policy");
        let hashes = BTreeMap::from([("shop-key".parse().unwrap(), hexadecimal(&sha256(b"s3cret+/")))]);
        ApiKeys::compile(&policy, &hashes).expect("it compiles")
    }

    fn headers(values: &[&'static str]) -> HeaderMap {
        let name = HeaderName::from_static("key");
        values
            .iter()
            .map(|value| (name.clone(), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn a_known_key_opens_the_api_and_names_its_consumer() {
        let keys = compiled("header");
        assert_eq!(
            keys.check(&headers(&["s3cret+/"]), None).expect("known").as_ref(),
            "shop"
        );
        let keys = compiled("query");
        let query = Some("a=1&k%65y=s3cret%2B%2F");
        assert_eq!(
            keys.check(&HeaderMap::new(), query).expect("known").as_ref(),
            "shop"
        );
    }

    #[test]
    fn missing_wrong_and_doubled_keys_are_refused() {
        let keys = compiled("header");
        for refused in [&[][..], &[""], &["wrong"], &["s3cret+/", "s3cret+/"]] {
            let problem = keys
                .check(&headers(refused), Some("key=s3cret%2B%2F"))
                .expect_err("refused");
            assert_eq!(problem.status, 401);
        }
        compiled("query")
            .check(&headers(&["s3cret+/"]), Some("key=s3cret+/"))
            .expect_err("refused");
    }

    #[test]
    fn old_and_new_keys_of_a_consumer_are_both_good_until_the_old_one_expires() {
        let key = |secret: &str, expires_at: Option<&str>| match expires_at {
            None => json!({"consumer": "shop", "secretRef": secret}),
            Some(at) => json!({"consumer": "shop", "secretRef": secret, "expiresAt": at}),
        };
        let keys = [
            key("old", Some("2000-01-01T00:00:00Z")),
            key("current", Some("2999-01-01T00:00:00Z")),
            key("new", None),
        ];
        let hashes = ["old", "current", "new"]
            .map(|name| (name.parse().unwrap(), hexadecimal(&sha256(name.as_bytes()))));
        let policy = serde_json::from_value(json!({"name": "key", "keys": keys})).expect("a policy");
        let keys = ApiKeys::compile(&policy, &BTreeMap::from(hashes)).expect("it compiles");
        for (key, good) in [("old", false), ("current", true), ("new", true)] {
            let checked = keys.check(&headers(&[key]), None);
            assert_eq!(checked.ok().as_deref(), good.then_some("shop"), "{key}");
        }
    }

    #[test]
    fn of_two_secrets_with_one_value_the_one_that_lasts_counts() {
        let keys = json!([
            {"consumer": "a", "secretRef": "one", "expiresAt": "2000-01-01T00:00:00Z"},
            {"consumer": "b", "secretRef": "two"},
            {"consumer": "c", "secretRef": "three", "expiresAt": "2999-01-01T00:00:00Z"},
        ]);
        let hash = hexadecimal(&sha256(b"same"));
        let hashes = ["one", "two", "three"].map(|name| (name.parse().unwrap(), hash.clone()));
        let policy = serde_json::from_value(json!({"name": "key", "keys": keys})).expect("a policy");
        let keys = ApiKeys::compile(&policy, &BTreeMap::from(hashes)).expect("it compiles");
        assert_eq!(
            keys.check(&headers(&["same"]), None).expect("known").as_ref(),
            "b"
        );
    }

    #[test]
    fn a_policy_without_its_hashes_does_not_compile() {
        let policy = json!({"keys": [{"consumer": "shop", "secretRef": "shop-key"}]});
        let policy = serde_json::from_value(policy).expect("a policy");
        let missing = ApiKeys::compile(&policy, &BTreeMap::new()).expect_err("missing");
        assert!(missing.contains("shop-key"), "{missing}");
        let broken = BTreeMap::from([("shop-key".parse().unwrap(), "abc".to_owned())]);
        ApiKeys::compile(&policy, &broken).expect_err("broken");
    }
}
