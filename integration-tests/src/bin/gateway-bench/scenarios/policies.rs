//! CPU time per request with policies, beside Envoy and nginx without any.

use gatehouse_integration_tests::stack::{api, api_key_policy, secret};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp, jwk::Jwk};
use serde_json::{Value, json};

use super::{
    Effort,
    side_by_side::{SideBySide, http1},
};
use crate::{
    candidate::{Candidate, compare, ready},
    figures::Outcome,
    load::{self, Load, Protocol},
};

const KEY: &str = "a-benchmark-key-of-a-usual-length";
const ISSUER: &str = "https://idp.test";
const CONNECTIONS: u32 = 32;

/// What counts requests beside an API key: so many that nobody is refused.
fn counted() -> Value {
    json!({"type": "ratelimit", "with": {"limits": [{"requests": 4_000_000_000_u32, "per": "day"}], "key": "consumer"}})
}

pub(super) async fn measure(effort: &Effort) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::default();
    if let Some(missing) = load::missing(Protocol::Http1) {
        outcome.left_out.push(missing);
        return Ok(outcome);
    }
    let setting = SideBySide::start().await?;
    outcome.left_out.extend(setting.left_out.iter().cloned());
    let token = deploy(&setting).await?;
    let peers: Vec<Candidate> = setting
        .candidates("1k", http1)
        .into_iter()
        .filter(|candidate| candidate.name != "HAProxy")
        .map(|candidate| Candidate {
            name: match candidate.name.as_str() {
                "gateway" => "gateway, pass-through".to_owned(),
                _ => candidate.name,
            },
            ..candidate
        })
        .collect();
    for (name, path, header) in [
        (
            "gateway, API key + limit + headers",
            "/keyed/1k",
            format!("x-api-key: {KEY}"),
        ),
        (
            "gateway, JWT + keyed limit + headers",
            "/token/1k",
            format!("authorization: Bearer {token}"),
        ),
    ] {
        let ours = setting.gateway(name, http1, path, vec![header]);
        ready(&ours, 1_024).await?;
        let mut candidates = vec![ours];
        candidates.extend(peers.iter().cloned());
        let load = Load {
            protocol: Protocol::Http1,
            seconds: effort.seconds_or(4),
            connections: CONNECTIONS,
        };
        let (_, case) = name.split_once(", ").unwrap_or(("", name));
        let compared = compare(case, &candidates, load, effort, &[("Envoy", 0.6)]).await?;
        outcome.comparisons.push(compared);
    }
    Ok(outcome)
}

/// Deploys an API with a key and one with tokens; a token.
async fn deploy(setting: &SideBySide) -> anyhow::Result<String> {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    let key = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes())?;
    let mut public = Jwk::from_encoding_key(&key, Algorithm::ES256)?;
    public.common.key_id = Some("one".to_owned());
    let keys = setting
        .backend
        .publish("jwks.json", &json!({"keys": [public]}).to_string())?;
    let changes = json!({"type": "headers", "with": {
        "request": {"set": {"x-from": "gatehouse"}, "remove": ["x-unwanted"]},
        "response": {"set": {"x-served-by": "gatehouse"}, "remove": ["server"]},
    }});
    let mut keyed = api("keyed", &setting.backend.url());
    keyed["spec"]["policies"] = json!([api_key_policy("benchmark", "benchmark-key"), counted(), changes]);
    let mut by_token = api("token", &setting.backend.url());
    by_token["spec"]["policies"] = json!([
        {"type": "auth.jwt", "with": {"issuer": ISSUER, "audiences": ["benchmark"], "jwksUri": keys}},
        counted(),
        changes,
    ]);
    let admin = &setting.stack.admin;
    admin
        .apply(json!([secret("benchmark-key", KEY), keyed, by_token]))
        .await;
    for name in ["keyed", "token"] {
        admin.deploy_and_wait(name, None, "local").await;
    }
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some("one".to_owned());
    let claims = json!({
        "iss": ISSUER, "aud": ["benchmark"], "sub": "benchmark", "exp": get_current_timestamp() + 86_400,
    });
    Ok(encode(&header, &claims, &key)?)
}
