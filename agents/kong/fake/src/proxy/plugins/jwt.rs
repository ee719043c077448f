//! `jwt`: a token signed with the key or the secret of one of the consumers' credentials.
//!
//! Messages and their order are those of `kong/plugins/jwt/handler.lua` of Kong 3.9.

use std::ops::ControlFlow;
use std::str::FromStr;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Plugin, credentials, or_default};
use crate::configuration::Entity;
use crate::proxy::answer::{Answer, text};
use crate::proxy::exchange::Exchange;
use crate::proxy::memory::Memory;
use crate::proxy::query;

/// Settings of `jwt`.
#[derive(Debug, Deserialize)]
pub(super) struct Jwt {
    #[serde(default, deserialize_with = "or_default")]
    uri_param_names: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    cookie_names: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    header_names: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    key_claim_name: String,
    #[serde(default, deserialize_with = "or_default")]
    secret_is_base64: bool,
    #[serde(default, deserialize_with = "or_default")]
    claims_to_verify: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    maximum_expiration: f64,
    anonymous: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    run_on_preflight: bool,
    realm: Option<String>,
}

/// Why a request is refused: the body of the 401.
type Refusal = Value;

impl Plugin for Jwt {
    fn access(&self, exchange: &mut Exchange, _memory: &Memory) -> ControlFlow<Answer> {
        let preflight = exchange.method == Method::OPTIONS && !self.run_on_preflight;
        if preflight || (self.anonymous.is_some() && exchange.credential.is_some()) {
            return ControlFlow::Continue(());
        }
        let Err(body) = self.authenticate(exchange) else {
            return ControlFlow::Continue(());
        };
        let realm = self
            .realm
            .as_ref()
            .map(|realm| format!(" realm=\"{realm}\""))
            .unwrap_or_default();
        let refusal = Answer::new(401, "application/json; charset=utf-8", body.to_string());
        let refusal = refusal.with("www-authenticate", &format!("Bearer{realm}"));
        credentials::anonymous_or(exchange, self.anonymous.as_deref(), refusal)
    }
}

impl Jwt {
    fn authenticate(&self, exchange: &mut Exchange) -> Result<(), Refusal> {
        let token = self.token(exchange).ok_or_else(|| message("Unauthorized"))?;
        let token = Token::read(&token).map_err(|problem| message(&format!("Bad token; {problem}")))?;
        let name = &self.key_claim_name;
        let key = token
            .claims
            .get(name)
            .or_else(|| token.header.get(name))
            .and_then(Value::as_str);
        let key = key.ok_or_else(|| message(&format!("No mandatory '{name}' in claims")))?;
        let configuration = Arc::clone(&exchange.configuration);
        let credential = credentials::find(&configuration, "jwt_secrets", "key", key)
            .ok_or_else(|| message(&format!("No credentials found for given '{name}'")))?;
        self.verify_signature(&token, credential)?;
        self.verify_claims(&token, exchange)?;
        let consumer = credentials::consumer_of(&configuration, credential)
            .ok_or_else(|| message(&format!("Could not find consumer for '{name}={key}'")))?;
        exchange.authenticate(consumer, Some(key.to_owned()));
        Ok(())
    }

    fn token(&self, exchange: &Exchange) -> Option<String> {
        let asked = exchange.asked_query.as_deref().unwrap_or_default();
        let in_query = self
            .uri_param_names
            .iter()
            .find_map(|name| query::value(asked, name));
        let in_cookie = || self.cookie_names.iter().find_map(|name| cookie(exchange, name));
        let in_header = || {
            self.header_names
                .iter()
                .find_map(|name| bearer(text(&exchange.asked_headers, name)?))
        };
        in_query.or_else(in_cookie).or_else(in_header)
    }

    fn verify_signature(&self, token: &Token, credential: &Entity) -> Result<(), Refusal> {
        let algorithm = credential
            .get("algorithm")
            .and_then(Value::as_str)
            .unwrap_or("HS256");
        if token.header.get("alg").and_then(Value::as_str) != Some(algorithm) {
            return Err(message("Invalid algorithm"));
        }
        let algorithm = Algorithm::from_str(algorithm).map_err(|_| message("Invalid algorithm"))?;
        let key = self
            .key(algorithm, credential)
            .ok_or_else(|| message("Invalid key/secret"))?;
        let valid = jsonwebtoken::crypto::verify(&token.signature, token.signed.as_bytes(), &key, algorithm);
        if valid.unwrap_or(false) {
            Ok(())
        } else {
            Err(message("Invalid signature"))
        }
    }

    fn key(&self, algorithm: Algorithm, credential: &Entity) -> Option<DecodingKey> {
        let word = |name: &str| credential.get(name).and_then(Value::as_str);
        let pem = || word("rsa_public_key").map(str::as_bytes);
        match algorithm.family() {
            AlgorithmFamily::Hmac if self.secret_is_base64 => {
                let secret = word("secret")?.replace('-', "+").replace('_', "/");
                Some(DecodingKey::from_secret(&STANDARD.decode(secret).ok()?))
            }
            AlgorithmFamily::Hmac => Some(DecodingKey::from_secret(word("secret")?.as_bytes())),
            AlgorithmFamily::Rsa => DecodingKey::from_rsa_pem(pem()?).ok(),
            AlgorithmFamily::Ec => DecodingKey::from_ec_pem(pem()?).ok(),
            AlgorithmFamily::Ed => DecodingKey::from_ed_pem(pem()?).ok(),
        }
    }

    fn verify_claims(&self, token: &Token, exchange: &Exchange) -> Result<(), Refusal> {
        let now = exchange
            .now
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs_f64();
        let mut problems = Map::new();
        for claim in &self.claims_to_verify {
            let problem = match (claim.as_str(), token.claims.get(claim).and_then(Value::as_f64)) {
                (_, None) => "must be a number",
                ("exp", Some(expires)) if expires <= now => "token expired",
                ("nbf", Some(starts)) if starts > now => "token not valid yet",
                _ => continue,
            };
            problems.insert(claim.clone(), json!(problem));
        }
        let expires = token.claims.get("exp").and_then(Value::as_f64);
        let too_long = expires.is_none_or(|expires| expires - now > self.maximum_expiration);
        if problems.is_empty() && self.maximum_expiration > 0.0 && too_long {
            problems.insert("exp".to_owned(), json!("exceeds maximum allowed expiration"));
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Value::Object(problems))
        }
    }
}

fn message(text: &str) -> Refusal {
    json!({"message": text})
}

fn cookie(exchange: &Exchange, name: &str) -> Option<String> {
    let cookies = text(&exchange.asked_headers, "cookie")?.split(';');
    let mut pairs = cookies.filter_map(|cookie| cookie.trim().split_once('='));
    pairs.find_map(|(key, value)| (key == name && !value.is_empty()).then(|| value.to_owned()))
}

fn bearer(header: &str) -> Option<String> {
    let (scheme, token) = header.trim().split_once(char::is_whitespace)?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim().to_owned())
}

/// A token taken apart, not yet trusted.
struct Token {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    signed: String,
    signature: String,
}

impl Token {
    fn read(token: &str) -> Result<Self, &'static str> {
        let (signed, signature) = token.rsplit_once('.').ok_or("invalid JSON")?;
        let (header, claims) = signed.split_once('.').ok_or("invalid JSON")?;
        let (header, claims) = (object(header)?, object(claims)?);
        Ok(Self {
            header,
            claims,
            signed: signed.to_owned(),
            signature: signature.to_owned(),
        })
    }
}

fn object(part: &str) -> Result<Map<String, Value>, &'static str> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| "invalid JSON")?;
    serde_json::from_slice(&bytes).map_err(|_| "invalid JSON")
}
