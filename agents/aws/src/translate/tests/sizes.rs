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
    let said = limits(&desired, settings, &form(&desired, settings));
    expected.assert_eq(&said.map_or_else(|error| error.to_string(), |()| "fits".to_owned()));
}

#[test]
fn an_api_with_too_many_resources_is_refused_with_a_way_to_split_it() {
    // The root, and two resources for each group of one hundred and fifty.
    let flat = |count: usize| (0..count).map(|number| format!("/a{number}"));
    check(flat(299), &rest(), expect![["fits"]]);
    check(
        flat(300),
        &rest(),
        expect![
            "`shop` has 301 resources (every segment of a path is one), and Amazon API Gateway takes 300 in a REST API; make it 2 APIs, each with the operations below `/a0`, `/a100`, `/a101`, `/a102`, `/a103` and 145 more (300); and `/a233`, `/a234`, `/a235`, `/a236`, `/a237` and 145 more (300)"
        ],
    );
    check(flat(300), &http(), expect![["fits"]]);
    let grouped = (0..4).flat_map(|group| (0..120).map(move |number| format!("/group{group}/{number}")));
    check(
        grouped,
        &rest(),
        expect![
            "`shop` has 485 resources (every segment of a path is one), and Amazon API Gateway takes 300 in a REST API; make it 2 APIs, each with the operations below `/group0`, `/group1` (244); and `/group2`, `/group3` (244)"
        ],
    );
    let deep = (0..400).map(|number| format!("/all/{number}"));
    check(
        deep,
        &rest(),
        expect![
            "`shop` has 402 resources (every segment of a path is one), and Amazon API Gateway takes 300 in a REST API; below `/all` alone there are 402, so that it cannot be split by the first segment of its paths: split it further down, ask AWS for a higher quota, or deploy it to another gateway"
        ],
    );
}
