use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn check(before: Value, after: Value, expected: Expect) {
    let changes = diff(&before, &after);
    let shown = |value: &Option<Value>| value.as_ref().map_or("-".to_owned(), Value::to_string);
    let lines: Vec<String> = changes
        .iter()
        .map(|change| {
            format!(
                "{}: {} -> {}",
                change.path,
                shown(&change.before),
                shown(&change.after)
            )
        })
        .collect();
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn names_each_field_by_its_pointer() {
    check(
        json!({"a": 1, "b/c": {"d~": true}, "gone": null}),
        json!({"a": 2, "b/c": {"d~": false}, "new": [1]}),
        expect![[r#"
            /a: 1 -> 2
            /b~1c/d~0: true -> false
            /gone: null -> -
            /new: - -> [1]"#]],
    );
}

#[test]
fn one_new_element_in_the_middle_is_one_change() {
    check(
        json!(["a", "c", "d"]),
        json!(["a", "b", "c", "d"]),
        expect![[r#"/1: - -> "b""#]],
    );
}

#[test]
fn removals_come_from_the_back() {
    check(
        json!([1, 2, 3, 4, 5]),
        json!([9, 5]),
        expect![[r#"
        /0: 1 -> 9
        /3: 4 -> -
        /2: 3 -> -
        /1: 2 -> -"#]],
    );
}

#[test]
fn another_kind_of_value_replaces_the_whole() {
    check(
        json!({"a": [1]}),
        json!({"a": {"0": 1}}),
        expect![[r#"/a: [1] -> {"0":1}"#]],
    );
    check(json!(1), json!([1]), expect![": 1 -> [1]"]);
}

#[test]
fn a_change_that_does_not_fit_is_refused() {
    let changes = diff(&json!({"a": 1}), &json!({"a": 2}));
    let mut other = json!({"a": 3});
    assert_eq!(
        apply(&changes, &mut other).map_err(|error| error.to_string()),
        Err("`/a` is not what it was when the difference was made; compare again".to_owned())
    );
    let change = |path: &str| Change {
        path: path.to_owned(),
        before: None,
        after: Some(json!(1)),
    };
    for nowhere in ["/x/y", "/list/7", "/list/-", "/a/b", ""] {
        let mut value = json!({"a": 1, "list": []});
        assert!(apply(&[change(nowhere)], &mut value).is_err(), "{nowhere}");
    }
}

#[test]
fn a_null_survives_the_way_through_json() {
    let changes = diff(&json!({"a": null}), &json!({"b": null}));
    let text = serde_json::to_string(&changes).expect("changes are JSON");
    let back: Vec<Change> = serde_json::from_str(&text).expect("changes read back");
    assert_eq!(back, changes);
}

pub(crate) fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3i64..3).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-4i8..4).prop_map(|number| Value::from(f64::from(number) / 2.0)),
        "[a-c/~é]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("[a-c/~]{0,2}", inner, 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn a_value_does_not_differ_from_itself(value in any_value()) {
        prop_assert_eq!(diff(&value, &value), Vec::new());
    }

    #[test]
    fn applying_the_difference_gives_the_other_value(before in any_value(), after in any_value()) {
        let mut value = before.clone();
        prop_assert_eq!(apply(&diff(&before, &after), &mut value), Ok(()));
        prop_assert_eq!(value, after);
    }

    #[test]
    fn arbitrary_changes_never_panic(value in any_value(), path in "(/[a-c0-9~]{0,2}){0,3}", after in any_value()) {
        let mut value = value;
        let before = value.pointer(&path).cloned();
        let _ = apply(&[Change { path, before, after: Some(after) }], &mut value);
    }
}
