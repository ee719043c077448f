//! The defaults of fields, as reading a document gives them.
//!
//! They are found by reading the smallest document of each type and writing it again, so they are
//! what happens and not what somebody wrote down.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use crate::{
    api::{ActiveCheck, ApiSpec, LoadBalancing, OutlierEjection, Upstream, UpstreamEndpoint},
    environment::EnvironmentSpec,
    policy::{
        ApiKeyPolicy, BasicPolicy, CachePolicy, CorsPolicy, ExtWasmPolicy, JwtPolicy, LogPolicy,
        OAuth2Policy, QuotaPolicy, RateLimitPolicy, RespondPolicy, RetryPolicy,
    },
    resource::Metadata,
};

/// Writes the defaults of a type's fields into its schema.
pub(super) fn write(name: &str, schema: &mut Value) {
    let fields = of(name);
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else {
        return;
    };
    for (field, default) in fields {
        if let Some(property) = properties.get_mut(&field).and_then(Value::as_object_mut) {
            property.insert("default".to_owned(), default);
        }
    }
}

fn of(name: &str) -> Map<String, Value> {
    match name {
        "ActiveCheck" => read::<ActiveCheck>(json!({"path": "/"})),
        "ApiKeyPolicy" => read::<ApiKeyPolicy>(json!({"keys": []})),
        "ApiSpec" => read::<ApiSpec>(json!({"basePath": "/", "upstreams": {}})),
        "BasicPolicy" => read::<BasicPolicy>(json!({"users": []})),
        "CachePolicy" => read::<CachePolicy>(json!({"ttlSeconds": 1})),
        "CorsPolicy" => read::<CorsPolicy>(json!({"allowOrigins": []})),
        "EnvironmentSpec" => read::<EnvironmentSpec>(json!({"gatewayType": "x"})),
        "ExtWasmPolicy" => read::<ExtWasmPolicy>(json!({"module": "", "sha256": ""})),
        "JwtPolicy" => read::<JwtPolicy>(json!({"issuer": "", "audiences": [], "jwksUri": ""})),
        "LoadBalancing" => read::<LoadBalancing>(json!({})),
        "LogPolicy" => read::<LogPolicy>(json!({})),
        "Metadata" => read::<Metadata>(json!({"name": "x"})),
        "OAuth2Policy" => {
            read::<OAuth2Policy>(json!({"introspectionUrl": "", "clientId": "", "clientSecretRef": "x"}))
        }
        "OutlierEjection" => read::<OutlierEjection>(json!({})),
        "QuotaPolicy" => read::<QuotaPolicy>(json!({"requests": 1, "per": "day"})),
        "RateLimitPolicy" => read::<RateLimitPolicy>(json!({"limits": []})),
        "RespondPolicy" => read::<RespondPolicy>(json!({})),
        "RetryPolicy" => read::<RetryPolicy>(json!({"attempts": 1})),
        "Upstream" => read::<Upstream>(json!({"url": ""})),
        "UpstreamEndpoint" => read::<UpstreamEndpoint>(json!({"url": ""})),
        _ => Map::new(),
    }
}

fn read<T: DeserializeOwned + Serialize>(smallest: Value) -> Map<String, Value> {
    let written = serde_json::from_value::<T>(smallest.clone()).and_then(serde_json::to_value);
    let Ok(Value::Object(mut fields)) = written else {
        return Map::new();
    };
    fields.retain(|field, _| smallest.get(field).is_none());
    fields
}
