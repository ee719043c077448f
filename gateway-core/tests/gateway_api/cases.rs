//! The cases as the project writes them, and what is not for this gateway.

use std::{collections::BTreeMap, fs};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{secured, world::data};

/// One test of the suite.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Test {
    pub(crate) short_name: String,
    pub(crate) features: Vec<String>,
    pub(crate) manifests: Vec<String>,
    #[serde(default, rename = "cases")]
    cases: Option<Vec<Case>>,
}

/// One request and what must come of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Case {
    pub(crate) request: Request,
    /// What the backend must see, if it is not the request.
    #[serde(default)]
    pub(crate) expected_request: Option<Expected>,
    /// The beginning of the backend's name; computed names are not here.
    #[serde(default)]
    pub(crate) backend: Value,
    #[serde(default)]
    pub(crate) namespace: Value,
    #[serde(default)]
    pub(crate) response: Response,
    /// Where the answer sends callers.
    #[serde(default)]
    pub(crate) redirect_request: Option<Redirect>,
    #[serde(default)]
    pub(crate) backend_set_response_headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) mirrored_to: Vec<Value>,
    /// The host that the connection is made for, if it is not the request's.
    #[serde(skip)]
    pub(crate) server_name: Option<&'static str>,
    /// The port that it is sent to, if the test has several.
    #[serde(skip)]
    pub(crate) port: Option<u64>,
    /// The secret with the certificate that the caller shows.
    #[serde(skip)]
    pub(crate) shown: Option<&'static str>,
    /// There must be no answer at all.
    #[serde(skip)]
    pub(crate) unreachable: bool,
    /// The host that the backend must have been asked for in the TLS handshake.
    #[serde(skip)]
    pub(crate) seen_server_name: Option<&'static str>,
    /// The secret with the certificate that it must have been shown there.
    #[serde(skip)]
    pub(crate) seen_certificate: Option<&'static str>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Request {
    pub(crate) host: Value,
    pub(crate) path: Value,
    pub(crate) method: Option<String>,
    /// How clients speak, as the suite calls it.
    pub(crate) protocol: Value,
    pub(crate) headers: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Expected {
    pub(crate) request: Request,
    pub(crate) absent_headers: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Response {
    status_code: Option<Value>,
    status_codes: Vec<Value>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) absent_headers: Vec<String>,
    /// By name, each of these is good.
    pub(crate) valid_header_values: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Redirect {
    pub(crate) scheme: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) port: Option<String>,
    pub(crate) path: Option<String>,
}

impl Request {
    /// Whether it is sent over HTTP/2.
    pub(crate) fn is_http2(&self) -> bool {
        let named = self.protocol["$expr"].as_str().unwrap_or_default();
        [
            "roundtripper.H2CPriorKnowledgeProtocol",
            "roundtripper.H2Protocol",
        ]
        .contains(&named)
    }
}

impl Response {
    /// The status codes that are good.
    pub(crate) fn statuses(&self) -> Vec<u64> {
        let written = self.status_code.iter().chain(&self.status_codes);
        let statuses: Vec<u64> = written.filter_map(Value::as_u64).collect();
        if statuses.is_empty() { vec![200] } else { statuses }
    }
}

impl Test {
    /// Whether every gateway for HTTP must pass it.
    pub(crate) fn is_core(&self) -> bool {
        let basic = ["Gateway", "HTTPRoute", "ReferenceGrant"];
        self.features
            .iter()
            .all(|feature| basic.contains(&feature.as_str()))
    }

    /// Its requests; where the suite computes them, as it computes them.
    pub(crate) fn cases(&self) -> Vec<Case> {
        if let Some(cases) = secured::cases(&self.short_name) {
            return cases;
        }
        let written = self.cases.clone().unwrap_or_default();
        match self.short_name.as_str() {
            "HTTPRouteBackendRequestHeaderModifier" => {
                let all = all();
                let same = all
                    .iter()
                    .find(|test| test.short_name == "HTTPRouteRequestHeaderModifier");
                same.expect("the test that it repeats").cases()
            }
            "HTTPRouteServiceTypes" => [
                "manual-endpointslices",
                "headless",
                "headless-manual-endpointslices",
            ]
            .map(|path| {
                let mut case = written[0].clone();
                case.request.path = format!("/{path}").into();
                case
            })
            .into(),
            "HTTPRouteHTTPSListener" => [
                ("example.org", "infra-backend-v1", 200),
                ("unknown-example.org", "", 404),
                ("second-example.org", "infra-backend-v2", 200),
            ]
            .map(|(host, backend, status)| {
                let mut case = written[0].clone();
                case.request.host = host.into();
                case.backend = backend.into();
                case.response.status_code = Some(status.into());
                case
            })
            .into(),
            "HTTPRouteHTTPSListenerDetectMisdirectedRequests" => misdirected(&written[0]),
            "HTTPRouteRetry" => RETRIED.iter().map(retried).collect(),
            _ => written,
        }
    }
}

/// A host that is asked for, the status, and who answers.
type Asked = (&'static str, u64, &'static str);

/// What is asked for on a connection, by the host that it was made for.
const MISDIRECTED: [(&str, &[Asked]); 5] = [
    (
        "example.org",
        &[
            ("example.org", 200, "infra-backend-v1"),
            ("second-example.org", 421, ""),
            ("unknown-example.org", 404, ""),
        ],
    ),
    (
        "second-example.org",
        &[
            ("second-example.org", 200, "infra-backend-v2"),
            ("example.org", 421, ""),
            ("unknown-example.org", 421, ""),
        ],
    ),
    (
        "third-example.wildcard.org",
        &[
            ("third-example.wildcard.org", 200, "infra-backend-v3"),
            ("fith-example.wildcard.org", 200, "infra-backend-v3"),
            ("fourth-example.wildcard.org", 421, ""),
            ("second-example.org", 421, ""),
            ("unknown-example.org", 421, ""),
        ],
    ),
    (
        "fourth-example.wildcard.org",
        &[
            ("fourth-example.wildcard.org", 200, "infra-backend-v1"),
            ("fith-example.wildcard.org", 421, ""),
        ],
    ),
    (
        "unknown-example.org",
        &[
            ("example.org", 200, "infra-backend-v1"),
            ("unknown-example.org", 404, ""),
        ],
    ),
];

/// A path, the status with which the backend answers so many times before it serves, and what the caller gets.
type Retried = (&'static str, u64, u64, u64);

const RETRIED: [Retried; 11] = [
    ("code-500-attempts-3", 500, 2, 200),
    ("code-500-attempts-3", 500, 4, 500),
    ("code-500-attempts-3", 503, 2, 503),
    ("code-all-attempts-2", 500, 1, 200),
    ("code-all-attempts-2", 500, 3, 500),
    ("code-all-attempts-2", 502, 1, 200),
    ("code-all-attempts-2", 502, 3, 502),
    ("code-all-attempts-2", 503, 1, 200),
    ("code-all-attempts-2", 503, 3, 503),
    ("code-all-attempts-2", 504, 1, 200),
    ("code-all-attempts-2", 504, 3, 504),
];

fn retried((path, failure, times, status): &Retried) -> Case {
    let path = format!("/retry/{path}?responseCode={failure}&succeedAfter={times}");
    let mut case = secured::asking("gateway.test", &path, json!({"StatusCode": status}));
    if *status == 200 {
        case.backend = "infra-backend-v3".into();
    }
    case
}

fn misdirected(written: &Case) -> Vec<Case> {
    let one = |name: &'static str, &(host, status, backend): &Asked| {
        let mut case = written.clone();
        case.server_name = Some(name);
        case.request.host = host.into();
        case.backend = backend.into();
        case.response.status_code = Some(status.into());
        case.response.status_codes = Vec::new();
        case
    };
    let all = MISDIRECTED.into_iter();
    all.flat_map(|(name, asked)| asked.iter().map(move |asked| one(name, asked)))
        .collect()
}

/// All tests, for HTTP or not.
pub(crate) fn all() -> Vec<Test> {
    let text = fs::read_to_string(data().join("cases.json")).expect("the cases can be read");
    serde_json::from_str(&text).expect("the cases have their form")
}

/// Why a test says nothing of this gateway's traffic.
pub(crate) fn not_applicable(test: &Test) -> Option<&'static str> {
    let has = |feature: &str| test.features.iter().any(|own| own == feature);
    for (feature, reason) in [
        ("TCPRoute", "not HTTP"),
        ("UDPRoute", "not HTTP"),
        (
            "TLSRoute",
            "not HTTP: TLS is passed on, or its routes are refused",
        ),
        ("GRPCRoute", "routes of another kind, for gRPC"),
    ] {
        if has(feature) {
            return Some(reason);
        }
    }
    let computed = [
        "HTTPRouteBackendProtocolWebSocket",
        "HTTPRouteBackendRequestHeaderModifier",
        "HTTPRouteRetry",
    ];
    let tells = test.cases.is_some()
        || computed.contains(&test.short_name.as_str())
        || secured::cases(&test.short_name).is_some();
    (!tells).then_some("only conditions of Kubernetes objects, no request")
}
