//! What AWS takes at most.

use expect_test::{Expect, expect};
use serde_json::json;

use super::{api, form, http, rest};
use crate::{config::AwsSettings, translate::limits};

fn check(paths: impl Iterator<Item = String>, settings: &AwsSettings, expected: Expect) {
    let paths: Vec<String> = paths.collect();
    let operations: Vec<_> = paths
        .iter()
        .map(|path| ("GET", path.as_str(), json!([])))
        .collect();
    let desired = api(&json!([]), &operations);
    let said = limits(&desired, &form(&desired, settings));
    expected.assert_eq(&said.map_or_else(|error| error.to_string(), |()| "fits".to_owned()));
}

#[test]
fn an_api_with_too_many_resources_is_refused_with_a_way_to_split_it() {
    let flat = |count: usize| (0..count).map(|number| format!("/a{number}"));
    check(flat(299), &rest(), expect![[r#"fits"#]]);
    check(flat(300), &http(), expect![[r#"fits"#]]);
    let grouped = (0..4).flat_map(|group| (0..120).map(move |number| format!("/group{group}/{number}")));
    check(
        grouped,
        &rest(),
        expect![
            "`shop` has 485 resources (every segment of a path is one), and Amazon API Gateway takes 300 in a REST API; make it 2 APIs: one with the operations below `/group0`, `/group1` (243); one with all others (243)"
        ],
    );
    let deep = (0..400).map(|number| format!("/all/{number}"));
    let deep = deep
        .flat_map(|path| ["/x", "/y"].map(|end| format!("{path}{end}")))
        .take(340);
    check(
        deep,
        &rest(),
        expect![
            "`shop` has 512 resources (every segment of a path is one), and Amazon API Gateway takes 300 in a REST API; make it 2 APIs: one with the operations below `/all/27`, `/all/28`, `/all/29`, `/all/30`, `/all/31`, `/all/32`, `/all/33`, `/all/34`, `/all/35`, `/all/36`, `/all/37`, `/all/38`, `/all/39`, `/all/3`, `/all/40`, `/all/41`, `/all/42`, `/all/43`, `/all/44`, `/all/45`, `/all/46`, `/all/47`, `/all/48`, `/all/49`, `/all/4`, `/all/50`, `/all/51`, `/all/52`, `/all/53`, `/all/54`, `/all/55`, `/all/56`, `/all/57`, `/all/58`, `/all/59`, `/all/5`, `/all/60`, `/all/61`, `/all/62`, `/all/63`, 40 more (242); one with all others (272)"
        ],
    );
    let of_each = |id: String| (0..100).map(move |number| format!("/things/{{id}}/{id}/{number}"));
    let deeper = ["a", "b", "c", "d"]
        .into_iter()
        .flat_map(|id| of_each(id.to_owned()));
    let all = deeper.chain(["/".to_owned(), "/things".to_owned(), "/things/{id}".to_owned()]);
    check(
        all,
        &rest(),
        expect![
            "`shop` has 407 resources (every segment of a path is one), and Amazon API Gateway takes 300 in a REST API; make it 2 APIs: one with the operations below `/things/{id}/c`, `/things/{id}/d` (205); one with all others (208)"
        ],
    );
    let long: String = (0..301).map(|number| format!("/s{number}")).collect();
    check(
        [long].into_iter(),
        &rest(),
        expect![
            "`shop` has 302 resources (every segment of a path is one), and Amazon API Gateway takes 300 in a REST API; one of its paths alone is too long; shorten it, or deploy the API to another gateway"
        ],
    );
    let routes = (0..4).flat_map(|group| (0..120).map(move |number| format!("/group{group}/{number}")));
    check(
        routes,
        &http(),
        expect![
            "`shop` has 480 routes, and Amazon API Gateway takes 300 in an HTTP API; make it 2 APIs: one with the operations below `/group0`, `/group1` (240); one with all others (240)"
        ],
    );
}
