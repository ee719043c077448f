//! `auth.basic` (RFC 7617): user names with passwords that are known by their SHA-256.
//!
//! A password is compared by its hash and in constant time, for unknown users as well, so the time an answer takes
//! says nothing about users or passwords.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use gatehouse_schemas::{identity::ResourceName, policy::BasicPolicy};
use http::{HeaderMap, HeaderValue, header};

use super::api_key::{Hash, hash_of, sha256};
use crate::proxy::problem::Problem;

/// The longest credentials that are looked at, in bytes of the header.
const MAX_BYTES: usize = 8 * 1024;

/// The users of one policy.
#[derive(Debug)]
pub(crate) struct Basic {
    /// Whether the upstream may see the credentials.
    pub(crate) forward: bool,
    users: HashMap<Vec<u8>, User>,
    challenge: HeaderValue,
}

#[derive(Debug)]
struct User {
    name: Arc<str>,
    password: Hash,
}

impl Basic {
    /// Compiles the policy; a password whose hash is not there is an error.
    pub(crate) fn compile(
        policy: &BasicPolicy,
        hashes: &BTreeMap<ResourceName, String>,
    ) -> Result<Self, String> {
        if policy.users.is_empty() {
            return Err("it lists no users, so nobody could call".to_owned());
        }
        let mut users = HashMap::with_capacity(policy.users.len());
        for user in &policy.users {
            let known = User {
                name: Arc::from(user.username.as_str()),
                password: hash_of(&user.secret_ref, hashes)?,
            };
            if users.insert(user.username.clone().into_bytes(), known).is_some() {
                return Err(format!("user `{}` is listed twice", user.username));
            }
        }
        let challenge = format!("Basic realm=\"{}\", charset=\"UTF-8\"", policy.realm);
        Ok(Self {
            forward: policy.forward,
            users,
            challenge: HeaderValue::try_from(challenge)
                .map_err(|_| format!("`{}` cannot name a realm", policy.realm))?,
        })
    }

    /// Who the request is from.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<Arc<str>, Problem> {
        let user = credentials(headers).and_then(|(name, password)| self.user(&name, &password));
        user.ok_or_else(|| {
            Problem::unauthenticated("This API needs a known user name and its password.")
                .with(header::WWW_AUTHENTICATE, self.challenge.clone())
        })
    }

    fn user(&self, name: &[u8], password: &[u8]) -> Option<Arc<str>> {
        let known = self.users.get(name);
        let presented = sha256(password);
        let expected = known.map_or(Hash::default(), |user| user.password);
        let equal = verify_slices_are_equal(&presented, &expected).is_ok();
        // A secret that was left empty is no password.
        known
            .filter(|_| equal && !password.is_empty())
            .map(|user| Arc::clone(&user.name))
    }
}

/// User name and password, if there is exactly one pair.
fn credentials(headers: &HeaderMap) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let value = given.next().filter(|_| given.next().is_none())?;
    let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") || encoded.len() > MAX_BYTES {
        return None;
    }
    let pair = STANDARD.decode(encoded.trim()).ok()?;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    Some((pair[..colon].to_vec(), pair[colon + 1..].to_vec()))
}

#[cfg(test)]
mod tests {
    use gatehouse_schemas::canonical::hexadecimal;
    use serde_json::json;

    use super::*;

    fn compiled() -> Basic {
        let policy = json!({"realm": "orders", "users": [
            {"username": "shop", "secretRef": "a"}, {"username": "böb", "secretRef": "b"}, {"username": "none", "secretRef": "c"},
        ]});
        let hash = |password: &str| hexadecimal(&sha256(password.as_bytes()));
        let hashes = BTreeMap::from([
            ("a".parse().unwrap(), hash("pass:word")),
            ("b".parse().unwrap(), hash("pässword")),
            ("c".parse().unwrap(), hash("")),
        ]);
        Basic::compile(&serde_json::from_value(policy).expect("a policy"), &hashes).expect("it compiles")
    }

    fn headers(values: &[&str]) -> HeaderMap {
        let value = |text: &&str| {
            (
                header::AUTHORIZATION,
                HeaderValue::try_from(*text).expect("a value"),
            )
        };
        values.iter().map(value).collect()
    }

    fn basic(pair: &str) -> String {
        format!("Basic {}", STANDARD.encode(pair))
    }

    #[test]
    fn a_user_with_the_right_password_is_let_in_by_name() {
        let policy = compiled();
        for (pair, name) in [("shop:pass:word", "shop"), ("böb:pässword", "böb")] {
            let user = policy.check(&headers(&[&basic(pair)])).expect("known");
            assert_eq!(user.as_ref(), name);
        }
        let lower = basic("shop:pass:word").replace("Basic", "basic");
        policy
            .check(&headers(&[&lower]))
            .expect("the scheme is the same in any case");
    }

    #[test]
    fn everybody_else_is_refused_with_a_challenge() {
        let policy = compiled();
        let right = basic("shop:pass:word");
        let wrong = ["shop:wrong", "other:pass:word", "shop", "none:"].map(basic);
        let bearer = right.replace("Basic", "Bearer");
        let alone = wrong.iter().chain([&bearer]).map(String::as_str);
        let mut all: Vec<Vec<&str>> = alone.chain(["Basic !!!", "Basic"]).map(|one| vec![one]).collect();
        all.extend([vec![], vec![&*right, &*right]]);
        for refused in &all {
            let problem = policy.check(&headers(refused)).expect_err("refused");
            assert_eq!(problem.status, 401);
            let (_, challenge) = &problem.headers[0];
            assert_eq!(challenge, "Basic realm=\"orders\", charset=\"UTF-8\"");
        }
    }

    #[test]
    fn a_policy_without_its_hashes_does_not_compile() {
        let policy = json!({"users": [{"username": "shop", "secretRef": "a"}]});
        let policy = serde_json::from_value(policy).expect("a policy");
        let missing = Basic::compile(&policy, &BTreeMap::new()).expect_err("missing");
        assert!(missing.contains("secret `a`"), "{missing}");
    }
}
