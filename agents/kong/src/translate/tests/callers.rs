//! Who may call.

use gatehouse_connector_sdk::schemas::{desired::DesiredApi, identity::EnvironmentId, policy::JwtPolicy};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{api, config, form, form_with};
use crate::{
    client::node::Flavor,
    entities::Collection,
    translate::{IssuerKeys, issuer_of, signing_keys},
};

fn with_keys() -> Value {
    let key = json!({"consumer": "mobile", "secretRef": "mobile-key"});
    json!([{"type": "auth.apiKey", "with": {"in": "header", "name": "x-key", "keys": [key]}}])
}

#[test]
fn callers_of_another_environment_stay_outside_though_all_names_are_the_same() {
    let staging = api(&with_keys(), &[("GET", "/items", json!([]))]);
    let mut production = staging.clone();
    production.mark.environment_id = EnvironmentId(Uuid::from_u128(8));
    let allowed = |desired: &DesiredApi| config(&form(desired), "acl")["allow"].clone();
    assert_ne!(allowed(&staging), allowed(&production));
}

#[test]
fn each_caller_is_a_consumer_with_a_credential_in_the_group() {
    let form = form(&api(&with_keys(), &[("GET", "/items", json!([]))]));
    let consumer = form.of(Collection::Consumers).next().expect("a consumer");
    let credential = form.of(Collection::KeyAuths).next().expect("a key");
    let member = form.of(Collection::Acls).next().expect("a membership");
    assert_eq!(credential.fields["key"], "{secret mobile-key}");
    assert_eq!(credential.fields["consumer"]["id"], consumer.id);
    assert_eq!(member.fields["consumer"]["id"], consumer.id);
    assert_eq!(json!([member.fields["group"]]), config(&form, "acl")["allow"]);
}

/// The keys that an issuer publishes may be for several algorithms; each policy takes those that it names.
#[test]
fn policies_of_one_issuer_take_tokens_of_their_own_algorithms_alone() {
    let policy = |algorithm: &str| {
        json!({"type": "auth.jwt", "with": {
            "issuer": "https://login.example.com", "audiences": ["shop"],
            "jwksUri": "https://login.example.com/keys", "algorithms": [algorithm],
        }})
    };
    let set = json!({"keys": [
        {"kty": "RSA", "kid": "old", "alg": "RS256", "n": "sXch", "e": "AQAB"},
        {"kty": "RSA", "kid": "new", "alg": "RS512", "n": "sXch", "e": "AQAB"},
    ]});
    let mut keys = IssuerKeys::new();
    for algorithm in ["RS256", "RS512"] {
        let policy: JwtPolicy = serde_json::from_value(policy(algorithm)["with"].clone()).expect("a policy");
        keys.insert(issuer_of(&policy), signing_keys(&set, &policy));
    }
    let operations = [
        ("GET", "/a", json!([policy("RS256")])),
        ("GET", "/b", json!([policy("RS512")])),
    ];
    for (position, kid) in [(0, "old"), (1, "new")] {
        let form = form_with(
            &api(&json!([]), &operations[position..=position]),
            &keys,
            Flavor::Traditional,
        );
        let known: Vec<&Value> = form
            .of(Collection::Jwts)
            .map(|part| &part.fields["key"])
            .collect();
        assert_eq!(known, [kid]);
    }
}
