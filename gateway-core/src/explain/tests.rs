use gatehouse_schemas::{identity::ExternalRef, revision::RevisionContent};
use http::HeaderMap;
use serde_json::{Value, json};

use super::*;

struct Apis(Vec<(ExternalRef, RevisionContent)>);

impl Apis {
    fn of(apis: &[(&str, Value)]) -> Self {
        let content = |(name, fields): &(&str, Value)| {
            let mut content = json!({
                "displayName": name, "version": "v1", "type": "rest", "direction": "ingress",
                "basePath": "/", "upstreams": {"main": {"url": "http://a"}},
            });
            for (field, value) in fields.as_object().expect("fields") {
                content[field] = value.clone();
            }
            let content = serde_json::from_value(content).expect("content");
            (ExternalRef((*name).to_owned()), content)
        };
        Self(apis.iter().map(content).collect())
    }

    fn explain(&self, method: &str, url: &str) -> Explanation {
        let (host, target) = url.split_once('/').expect("a path");
        let (path, query) = target
            .split_once('?')
            .map_or((target, None), |(path, query)| (path, Some(query.to_owned())));
        let served = self.0.iter().map(|(reference, content)| Served {
            reference,
            name: &reference.0,
            content,
        });
        let question = Question {
            method: method.parse().expect("a method"),
            host: host.to_owned(),
            path: format!("/{path}"),
            query,
            headers: HeaderMap::new(),
        };
        explain(served, &question)
    }
}

fn lost(explanation: &Explanation) -> Vec<(&str, Criterion)> {
    let others = explanation.others.iter();
    others
        .map(|other| (other.route.path.as_str(), other.criterion))
        .collect()
}

#[test]
fn each_route_that_lost_says_by_which_criterion() {
    let operation = |method: &str, path: &str| json!({"match": {"method": method, "path": path}});
    let apis = Apis::of(&[
        (
            "a",
            json!({"hostnames": ["a.test"], "operations": [
                operation("GET", "/x"),
                operation("*", "/x"),
                operation("POST", "/x"),
                operation("GET", "/{id}"),
                {"match": {"method": "GET", "path": "/x", "headers": {"v": "2"}}},
                {"match": {"method": "GET", "path": "/x", "query": {"q": "1"}}},
                {"match": {"method": "GET", "path": "/", "pathRegex": "/[x-z]"}},
            ]}),
        ),
        ("b", json!({"hostnames": ["*.test"]})),
        ("c", json!({})),
        (
            "d",
            json!({"hostnames": ["a.test"], "operations": [operation("GET", "/x")]}),
        ),
    ]);
    let explanation = apis.explain("GET", "a.test/x");
    assert_eq!(explanation.outcome, Outcome::Found);
    let route = explanation.route.as_ref().expect("a route");
    assert_eq!((route.api.as_str(), route.operation), ("a", Some(0)));
    assert_eq!(
        lost(&explanation),
        [
            ("/x", Criterion::Headers),
            ("/x", Criterion::Query),
            ("/x", Criterion::Method),
            ("/x", Criterion::Api),
            ("/x", Criterion::Method),
            ("/{id}", Criterion::Path),
            ("/", Criterion::Path),
            ("/{rest...}", Criterion::Host),
            ("/{rest...}", Criterion::Host),
        ]
    );
    let reasons: Vec<&str> = explanation.others.iter().map(|it| it.reason.as_str()).collect();
    assert_eq!(reasons[0], "it asks for the header `v: 2`");
    assert_eq!(reasons[5], "path `/x` comes before `/{id}`");
    assert_eq!(
        reasons[6],
        "path `/x` comes before `/` with the expression `/[x-z]`"
    );
    assert_eq!(reasons[7], "host `a.test` is more specific than `*.test`");
}

#[test]
fn expressions_that_are_not_met_are_told() {
    let apis = Apis::of(&[(
        "a",
        json!({"hostnames": ["a.test"], "operations": [
            {"match": {"method": "GET", "path": "/x"}},
            {"match": {"method": "GET", "path": "/x", "headerRegex": {"v": "2|3"}}},
            {"match": {"method": "GET", "path": "/x", "query": {"q": "1"}, "queryRegex": {"p": "[0-9]+"}}},
        ]}),
    )]);
    let explanation = apis.explain("GET", "a.test/x?q=1&p=x");
    assert_eq!(explanation.outcome, Outcome::Found);
    let others = explanation.others.iter();
    let told: Vec<_> = others
        .map(|other| (other.route.conditions.join(" "), other.reason.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (
                "v~2|3".to_owned(),
                "it asks for the header `v` that matches `2|3`"
            ),
            (
                "q=1 p~[0-9]+".to_owned(),
                "it asks for the query parameter `p` that matches `[0-9]+`"
            ),
        ]
    );
}

#[test]
fn a_request_without_a_route_says_what_is_missing() {
    let apis = Apis::of(&[(
        "a",
        json!({"hostnames": ["a.test"], "operations": [{"match": {"method": "GET", "path": "/x"}}]}),
    )]);
    for (method, url, outcome, words) in [
        (
            "GET",
            "b.test/x",
            Outcome::NoRoute,
            "No API is served at host `b.test`",
        ),
        ("GET", "a.test/y", Outcome::NoRoute, "none of them takes the path"),
        ("PUT", "a.test/x", Outcome::OtherMethods, "for GET, HEAD only"),
        ("GET", "a.test/..%2f", Outcome::Misleading, "misleading escape"),
    ] {
        let explanation = apis.explain(method, url);
        assert_eq!(explanation.outcome, outcome, "{method} {url}");
        assert!(explanation.reason.contains(words), "{}", explanation.reason);
        assert_eq!(explanation.route, None);
    }
    assert_eq!(
        lost(&apis.explain("PUT", "a.test/x")),
        [("/x", Criterion::Method)]
    );
}

#[test]
fn every_policy_in_force_says_where_it_is_written() {
    let timeout = |limit: u32| json!({"type": "timeout", "with": {"responseMs": limit}});
    let apis = Apis::of(&[(
        "a",
        json!({
            "policies": [timeout(500), {"type": "retry", "with": {"attempts": 2, "on": ["connectFailure"]}}],
            "operations": [{"match": {"method": "GET", "path": "/x"}, "policies": [timeout(100)]}],
        }),
    )]);
    let explanation = apis.explain("GET", "a.test/x");
    let effective: Vec<_> = explanation
        .policies
        .iter()
        .map(|it| (it.policy.type_name(), it.origins.clone()))
        .collect();
    assert_eq!(
        effective,
        [
            ("retry", vec!["api/a at /policies/1".to_owned()]),
            ("timeout", vec!["api/a at /operations/0/policies/0".to_owned()]),
        ]
    );
    assert_eq!(explanation.overridden[0].origin, "api/a at /policies/0");
    assert_eq!(
        explanation.overridden[0].reason,
        "500 is larger than the 100 of api/a at /operations/0/policies/0"
    );
}
