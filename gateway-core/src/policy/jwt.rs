//! `auth.jwt`: callers present a signed token of a trusted issuer (RFC 7519, RFC 6750).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use aws_lc_rs::digest::{SHA256, digest};
use gatehouse_schemas::policy::{JwtAlgorithm, JwtPolicy};
use http::{HeaderMap, HeaderValue, header};
use jsonwebtoken::{Algorithm, Validation, decode, decode_header, get_current_timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::{
    api_key::Hash,
    jwks::{Jwks, KeySet},
};
use crate::proxy::problem::Problem;

/// The longest token looked at.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// The most verified tokens remembered.
const MAX_REMEMBERED: usize = 10_000;

/// A compiled policy.
#[derive(Debug)]
pub(crate) struct Jwt {
    keys: Arc<Jwks>,
    /// What must hold, by algorithm; those not listed are not accepted.
    validations: Vec<(Algorithm, Validation)>,
    required_scopes: Vec<String>,
    leeway: u64,
    verified: Mutex<HashMap<Hash, Verified>>,
}

/// A token that was found good, so that its signature need not be checked again.
#[derive(Debug)]
struct Verified {
    subject: Option<Arc<str>>,
    expires: u64,
    generation: u64,
}

/// What of a token's claims is looked at beyond the registered ones that the library checks.
#[derive(Debug, Deserialize)]
struct Claims {
    exp: f64,
    #[serde(default)]
    sub: Option<Value>,
    #[serde(default)]
    scope: Option<Value>,
    #[serde(default)]
    scp: Option<Value>,
}

/// Why a token did not pass with the keys at hand.
enum Refused {
    /// Other keys might change that.
    UnknownKey,
    /// For good.
    For(Problem),
}

impl Jwt {
    /// Compiles the policy.
    pub(crate) fn compile(policy: &JwtPolicy, keys: Arc<Jwks>) -> Result<Self, String> {
        if policy.algorithms.is_empty() || policy.audiences.is_empty() || policy.issuer.is_empty() {
            return Err(
                "it needs an issuer, an audience and an algorithm, or every token would pass".to_owned(),
            );
        }
        let validation = |algorithm: &JwtAlgorithm| {
            let algorithm = translated(*algorithm);
            let mut validation = Validation::new(algorithm);
            validation.set_required_spec_claims(&["exp", "iss", "aud"]);
            validation.set_issuer(&[&policy.issuer]);
            validation.set_audience(&policy.audiences);
            validation.validate_nbf = true;
            validation.leeway = policy.clock_skew_seconds.into();
            (algorithm, validation)
        };
        Ok(Self {
            keys,
            validations: policy.algorithms.iter().map(validation).collect(),
            required_scopes: policy.required_scopes.clone(),
            leeway: policy.clock_skew_seconds.into(),
            verified: Mutex::default(),
        })
    }

    /// Whose token the request carries, if the token says so.
    pub(crate) async fn check(&self, headers: &HeaderMap) -> Result<Option<Arc<str>>, Problem> {
        let token = bearer(headers)?;
        let mut asked = None;
        let mut exhausted = false;
        loop {
            let keys = self.keys.current();
            match &keys {
                Some(keys) => match self.verify(token, keys) {
                    Ok(subject) => return Ok(subject),
                    Err(Refused::For(problem)) => return Err(problem),
                    Err(Refused::UnknownKey) => {}
                },
                // Before anybody waits for keys, the token must look as if one could fit.
                None => drop(self.read_header(token)?),
            }
            if exhausted {
                return Err(no_key(keys.is_some()));
            }
            let asked = *asked.get_or_insert_with(Instant::now);
            exhausted = self.keys.refresh(asked).await;
        }
    }

    fn verify(&self, token: &str, keys: &Arc<KeySet>) -> Result<Option<Arc<str>>, Refused> {
        self.keys.keep_fresh(keys);
        let hash = hash(token);
        if let Some(subject) = self.remembered(&hash, keys) {
            return Ok(subject);
        }
        let (algorithm, id, validation) = self.read_header(token).map_err(Refused::For)?;
        let mut candidates = keys.candidates(id.as_deref(), algorithm).peekable();
        if candidates.peek().is_none() {
            return Err(Refused::UnknownKey);
        }
        let mut reason = None;
        for candidate in candidates {
            match decode::<Claims>(token, &candidate.key, validation) {
                Ok(decoded) => return self.accept(hash, &decoded.claims, keys).map_err(Refused::For),
                Err(error) => reason = Some(error),
            }
        }
        let reason = reason.map_or_else(String::new, |error| error.to_string());
        Err(Refused::For(invalid(&reason)))
    }

    fn read_header(&self, token: &str) -> Result<(Algorithm, Option<String>, &Validation), Problem> {
        let header = decode_header(token).map_err(|_| invalid("it is not a signed token"))?;
        if header.crit.is_some() {
            // No extension is known here, and this one must not be passed over (RFC 7515, section 4.1.11).
            return Err(invalid("it demands an extension that is not known"));
        }
        let accepted = self
            .validations
            .iter()
            .find(|(algorithm, _)| *algorithm == header.alg);
        let (algorithm, validation) = accepted.ok_or_else(|| invalid("its algorithm is not accepted"))?;
        Ok((*algorithm, header.kid, validation))
    }

    fn accept(&self, hash: Hash, claims: &Claims, keys: &KeySet) -> Result<Option<Arc<str>>, Problem> {
        if let Some(missing) = self
            .required_scopes
            .iter()
            .find(|scope| !has_scope(claims, scope))
        {
            let challenge = format!(
                "Bearer error=\"insufficient_scope\", scope=\"{}\"",
                self.required_scopes.join(" ")
            );
            let problem = Problem::forbidden(format!("The token lacks the scope `{missing}`."));
            return Err(match HeaderValue::try_from(challenge) {
                Ok(challenge) => problem.with(header::WWW_AUTHENTICATE, challenge),
                Err(_) => problem,
            });
        }
        let subject = claims.sub.as_ref().and_then(Value::as_str).map(Arc::from);
        let verified = Verified {
            subject: subject.clone(),
            expires: expiry(claims.exp).saturating_add(self.leeway),
            generation: keys.generation,
        };
        self.remember(hash, verified);
        Ok(subject)
    }

    /// A token found good before, as long as the keys are the same and it has not expired.
    fn remembered(&self, hash: &Hash, keys: &KeySet) -> Option<Option<Arc<str>>> {
        let verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        let known = verified.get(hash)?;
        let good = known.generation == keys.generation && known.expires > get_current_timestamp();
        good.then(|| known.subject.clone())
    }

    fn remember(&self, hash: Hash, token: Verified) {
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if verified.len() >= MAX_REMEMBERED {
            let now = get_current_timestamp();
            verified.retain(|_, known| known.expires > now && known.generation == token.generation);
            if verified.len() >= MAX_REMEMBERED {
                verified.clear();
            }
        }
        verified.insert(hash, token);
    }
}

fn translated(algorithm: JwtAlgorithm) -> Algorithm {
    match algorithm {
        JwtAlgorithm::RS256 => Algorithm::RS256,
        JwtAlgorithm::RS384 => Algorithm::RS384,
        JwtAlgorithm::RS512 => Algorithm::RS512,
        JwtAlgorithm::PS256 => Algorithm::PS256,
        JwtAlgorithm::PS384 => Algorithm::PS384,
        JwtAlgorithm::PS512 => Algorithm::PS512,
        JwtAlgorithm::ES256 => Algorithm::ES256,
        JwtAlgorithm::ES384 => Algorithm::ES384,
        JwtAlgorithm::EdDSA => Algorithm::EdDSA,
    }
}

/// The bearer token; exactly one must be there.
pub(super) fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    let missing = || {
        Problem::unauthenticated("This API needs a bearer token.")
            .with(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    };
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let value = given
        .next()
        .filter(|_| given.next().is_none())
        .ok_or_else(missing)?;
    let (scheme, token) = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .ok_or_else(missing)?;
    let token = token.trim();
    match scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && token.len() <= MAX_TOKEN_BYTES {
        true => Ok(token),
        false => Err(missing()),
    }
}

/// The answer when the newest keys do not help: there are others, or none at all.
fn no_key(others: bool) -> Problem {
    if others {
        return invalid("its key is not known");
    }
    Problem::keys_unavailable("The keys of the token's issuer cannot be fetched; try again later.")
        .with(header::RETRY_AFTER, HeaderValue::from_static("5"))
}

fn invalid(reason: &str) -> Problem {
    Problem::unauthenticated(format!("The bearer token is not valid: {reason}.")).with(
        header::WWW_AUTHENTICATE,
        HeaderValue::from_static("Bearer error=\"invalid_token\""),
    )
}

/// `scope` is a text of words (RFC 8693); `scp` may also be a list.
fn has_scope(claims: &Claims, wanted: &str) -> bool {
    [&claims.scope, &claims.scp]
        .into_iter()
        .flatten()
        .any(|value| match value {
            Value::String(words) => words.split(' ').any(|word| word == wanted),
            Value::Array(items) => items.iter().any(|item| item.as_str() == Some(wanted)),
            _ => false,
        })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "float casts saturate, and times before 1970 have expired"
)]
fn expiry(seconds: f64) -> u64 {
    seconds as u64
}

fn hash(token: &str) -> Hash {
    let mut hash = Hash::default();
    hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    hash
}
