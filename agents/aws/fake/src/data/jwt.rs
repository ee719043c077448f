//! JWT authorizers of HTTP APIs: the issuer is asked for its keys, signature and claims are checked.

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde_json::Value;

use super::answer::Answer;
use super::exchange::Exchange;
use super::parameters;
use crate::cloud::Cloud;
use crate::place::{Entity, object, text};

/// Why a request is refused, if it is.
pub(crate) async fn refusal(
    cloud: &Cloud,
    exchange: &Exchange,
    authorizer: &Entity,
    route: &Entity,
) -> Option<Answer> {
    match claims(cloud, exchange, authorizer).await {
        Err(problem) => Some(unauthorized(&problem)),
        Ok(claims) if has_scope(&claims, route) => None,
        Ok(_) => Some(Answer::own(
            "ACCESS_DENIED",
            403,
            "ForbiddenException",
            "Forbidden",
        )),
    }
}

fn unauthorized(problem: &str) -> Answer {
    let mut answer = super::authorizers::unauthorized();
    let challenge = match problem {
        "" => "Bearer".to_owned(),
        problem => format!("Bearer scope=\"\" error=\"invalid_token\" error_description=\"{problem}\""),
    };
    answer.set("www-authenticate", &challenge);
    answer
}

async fn claims(cloud: &Cloud, exchange: &Exchange, authorizer: &Entity) -> Result<Value, String> {
    let sources = authorizer
        .get("identitySource")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let mut sources = sources.filter_map(Value::as_str);
    let found = sources.find_map(|source| parameters::selected(exchange, &Entity::new(), source));
    let found = found.ok_or_else(String::new)?;
    let token = found
        .strip_prefix("Bearer ")
        .or_else(|| found.strip_prefix("bearer "))
        .unwrap_or(&found);
    let configuration =
        object(authorizer, "jwtConfiguration").ok_or("the authorizer has no configuration")?;
    let issuer = text(configuration, "issuer");
    let header = decode_header(token).map_err(|_| "the token is malformed")?;
    let keys = keys(cloud, issuer)
        .await
        .ok_or("OIDC discovery endpoint communication error")?;
    let kid = header.kid.as_deref().ok_or("the token has no kid")?;
    let key = keys
        .find(kid)
        .ok_or("the token's kid is not known to the issuer")?;
    let key = DecodingKey::from_jwk(key).map_err(|_| "the issuer's key is unusable")?;
    let mut validation = Validation::new(header.alg);
    // Audience and times are checked below, as API Gateway does.
    validation.validate_aud = false;
    validation.validate_exp = false;
    validation.required_spec_claims.clear();
    let token = decode::<Value>(token, &key, &validation).map_err(|_| "signature verification failed")?;
    check(&token.claims, configuration, cloud.clock().now().as_secs_f64())?;
    Ok(token.claims)
}

async fn keys(cloud: &Cloud, issuer: &str) -> Option<JwkSet> {
    let base = issuer.trim_end_matches('/');
    let client = &cloud.traffic.client;
    let discovery = client
        .get(format!("{base}/.well-known/openid-configuration"))
        .send()
        .await
        .ok()?;
    let discovery: Value = discovery.json().await.ok()?;
    let keys = client
        .get(discovery.get("jwks_uri")?.as_str()?)
        .send()
        .await
        .ok()?;
    keys.json().await.ok()
}

fn check(claims: &Value, configuration: &Entity, now: f64) -> Result<(), String> {
    if claims["iss"] != text(configuration, "issuer") {
        return Err("the token has an invalid issuer".to_owned());
    }
    let audience = configuration.get("audience").and_then(Value::as_array);
    let named = match claims.get("aud") {
        Some(Value::Array(all)) => all.clone(),
        Some(one) => vec![one.clone()],
        None => claims.get("client_id").cloned().into_iter().collect(),
    };
    if audience
        .is_some_and(|audience| !audience.is_empty() && !named.iter().any(|one| audience.contains(one)))
    {
        return Err("the token has an invalid audience".to_owned());
    }
    let time = |name: &str| claims.get(name).and_then(Value::as_f64);
    if time("exp").is_none_or(|expires| expires <= now) {
        return Err("the token has expired".to_owned());
    }
    if time("nbf").is_some_and(|starts| starts > now) || time("iat").is_some_and(|issued| issued > now + 1.0)
    {
        return Err("the token is not yet valid".to_owned());
    }
    Ok(())
}

/// A route with scopes needs one of them.
fn has_scope(claims: &Value, route: &Entity) -> bool {
    let wanted = route.get("authorizationScopes").and_then(Value::as_array);
    let Some(wanted) = wanted.filter(|wanted| !wanted.is_empty()) else {
        return true;
    };
    let said = claims.get("scope").or_else(|| claims.get("scp"));
    let held: Vec<&str> = match said {
        Some(Value::String(text)) => text.split(' ').collect(),
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    wanted
        .iter()
        .filter_map(Value::as_str)
        .any(|scope| held.contains(&scope))
}
