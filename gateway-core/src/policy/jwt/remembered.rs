//! Tokens that were found good, so that their signatures need not be checked again.
//!
//! All policies together have one place for them, of a certain size. What is looked at least goes first, expired or not:
//! whether a token is still good is for who finds it to say.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use quick_cache::{Weighter, sync::Cache};
use serde_json::{Map, Value};

use super::Token;
use crate::policy::api_key::Hash;

/// What all remembered tokens take up at most, in bytes.
const MAX_BYTES: u64 = 32 * 1024 * 1024;

/// About how many they are then.
const ABOUT: usize = 16_384;

/// A token as one policy found it, by a hash of its text.
#[derive(Debug)]
pub(crate) struct Verified {
    pub(super) token: Arc<Token>,
    /// When it is no longer good, in seconds since 1970.
    pub(super) expires: u64,
    /// Whose keys it was found good with, by place.
    pub(super) issuer: usize,
    pub(super) generation: u64,
}

/// All that are remembered in this process.
#[derive(Debug)]
pub(crate) struct Remembered {
    tokens: Cache<(u64, Hash), Arc<Verified>, ByBytes>,
    /// How many policies there have been.
    policies: AtomicU64,
}

/// One policy's part. Another one may find the same token wanting.
#[derive(Debug)]
pub(crate) struct Memory {
    all: Arc<Remembered>,
    policy: u64,
}

impl Remembered {
    /// Nothing is remembered yet.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self::up_to(MAX_BYTES))
    }

    fn up_to(bytes: u64) -> Self {
        Self {
            tokens: Cache::with_weighter(ABOUT, bytes, ByBytes),
            policies: AtomicU64::new(0),
        }
    }

    /// For one policy that is about to be compiled.
    pub(crate) fn for_policy(self: &Arc<Self>) -> Memory {
        Memory {
            all: Arc::clone(self),
            policy: self.policies.fetch_add(1, Relaxed),
        }
    }
}

impl Memory {
    pub(super) fn find(&self, hash: &Hash) -> Option<Arc<Verified>> {
        self.all.tokens.get(&(self.policy, *hash))
    }

    pub(super) fn remember(&self, hash: Hash, token: Verified) {
        self.all.tokens.insert((self.policy, hash), Arc::new(token));
    }
}

#[derive(Debug, Clone)]
struct ByBytes;

impl Weighter<(u64, Hash), Arc<Verified>> for ByBytes {
    fn weight(&self, key: &(u64, Hash), verified: &Arc<Verified>) -> u64 {
        let token = &verified.token;
        let own = size_of_val(key) + size_of::<Verified>() + size_of::<Token>();
        let subject = token.subject.as_ref().map_or(0, |subject| subject.len());
        (own + subject + of_claims(&token.claims)) as u64
    }
}

/// About how many bytes claims take up.
fn of_claims(claims: &Map<String, Value>) -> usize {
    let claims = claims.iter();
    claims
        .map(|(name, value)| size_of::<String>() + name.len() + of_claim(value))
        .sum()
}

fn of_claim(value: &Value) -> usize {
    let more = match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(of_claim).sum(),
        Value::Object(claims) => of_claims(claims),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    };
    size_of::<Value>() + more
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn token(groups: usize) -> Verified {
        let groups = vec!["a group with a name"; groups];
        let claims = json!({"sub": "ann", "groups": groups});
        Verified {
            token: Arc::new(Token {
                subject: Some("ann".into()),
                claims: claims.as_object().expect("claims").clone(),
            }),
            expires: u64::MAX,
            issuer: 0,
            generation: 0,
        }
    }

    fn hash(number: u64) -> Hash {
        let mut hash = Hash::default();
        hash[..8].copy_from_slice(&number.to_be_bytes());
        hash
    }

    #[test]
    fn large_tokens_take_the_place_of_many_small_ones() {
        const BYTES: u64 = 8 * 1024 * 1024;
        let all = Arc::new(Remembered::up_to(BYTES));
        let memory = all.for_policy();
        let count = |groups| {
            (0..20_000).for_each(|number| memory.remember(hash(number), token(groups)));
            assert!(all.tokens.weight() <= BYTES, "{} bytes", all.tokens.weight());
            all.tokens.len()
        };
        let (small, large) = (count(1), count(500));
        assert!(small > 10_000, "{small} small ones");
        assert!(large < 400, "{large} large ones");
        assert!(large > 100, "{large} large ones");
    }

    #[test]
    fn what_one_policy_found_good_another_has_to_see_for_itself() {
        let all = Remembered::new();
        let (one, other) = (all.for_policy(), all.for_policy());
        one.remember(hash(1), token(1));
        assert!(one.find(&hash(1)).is_some());
        assert!(other.find(&hash(1)).is_none());
    }
}
