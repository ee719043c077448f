use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::diff::tests::any_value;

fn check(base: Value, ours: Value, theirs: Value, expected: Expect) {
    let merged = merge(&base, &ours, &theirs);
    let shown = |value: &Option<Value>| value.as_ref().map_or("-".to_owned(), Value::to_string);
    let mut lines = vec![merged.value.to_string()];
    for (word, changes) in [("taken", &merged.taken), ("kept", &merged.kept)] {
        for Change { path, before, after } in changes {
            lines.push(format!("{word} {path}: {} -> {}", shown(before), shown(after)));
        }
    }
    for MergeConflict {
        path,
        base,
        ours,
        theirs,
    } in &merged.conflicts
    {
        lines.push(format!(
            "conflict {path}: {} | {} | {}",
            shown(base),
            shown(ours),
            shown(theirs)
        ));
    }
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn fields_that_one_side_changed_follow_it() {
    check(
        json!({"name": "Orders", "version": "v1", "url": "http://a", "old": 1, "gone": 1}),
        json!({"name": "Our orders", "version": "v1", "url": "http://a", "old": 1}),
        json!({"name": "Orders", "version": "v2", "url": "http://a", "gone": 1, "new": {"a": 1}}),
        expect![[r#"
            {"name":"Our orders","new":{"a":1},"url":"http://a","version":"v2"}
            taken /new: - -> {"a":1}
            taken /old: 1 -> -
            taken /version: "v1" -> "v2"
            kept /gone: 1 -> -
            kept /name: "Orders" -> "Our orders""#]],
    );
}

#[test]
fn where_both_changed_a_field_ours_stays_and_both_are_told() {
    check(
        json!({"a": 1, "b": {"c": 1}, "d": 1}),
        json!({"a": 2, "b": {"c": 2}, "e": 1}),
        json!({"a": 3, "d": 2, "e": 2}),
        expect![[r#"
            {"a":2,"b":{"c":2},"e":1}
            conflict /a: 1 | 2 | 3
            conflict /b: {"c":1} | {"c":2} | -
            conflict /d: 1 | - | 2
            conflict /e: - | 1 | 2"#]],
    );
}

fn operation(method: &str, path: &str, summary: &str) -> Value {
    json!({"match": {"method": method, "path": path}, "summary": summary})
}

#[test]
fn operations_belong_together_by_what_they_match() {
    check(
        json!([
            operation("GET", "/a", "1"),
            operation("GET", "/b", "1"),
            operation("GET", "/c", "1")
        ]),
        json!([
            operation("GET", "/a", "ours"),
            operation("GET", "/b", "1"),
            operation("GET", "/bb", "new"),
            operation("GET", "/c", "1")
        ]),
        json!([
            operation("GET", "/a", "1"),
            operation("POST", "/b", "new"),
            operation("GET", "/c", "theirs")
        ]),
        expect![[r#"
            [{"match":{"method":"GET","path":"/a"},"summary":"ours"},{"match":{"method":"POST","path":"/b"},"summary":"new"},{"match":{"method":"GET","path":"/bb"},"summary":"new"},{"match":{"method":"GET","path":"/c"},"summary":"theirs"}]
            taken /1: {"match":{"method":"GET","path":"/b"},"summary":"1"} -> -
            taken /1: - -> {"match":{"method":"POST","path":"/b"},"summary":"new"}
            taken /3/summary: "1" -> "theirs"
            kept /0/summary: "1" -> "ours"
            kept /2: - -> {"match":{"method":"GET","path":"/bb"},"summary":"new"}"#]],
    );
}

#[test]
fn policies_belong_together_by_type_and_their_order_matters() {
    let [headers, size, limit] = ["headers", "request.size", "ratelimit"].map(|kind| json!({"type": kind}));
    check(
        json!([headers, size]),
        json!([headers, limit, size]),
        json!([size, headers]),
        expect![[r#"
            [{"type":"headers"},{"type":"ratelimit"},{"type":"request.size"}]
            kept /1: - -> {"type":"ratelimit"}
            conflict : ["headers","request.size"] | ["headers","ratelimit","request.size"] | ["request.size","headers"]"#]],
    );
    check(
        json!([headers, size]),
        json!([headers, size, limit]),
        json!([size, headers]),
        expect![[r#"
            [{"type":"headers"},{"type":"request.size"},{"type":"ratelimit"}]
            kept /2: - -> {"type":"ratelimit"}
            conflict : ["headers","request.size"] | ["headers","request.size","ratelimit"] | ["request.size","headers"]"#]],
    );
    check(
        json!([headers]),
        json!([headers, size]),
        json!([limit, headers]),
        expect![[r#"
            [{"type":"ratelimit"},{"type":"headers"},{"type":"request.size"}]
            taken /0: - -> {"type":"ratelimit"}
            kept /1: - -> {"type":"request.size"}"#]],
    );
}

#[test]
fn lists_without_names_or_with_a_name_twice_are_taken_as_a_whole() {
    check(
        json!({"hosts": ["a"], "tags": ["x"]}),
        json!({"hosts": ["a", "b"], "tags": ["x"]}),
        json!({"hosts": ["c", "a"], "tags": ["y"]}),
        expect![[r#"
            {"hosts":["a","b"],"tags":["y"]}
            taken /tags: ["x"] -> ["y"]
            conflict /hosts: ["a"] | ["a","b"] | ["c","a"]"#]],
    );
    let twice = json!([{"type": "headers", "with": 1}, {"type": "headers", "with": 2}]);
    check(
        json!([{"type": "headers", "with": 1}]),
        twice,
        json!([]),
        expect![[r#"
            [{"type":"headers","with":1},{"type":"headers","with":2}]
            conflict : [{"type":"headers","with":1}] | [{"type":"headers","with":1},{"type":"headers","with":2}] | []"#]],
    );
}

/// Lists of named elements too, in any order.
fn any_document() -> impl Strategy<Value = Value> {
    let kinds = prop::sample::subsequence(vec!["a", "b", "c", "d", "e"], 0..=5).prop_shuffle();
    let policies = (kinds, prop::collection::vec(0_u8..3, 5)).prop_map(|(kinds, values)| {
        let element = |(kind, value): (&str, &u8)| json!({"type": kind, "with": {"x": value}});
        Value::from(kinds.into_iter().zip(&values).map(element).collect::<Vec<_>>())
    });
    (policies, prop::collection::btree_map("[a-c]", any_value(), 0..4)).prop_map(|(policies, fields)| {
        let mut document: Map<String, Value> = fields.into_iter().collect();
        document.insert("policies".to_owned(), policies);
        Value::Object(document)
    })
}

fn leaves(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.values().for_each(|value| leaves(value, found)),
        Value::Array(items) => items.iter().for_each(|value| leaves(value, found)),
        leaf => found.push(leaf.to_string()),
    }
}

proptest! {
    #[test]
    fn who_changed_nothing_gets_what_the_other_made_of_it(base in any_document(), other in any_document()) {
        let theirs = merge(&base, &base, &other);
        prop_assert_eq!(&theirs.value, &other);
        prop_assert!(theirs.conflicts.is_empty() && theirs.kept.is_empty());
        let ours = merge(&base, &other, &base);
        prop_assert_eq!(&ours.value, &other);
        prop_assert!(ours.conflicts.is_empty() && ours.taken.is_empty());
    }

    #[test]
    fn every_difference_from_ours_is_told(base in any_document(), ours in any_document(), theirs in any_document()) {
        let merged = merge(&base, &ours, &theirs);
        prop_assert!(merged.value == ours || !merged.taken.is_empty());
    }

    #[test]
    fn equal_changes_are_one(base in any_document(), both in any_document()) {
        let merged = merge(&base, &both, &both);
        prop_assert_eq!(merged, Merged { value: both, taken: vec![], kept: vec![], conflicts: vec![] });
    }

    #[test]
    fn without_a_conflict_it_makes_no_difference_who_is_who(
        base in any_document(), ours in any_document(), theirs in any_document()
    ) {
        let one = merge(&base, &ours, &theirs);
        let other = merge(&base, &theirs, &ours);
        prop_assert_eq!(one.conflicts.is_empty(), other.conflicts.is_empty());
        if one.conflicts.is_empty() {
            prop_assert_eq!(one.value, other.value);
        }
    }

    #[test]
    fn nothing_is_in_the_result_that_nobody_wrote(
        base in any_document(), ours in any_document(), theirs in any_document()
    ) {
        let merged = merge(&base, &ours, &theirs);
        let (mut written, mut found) = (Vec::new(), Vec::new());
        leaves(&ours, &mut written);
        leaves(&theirs, &mut written);
        leaves(&merged.value, &mut found);
        prop_assert!(found.iter().all(|leaf| written.contains(leaf)));
    }

    #[test]
    fn everything_that_ours_changed_is_in_the_result(
        base in any_document(), ours in any_document(), theirs in any_document()
    ) {
        // Merging the result again changes nothing: what was theirs to give was given.
        let merged = merge(&base, &ours, &theirs);
        if merged.conflicts.is_empty() {
            prop_assert_eq!(merge(&base, &merged.value, &theirs).value, merged.value);
        }
    }
}
