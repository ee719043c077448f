//! Whole documents.

mod answers;
mod callers;
mod fragments;
mod proxying;

use expect_test::Expect;

fn check(value: &impl serde::Serialize, expected: Expect) {
    expected.assert_eq(&serde_json::to_string_pretty(value).expect("JSON"));
}
