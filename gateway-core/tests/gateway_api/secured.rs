//! The requests of the tests about certificates, which the suite has in its code.

use serde_json::{Value, json};

use crate::cases::Case;

const CALLER: &str = "tls-validity-checks-client-certificate";
const CALLER_OF_A_PORT: &str = "tls-validity-checks-per-port-client-certificate";

/// The requests of a test, if it is one of these.
pub(crate) fn cases(test: &str) -> Option<Vec<Case>> {
    let good = |path: &str, server_name: &'static str| {
        let mut case = asking("abc.example.com", path, json!({"StatusCode": 200}));
        case.backend = "tls-backend".into();
        case.seen_server_name = Some(server_name);
        case
    };
    let bad = |path: &str| {
        asking(
            "abc.example.com",
            path,
            json!({"StatusCodes": [500, 502, 503, 504]}),
        )
    };
    let own = "abc.example.com";
    Some(match test {
        "BackendTLSPolicy" => {
            let mut encrypted_twice = good("/backendtlspolicy", own);
            encrypted_twice.request.host = "https-listener.org".into();
            vec![
                encrypted_twice,
                good("/backendtlspolicy", own),
                bad("/backendtlspolicy-host-mismatch"),
                bad("/backendtlspolicy-cert-mismatch"),
            ]
        }
        "BackendTLSPolicySANValidation" => vec![
            good("/backendtlspolicy-san-dns", own),
            bad("/backendtlspolicy-san-dns-mismatch"),
            good("/backendtlspolicy-san-uri", own),
            bad("/backendtlspolicy-san-uri-mismatch"),
            good("/backendtlspolicy-multiple-sans", own),
            bad("/backendtlspolicy-multiple-mismatch-sans"),
        ],
        "BackendTLSPolicyConflictResolution" => vec![
            good(
                "/backendtlspolicy-conflicted-without-section-name",
                "other.example.com",
            ),
            good(
                "/backendtlspolicy-conflicted-with-section-name",
                "other.example.com",
            ),
            good(
                "/backendtlspolicy-not-conflicted-with-section-name",
                "other.example.com",
            ),
            good("/backendtlspolicy-not-conflicted-without-section-name", own),
        ],
        "BackendTLSPolicyInvalidCACertificateRef" => vec![
            bad("/backendtlspolicy-nonexistent-ca-certificate-ref"),
            bad("/backendtlspolicy-malformed-ca-certificate-ref"),
        ],
        "BackendTLSPolicyInvalidKind" => vec![bad("/backendtlspolicy-invalid-kind")],
        "GatewayTLSBackendClientCertificate" => {
            let mut case = good("/", own);
            case.seen_certificate = Some("tls-checks-client-certificate");
            vec![case]
        }
        "GatewayFrontendClientCertificateValidation" => vec![
            coming(443, Some(CALLER), true),
            coming(443, Some(CALLER_OF_A_PORT), false),
            coming(443, None, false),
            coming(8443, Some(CALLER_OF_A_PORT), true),
            coming(8443, Some(CALLER), false),
            coming(8443, None, false),
        ],
        "GatewayFrontendClientCertificateValidationInsecureFallback" => [443, 8443]
            .into_iter()
            .flat_map(|port| {
                [Some(CALLER), Some(CALLER_OF_A_PORT), None].map(|shown| coming(port, shown, true))
            })
            .collect(),
        "GatewayFrontendInvalidDefaultClientCertificateValidation" => {
            vec![coming(80, None, true), coming(443, None, false)]
        }
        _ => return None,
    })
}

pub(crate) fn asking(host: &str, path: &str, response: Value) -> Case {
    let case = json!({"Request": {"Host": host, "Path": path}, "Response": response});
    serde_json::from_value(case).expect("a case")
}

/// A caller at a port that shows a certificate, or none; whether it gets as far as an answer.
fn coming(port: u64, shown: Option<&'static str>, served: bool) -> Case {
    let (host, backend) = match port {
        8443 => ("second-example.org", "infra-backend-v2"),
        _ => ("example.org", "infra-backend-v1"),
    };
    let mut case = asking(host, "/", json!({"StatusCode": 200}));
    case.backend = backend.into();
    case.port = Some(port);
    case.shown = shown;
    case.unreachable = !served;
    case
}
