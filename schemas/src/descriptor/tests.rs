//! Descriptors of connectors that are older or newer than this build.

use serde_json::json;

use super::*;

fn minimal() -> Value {
    json!({
        "gatewayType": "kong", "displayName": "Kong", "version": "1.0.0", "settingsSchema": {}, "policies": [],
        "capabilities": {"deploy": true},
    })
}

#[test]
fn what_an_older_connector_does_not_say_is_not_declared() {
    let descriptor: Descriptor = serde_json::from_value(minimal()).unwrap();
    let expected = Capabilities {
        deploy: true,
        ..Capabilities::default()
    };
    assert_eq!(descriptor.capabilities, expected);
    assert_eq!(descriptor.capabilities.limits, Limits::default());
    assert_eq!((descriptor.credentials.len(), descriptor.conformance), (0, None));
}

#[test]
fn what_a_newer_connector_says_beyond_this_is_ignored() {
    let mut newer = minimal();
    newer["capabilities"] = json!({
        "deploy": true, "teleport": true, "limits": {"operationsPerApi": 300, "moons": 2},
        "definitionsRead": ["openapi-9.0"],
    });
    newer["horoscope"] = json!({"sign": "libra"});
    newer["conformance"] = json!({"suite": "9.0.0", "level": "core", "passed": 3, "mood": "good"});
    let descriptor: Descriptor = serde_json::from_value(newer).unwrap();
    assert!(descriptor.capabilities.deploy);
    assert_eq!(descriptor.capabilities.limits.operations_per_api, Some(300));
    assert_eq!(descriptor.capabilities.definitions_read, ["openapi-9.0"]);
    assert_eq!(descriptor.conformance.unwrap().passed, 3);
}

#[test]
fn everything_that_can_be_declared_survives_being_written_and_read() {
    let mut whole = minimal();
    whole["capabilities"] = json!({
        "deploy": true, "undeploy": true, "observe": true, "discover": true, "check": true, "hints": true, "replicated": false,
        "adopt": true, "steps": true, "versions": true, "definitionsRead": ["openapi-3.0"],
        "definitionsWritten": ["openapi-3.1"], "largestPage": 500, "gatewayVersions": ["3.4 to 3.9"],
        "limits": {"operationsPerApi": 300, "apis": 600},
    });
    whole["credentials"] = json!([{"name": "key", "description": "the account's", "required": true}]);
    whole["conformance"] = json!({"suite": "1.2.0", "level": "extended", "passed": 40,
        "skipped": [{"behaviour": "a", "reason": "b"}], "failed": [{"behaviour": "c", "reason": "d"}]});
    let descriptor: Descriptor = serde_json::from_value(whole.clone()).unwrap();
    assert_eq!(serde_json::to_value(descriptor).unwrap(), whole);
}
