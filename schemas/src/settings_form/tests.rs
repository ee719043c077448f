//! What a form and a page say of a gateway type that has something of everything.

use expect_test::expect;
use serde_json::{Value, json};

use super::*;
use crate::{descriptor::Descriptor, parse};

fn kong() -> Descriptor {
    serde_json::from_value(json!({
        "gatewayType": "kong", "displayName": "Kong", "version": "1.4.2",
        "capabilities": {"deploy": true, "observe": true, "largestPage": 1000, "gatewayVersions": ["3.4 to 3.9"]},
        "settingsSchema": {
            "type": "object", "required": ["adminUrl", "login"], "additionalProperties": false,
            "properties": {
                "adminUrl": {"type": "string", "format": "uri", "pattern": "^https?://", "description": "Where the Admin API listens."},
                "login": {"type": "object", "description": "Who signs in.", "required": ["user"], "properties": {
                    "realm": {"type": "string", "default": "on", "description": "Where to."},
                    "user": {"type": "string", "minLength": 1, "description": "As whom."},
                }},
                "labels": {"type": "array", "items": {"type": "string"}, "description": "Only what | has\none of these."},
                "edition": {"enum": ["oss", "enterprise"], "type": "string", "default": "oss", "description": "Which edition."},
                "timeoutMs": {"type": ["integer", "null"], "minimum": 1, "maximum": 60000, "description": "How long one call may take."},
            },
        },
        "policies": [
            {"policy": "cors", "fidelity": {"level": "exact"}},
            {"policy": "retry", "fidelity": {"level": "approximated", "difference": "counts | differently"}},
            {"policy": "mtls", "fidelity": {"level": "unsupported", "reason": "it has none"}},
        ],
        "quotas": [{"operation": "*", "burst": 4, "intervalMs": 100}, {"operation": "CreateApi", "burst": 1, "intervalMs": 3000}],
        "accountSettings": ["adminUrl"],
        "credentials": [
            {"name": "trace", "description": "For calls that are traced."},
            {"name": "token", "description": "The Admin API's token.", "required": true},
        ],
        "permissions": [{"mode": "read-only", "language": "RBAC", "document": {"read": true},
            "derived": [{"name": "zone", "setting": "region", "byBeginning": {"cn-": "china"}, "otherwise": "world"}],
            "instructions": "Make a role."}],
        "conformance": {"suite": "1.0.0", "level": "core", "passed": 30, "skipped": [{"behaviour": "a", "reason": "b"}]},
    }))
    .unwrap()
}

#[test]
fn the_form_has_what_is_required_without_a_value_and_the_rest_as_comments() {
    expect![[r##"
        # An environment of gateway type kong (Kong, connector 1.4.2). Give a value to what is required,
        # take the `#` away from what you want to say, then: gatehouse apply -f FILE
        apiVersion: gatehouse.dev/v1
        kind: Environment
        metadata:
          name: kong-eu
        spec:
          gatewayType: kong
          # read-only, write-only or read-write
          mode: read-write
          settings:
            # Where the Admin API listens. (URL: matches ^https?://; required)
            adminUrl: # required
            # Who signs in. (object; required)
            login:
              # As whom. (text: length from 1; required)
              user: # required
              # Where to. (text; default "on")
              # realm: "on"
            # Which edition. (text: oss, enterprise; default oss)
            # edition: oss
            # Only what | has one of these. (list of text)
            # labels: []
            # How long one call may take. (whole number: from 1 to 60000)
            # timeoutMs:
          # Each credential is one of: `secretRef` (a Secret of the control plane), `env` (a variable of the
          # agent's process), `file` (a file on the agent's machine)
          credentials:
            # The Admin API's token.
            token:
              secretRef: # required
            # For calls that are traced.
            # trace:
            #   secretRef:
          # Where consumers reach the gateway, if the agent does not know better:
          # endpoints:
          #   - url: https://api.example.com
    "##]]
    .assert_eq(&form(&kong(), &"kong-eu".parse().unwrap()));
}

#[test]
fn the_page_tells_everything() {
    expect![[r##"
        # Kong

        What an environment of gateway type `kong` takes, and what can be done with it. `gatehouse env form kong` prints an environment to fill in.

        ## Settings

        `spec.settings` of the environment:

        | Setting | Type | Default | Allowed | Meaning |
        |---|---|---|---|---|
        | `adminUrl` | URL | **required** | matches `^https?://` | Where the Admin API listens. |
        | `login` | object | **required** |  | Who signs in. |
        | `login.user` | text | **required** | length from 1 | As whom. |
        | `login.realm` | text | `on` |  | Where to. |
        | `edition` | text | `oss` | `oss`, `enterprise` | Which edition. |
        | `labels` | list of text | – |  | Only what \| has one of these. |
        | `timeoutMs` | whole number | – | from 1 to 60000 | How long one call may take. |

        ## Credentials

        `spec.credentials` of the environment:

        | Credential | Required | Meaning |
        |---|---|---|
        | `trace` | no | For calls that are traced. |
        | `token` | yes | The Admin API's token. |

        ## Capabilities

        | Capability |  |
        |---|---|
        | `deploy` | yes |
        | `undeploy` | no |
        | `observe` | yes |
        | `discover` | no |
        | `check` | no |
        | `hints` | no |
        | `adopt` | no |
        | `replicated` | no |
        | `steps` | no |
        | `versions` | no |
        | `definitionsRead` | none |
        | `definitionsWritten` | none |
        | `largestPage` | 1000 |
        | `gatewayVersions` | 3.4 to 3.9 |
        | `limits.operationsPerApi` | none known |
        | `limits.apis` | none known |

        ## Policies

        A policy that is not listed cannot be expressed. At best, it is expressed

        | Policy | Expressed | What differs |
        |---|---|---|
        | `cors` | exactly |  |
        | `retry` | nearly | counts \| differently |
        | `mtls` | not at all | it has none |

        ## Quotas

        The vendor's published ones; environments with the same `adminUrl` share them.

        | Operation | At once | Then one every |
        |---|---|---|
        | all together | 4 | 100 ms |
        | `CreateApi` | 1 | 3000 ms |

        ## Permissions

        What the vendor's access control has to allow; `gatehouse env permissions` fills in an environment's settings.

        ### read-only (RBAC)

        Make a role.

        ```json
        {
          "read": true
        }
        ```

        `{derived.zone}` follows from the setting `region`: `china` where that begins with `cn-`, else `world`.

        ## Conformance

        Suite 1.0.0, level core: 30 passed, 1 skipped, 0 failed.

        | Skipped | Why |
        |---|---|
        | a | b |
    "##]].assert_eq(&page(&kong()));
}

fn check(descriptor: &Descriptor, fill_in: &[(&str, &str)]) -> Result<Value, String> {
    let mut text = form(descriptor, &"edge".parse().unwrap());
    for (line, filled) in fill_in {
        assert!(text.contains(line), "{line} is not in {text}");
        text = text.replace(line, filled);
    }
    let [document] = parse::documents(&text).unwrap().try_into().unwrap();
    match parse::document(&document) {
        Ok(_) => Ok(document),
        Err(issues) => Err(issues
            .iter()
            .map(|it| format!("{}: {}", it.pointer, it.detail))
            .collect()),
    }
}

#[test]
fn a_form_that_is_filled_in_is_a_document_with_settings_that_the_schema_takes() {
    let kong = kong();
    let filled = [
        ("adminUrl: # required", "adminUrl: http://kong"),
        ("user: # required", "user: me"),
        ("secretRef: # required", "secretRef: kong-token"),
        ("# edition: oss", "edition: enterprise"),
        ("# realm: \"on\"", "realm: \"off\""),
    ];
    let document = check(&kong, &filled).unwrap();
    let schema = jsonschema::validator_for(&kong.settings_schema).unwrap();
    assert!(schema.is_valid(&document["spec"]["settings"]), "{document:#}");
    assert_eq!(document["spec"]["settings"]["login"]["realm"], "off");
}

#[test]
fn a_form_without_what_is_required_is_refused() {
    let kong = kong();
    let refused = check(&kong, &[]).unwrap_err();
    assert!(refused.contains("/spec/credentials/token"), "{refused}");
    let schema = jsonschema::validator_for(&kong.settings_schema).unwrap();
    assert!(!schema.is_valid(&json!({"adminUrl": null, "login": {"user": null}})));
}

#[test]
fn a_form_without_anything_required_is_a_document_as_it_stands() {
    let mut plain = kong();
    plain.credentials.clear();
    plain.settings_schema = json!({"type": "object", "properties": {}});
    assert!(check(&plain, &[]).is_ok());
    plain.settings_schema =
        json!({"type": "object", "properties": {"steps": {"type": "integer", "default": 1}}});
    let document = check(&plain, &[]).unwrap();
    assert_eq!(document["spec"]["settings"], json!({}));
}
