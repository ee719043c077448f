//! `auth.jwt`: callers present a signed token of a trusted issuer (RFC 7519, RFC 6750).

pub(crate) mod remembered;

use std::{sync::Arc, time::Instant};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use gatehouse_schemas::policy::{JwtAlgorithm, JwtPolicy};
use http::{HeaderMap, HeaderValue, header};
use jsonwebtoken::{Algorithm, Validation, decode, decode_header, get_current_timestamp};
use serde::Deserialize;
use serde_json::{Map, Value};

use self::remembered::{Memory, Verified};
use super::{
    api_key::{Hash, sha256},
    jwks::{Jwks, KeySet},
};
use crate::proxy::problem::Problem;

/// The longest token looked at.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// A compiled policy.
#[derive(Debug)]
pub(crate) struct Jwt {
    /// Whose tokens are good; at least one.
    issuers: Vec<Issuer>,
    required_scopes: Vec<String>,
    leeway: u64,
    /// Tokens that were found good.
    verified: Memory,
}

/// A trusted issuer.
#[derive(Debug)]
struct Issuer {
    name: String,
    keys: Arc<Jwks>,
    /// What must hold, by algorithm; those not listed are not accepted.
    validations: Vec<(Algorithm, Validation)>,
}

/// What a verified token says.
#[derive(Debug)]
pub(crate) struct Token {
    /// Whose it is, if it says so. Subjects of several issuers are told apart by the issuer before them.
    pub(crate) subject: Option<Arc<str>>,
    /// All its claims.
    pub(crate) claims: Map<String, Value>,
}

/// Why a token did not pass with the keys at hand.
enum Refused {
    /// Other keys might change that.
    UnknownKey,
    /// For good.
    For(Problem),
}

impl Jwt {
    /// Compiles the policy with what finds the keys at a URI, and a memory of its own for tokens.
    pub(crate) fn compile(
        policy: &JwtPolicy,
        keys: impl Fn(&str) -> Result<Arc<Jwks>, String>,
        verified: Memory,
    ) -> Result<Self, String> {
        let others = policy.also_trusted.iter();
        let others = others.map(|other| (&other.issuer, &other.audiences, &other.jwks_uri));
        let all = [(&policy.issuer, &policy.audiences, &policy.jwks_uri)]
            .into_iter()
            .chain(others);
        let issuers = all.map(|(issuer, audiences, jwks_uri)| {
            if policy.algorithms.is_empty() || audiences.is_empty() || issuer.is_empty() {
                return Err(
                    "it needs an issuer, an audience and an algorithm, or every token would pass".to_owned(),
                );
            }
            let validation = |algorithm: &JwtAlgorithm| validation(*algorithm, issuer, audiences, policy);
            Ok(Issuer {
                name: issuer.clone(),
                keys: keys(jwks_uri)?,
                validations: policy.algorithms.iter().map(validation).collect(),
            })
        });
        Ok(Self {
            issuers: issuers.collect::<Result<_, _>>()?,
            required_scopes: policy.required_scopes.clone(),
            leeway: policy.clock_skew_seconds.into(),
            verified,
        })
    }

    /// The valid token that the request carries.
    pub(crate) async fn check(&self, headers: &HeaderMap) -> Result<Arc<Token>, Problem> {
        let token = bearer(headers)?;
        let hash = sha256(token.as_bytes());
        if let Some(token) = self.remembered(&hash) {
            return Ok(token);
        }
        let (place, issuer) = self.issuer_of(token)?;
        let mut asked = None;
        let mut exhausted = false;
        loop {
            let keys = issuer.keys.current();
            match &keys {
                Some(keys) => match self.verify(token, issuer, keys) {
                    Ok(claims) => return self.accept(hash, claims, place, keys),
                    Err(Refused::For(problem)) => return Err(problem),
                    Err(Refused::UnknownKey) => {}
                },
                // Before anybody waits for keys, the token must look as if one could fit.
                None => drop(issuer.read_header(token)?),
            }
            if exhausted {
                return Err(no_key(keys.is_some()));
            }
            let asked = *asked.get_or_insert_with(Instant::now);
            exhausted = issuer.keys.refresh(asked).await;
        }
    }

    /// Whose token it says it is. Whether that is true, the issuer's keys tell.
    fn issuer_of(&self, token: &str) -> Result<(usize, &Issuer), Problem> {
        let mut issuers = self.issuers.iter().enumerate();
        if let [_] = self.issuers.as_slice() {
            // Its own validation says better what is wrong with a token of somebody else.
            return issuers.next().ok_or_else(|| invalid("nobody is trusted"));
        }
        let name = claimed_issuer(token).ok_or_else(|| invalid("it does not say who issued it"))?;
        issuers
            .find(|(_, issuer)| issuer.name == name)
            .ok_or_else(|| invalid("its issuer is not trusted"))
    }

    fn verify(
        &self,
        token: &str,
        issuer: &Issuer,
        keys: &Arc<KeySet>,
    ) -> Result<Map<String, Value>, Refused> {
        issuer.keys.keep_fresh(keys);
        let (algorithm, id, validation) = issuer.read_header(token).map_err(Refused::For)?;
        let mut candidates = keys.candidates(id.as_deref(), algorithm).peekable();
        if candidates.peek().is_none() {
            return Err(Refused::UnknownKey);
        }
        let mut reason = None;
        for candidate in candidates {
            match decode::<Map<String, Value>>(token, &candidate.key, validation) {
                Ok(decoded) => return Ok(decoded.claims),
                Err(error) => reason = Some(error),
            }
        }
        let reason = reason.map_or_else(String::new, |error| error.to_string());
        Err(Refused::For(invalid(&reason)))
    }

    fn accept(
        &self,
        hash: Hash,
        claims: Map<String, Value>,
        issuer: usize,
        keys: &KeySet,
    ) -> Result<Arc<Token>, Problem> {
        // RFC 7800: whoever cannot prove to have the key has stolen the token.
        if claims.get("cnf").is_some_and(|bound| !bound.is_null()) {
            return Err(invalid(
                "it is bound to a key of its holder, which is not checked here",
            ));
        }
        if let Some(missing) = self
            .required_scopes
            .iter()
            .find(|scope| !has_scope(&claims, scope))
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
        let expires = claims.get("exp").and_then(Value::as_f64).map_or(0, expiry);
        let token = Arc::new(Token {
            subject: self.consumer(&claims, issuer),
            claims,
        });
        let verified = Verified {
            token: Arc::clone(&token),
            expires: expires.saturating_add(self.leeway),
            issuer,
            generation: keys.generation,
        };
        self.verified.remember(hash, verified);
        Ok(token)
    }

    /// Whose a token is that one of the issuers vouches for. Each gives out subjects as it likes, so where there are
    /// several, one's subject is not another's.
    fn consumer(&self, claims: &Map<String, Value>, issuer: usize) -> Option<Arc<str>> {
        let subject = claims.get("sub").and_then(Value::as_str)?;
        let issuer = self.issuers.get(issuer).filter(|_| self.issuers.len() > 1);
        Some(match issuer {
            Some(issuer) => format!("{}|{subject}", issuer.name).into(),
            None => subject.into(),
        })
    }

    /// A token found good before, as long as its issuer's keys are the same and it has not expired.
    fn remembered(&self, hash: &Hash) -> Option<Arc<Token>> {
        let known = self.verified.find(hash)?;
        let jwks = &self.issuers.get(known.issuer)?.keys;
        let keys = jwks.current()?;
        let good = known.generation == keys.generation && known.expires > get_current_timestamp();
        good.then(|| {
            jwks.keep_fresh(&keys);
            Arc::clone(&known.token)
        })
    }
}

impl Issuer {
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
}

/// What must hold for a token with this algorithm.
fn validation(
    algorithm: JwtAlgorithm,
    issuer: &str,
    audiences: &[String],
    policy: &JwtPolicy,
) -> (Algorithm, Validation) {
    let algorithm = translated(algorithm);
    let mut validation = Validation::new(algorithm);
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    validation.set_issuer(&[issuer]);
    validation.set_audience(audiences);
    validation.validate_nbf = true;
    validation.leeway = policy.clock_skew_seconds.into();
    (algorithm, validation)
}

/// What a token says of its issuer, which nobody has checked.
fn claimed_issuer(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Claims {
        iss: String,
    }
    let payload = token.split('.').nth(1)?;
    let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
    serde_json::from_slice::<Claims>(&payload)
        .ok()
        .map(|claims| claims.iss)
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
fn has_scope(claims: &Map<String, Value>, wanted: &str) -> bool {
    ["scope", "scp"]
        .into_iter()
        .filter_map(|name| claims.get(name))
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
