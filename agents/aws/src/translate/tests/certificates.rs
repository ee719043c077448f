//! Client certificates, and the address that AWS gives an API.

use expect_test::{Expect, expect};
use gatehouse_connector_sdk::schemas::descriptor::Fidelity;
use serde_json::{Value, json};

use super::{api, form, settings};
use crate::{config::AwsSettings, translate::fidelity};

const ADDRESS: &str = "/servers/0/x-amazon-apigateway-endpoint-configuration/disableExecuteApiEndpoint";

fn certificates() -> Value {
    json!({"type": "auth.mtls", "with": {"authorities": ["PEM"]}})
}

fn at_a_domain(more: Value) -> AwsSettings {
    let mut fields = json!({"domainName": "api.example.com"});
    for (name, value) in more.as_object().expect("an object") {
        fields[name] = value.clone();
    }
    settings(fields)
}

fn check(policies: &Value, of_one: &Value, settings: &AwsSettings, expected: Expect) {
    let desired = api(policies, &[("GET", "/items", of_one.clone())]);
    let said = |fidelity: &Fidelity| match fidelity {
        Fidelity::Exact => "exact".to_owned(),
        Fidelity::Approximated { difference } => format!("approximated: {difference}"),
        Fidelity::Unsupported { reason } => format!("unsupported: {reason}"),
    };
    let all: Vec<String> = fidelity(&desired, settings)
        .iter()
        .map(|it| said(&it.fidelity))
        .collect();
    expected.assert_eq(&all.join("\n"));
}

#[test]
fn a_domain_name_checks_them() {
    let (api, none) = (json!([certificates()]), json!([]));
    check(
        &api,
        &none,
        &at_a_domain(json!({})),
        expect![
            "approximated: `api.example.com` checks certificates against whatever truststore it has, with which `authorities` are not compared"
        ],
    );
    let pinned = json!({"mutualTls": {"truststoreUri": "s3://trust/ca.pem"}});
    check(
        &api,
        &none,
        &at_a_domain(pinned),
        expect![
            "approximated: `api.example.com` checks certificates against the truststore `s3://trust/ca.pem`, with which `authorities` are not compared"
        ],
    );
}

#[test]
fn what_would_not_be_checked_is_refused() {
    let (api, none) = (json!([certificates()]), json!([]));
    check(
        &api,
        &none,
        &settings(json!({})),
        expect![
            "unsupported: API Gateway checks client certificates at a custom domain name only; name one that has a truststore in the setting `domainName`"
        ],
    );
    for kind in ["edge", "private"] {
        check(
            &api,
            &none,
            &at_a_domain(json!({"endpointType": kind})),
            expect![
                "unsupported: API Gateway checks client certificates at regional endpoints only; set `endpointType` to `regional`"
            ],
        );
    }
    check(
        &none,
        &api,
        &at_a_domain(json!({})),
        expect![
            "unsupported: a domain name asks for certificates before it knows which operation is called; put the policy at the API"
        ],
    );
    let named = json!([{"type": "auth.mtls", "with": {"authorities": ["PEM"], "allowedNames": ["partner.example.com"]}}]);
    check(
        &named,
        &none,
        &at_a_domain(json!({})),
        expect![
            "unsupported: API Gateway lets in every certificate of its truststore's authorities, whatever names it has; leave `allowedNames` out"
        ],
    );
}

/// It would be a way round the domain name.
#[test]
fn the_address_that_aws_gives_is_switched_off_with_them() {
    let address = |policies: Value, settings: &AwsSettings| {
        let form = form(&api(&policies, &[("GET", "/items", json!([]))]), settings);
        (form.trust.is_some(), form.document.pointer(ADDRESS).cloned())
    };
    for kind in ["rest", "http"] {
        let settings = at_a_domain(json!({"kind": kind}));
        assert_eq!(
            address(json!([certificates()]), &settings),
            (true, Some(json!(true)))
        );
        assert_eq!(address(json!([]), &settings), (false, Some(json!(false))));
    }
    assert_eq!(address(json!([]), &settings(json!({}))), (false, None));
    // What is refused is not taken for guarded.
    assert_eq!(
        address(json!([certificates()]), &settings(json!({}))),
        (false, None)
    );
}
