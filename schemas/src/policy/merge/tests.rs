use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn policies(value: Value) -> Vec<Policy> {
    serde_json::from_value(value).expect("valid policies")
}

fn names(merged: &[&Policy]) -> Vec<&'static str> {
    merged.iter().map(|policy| policy.type_name()).collect()
}

#[test]
fn of_several_cors_policies_the_most_specific_holds_and_the_smallest_size() {
    let api = policies(json!([
        {"type": "cors", "with": {"allowOrigins": ["*"]}},
        {"type": "request.size", "with": {"maxBytes": 10}},
    ]));
    let operation = policies(json!([
        {"type": "request.size", "with": {"maxBytes": 5}},
        {"type": "cors", "with": {"allowOrigins": ["https://a.example"]}},
        {"type": "headers", "with": {}},
    ]));
    let merged = merge(&[Layer::of(&api), Layer::of(&operation)], None);
    assert_eq!(names(&merged), ["request.size", "cors", "headers"]);
    assert!(std::ptr::eq(merged[0], &raw const operation[0]));
    assert!(std::ptr::eq(merged[1], &raw const operation[1]));
    assert_eq!(merge(&[Layer::of(&api)], None).len(), 2);
    assert_eq!(merge(&[], None), Vec::<&Policy>::new());
}

#[test]
fn a_policy_that_holds_a_whole_definition_is_not_compared_with_itself() {
    let schemas: serde_json::Map<String, Value> = (0..20_000)
        .map(|number| {
            (
                format!("S{number}"),
                json!({"type": "object", "required": ["id"]}),
            )
        })
        .collect();
    let with = json!({"definition": ["body"], "expanded": {"operations": [], "schemas": schemas}});
    let api = policies(json!([{"type": "request.validate", "with": with}]));
    let began = std::time::Instant::now();
    for _ in 0..10_000 {
        assert_eq!(merge(&[Layer::of(&api), Layer::of(&[])], None).len(), 1);
    }
    assert!(
        began.elapsed() < std::time::Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn the_same_policy_written_in_two_ways_holds_once() {
    let outer = policies(json!([{"type": "ip.filter", "with": {"allow": ["10.0.0.1", "10.0.0.0/8"]}}]));
    let inner = policies(json!([{"type": "ip.filter", "with": {"allow": ["10.0.0.0/8", "10.0.0.1/32"]}}]));
    let merged = merge(&[Layer::of(&outer), Layer::of(&inner)], None);
    assert_eq!(merged, [&outer[0]]);
}

#[test]
fn headers_act_in_order_and_the_last_of_equal_ones_counts() {
    let one = json!({"type": "headers", "with": {"request": {"set": {"a": "1"}}}});
    let two = json!({"type": "headers", "with": {"request": {"set": {"a": "2"}}}});
    let outer = policies(json!([one, two]));
    let inner = policies(json!([one]));
    let merged = merge(&[Layer::of(&outer), Layer::of(&inner)], None);
    assert_eq!(merged, [&outer[1], &inner[0]]);
}

#[test]
fn what_is_locked_stays_as_the_lock_found_it() {
    let outer = policies(json!([{"type": "cors", "with": {"allowOrigins": ["https://a.example"]}}]));
    let inner = policies(json!([
        {"type": "cors", "with": {"allowOrigins": ["*"]}},
        {"type": "native", "with": {"gatewayType": "kong", "config": {"a": 1}}},
        {"type": "request.size", "with": {"maxBytes": 5}},
    ]));
    let locked = Layer {
        lock: &[Lockable::Cors, Lockable::Native],
        ..Layer::of(&outer)
    };
    let merged = merge(&[locked, Layer::of(&inner)], None);
    assert_eq!(merged, [&outer[0], &inner[2]]);
}

#[test]
fn a_fragment_counts_only_for_its_own_gateways() {
    let all = policies(json!([
        {"type": "native", "with": {"gatewayType": "kong", "config": {"a": 1}}},
        {"type": "native", "with": {"gatewayType": "native", "config": {"a": 1}}},
    ]));
    let kong = "kong".parse().expect("a gateway type");
    assert_eq!(merge(&[Layer::of(&all)], Some(&kong)), [&all[0]]);
    assert_eq!(merge(&[Layer::of(&all)], None).len(), 2);
}

/// Policies of every merge rule, few enough values that equal ones meet.
fn any_policy() -> impl Strategy<Value = Policy> {
    (0..12_usize, 1..4_u32).prop_map(|(kind, number)| {
        let name = format!("n{number}");
        let value = match kind {
            0 => json!({"type": "auth.apiKey", "with": {"keys": [{"consumer": name, "secretRef": name}]}}),
            1 => json!({"type": "ip.filter", "with": {"deny": [format!("10.0.0.{number}")]}}),
            2 => json!({"type": "ratelimit", "with": {"limits": [{"requests": number, "per": "day"}]}}),
            3 => json!({"type": "quota", "with": {"requests": number, "per": "month"}}),
            4 => json!({"type": "request.size", "with": {"maxBytes": number}}),
            5 => json!({"type": "timeout", "with": {"responseMs": number}}),
            6 => json!({"type": "cors", "with": {"allowOrigins": [format!("https://{name}")]}}),
            7 => json!({"type": "respond", "with": {"status": 200 + number}}),
            8 | 9 => json!({"type": "headers", "with": {"request": {"set": {"a": name}}}}),
            10 => json!({"type": "request.validate", "with": {"requiredQuery": [name]}}),
            _ => json!({"type": "native", "with": {"gatewayType": if number == 1 { "kong" } else { "native" }, "config": {"a": number}}}),
        };
        serde_json::from_value(value).expect("a policy")
    })
}

/// A layer that can be kept.
type Kept = (Vec<Policy>, Vec<Lockable>);

fn any_layer() -> impl Strategy<Value = Kept> {
    let locks = prop::sample::subsequence(
        vec![
            Lockable::Cors,
            Lockable::Headers,
            Lockable::Respond,
            Lockable::Native,
        ],
        0..3,
    );
    (prop::collection::vec(any_policy(), 0..6), locks)
}

fn together(layers: &[&Kept]) -> Kept {
    let native = "native".parse().expect("a gateway type");
    let borrowed: Vec<Layer<'_>> = layers
        .iter()
        .map(|(policies, lock)| Layer {
            lock,
            ..Layer::of(policies)
        })
        .collect();
    let mut lock: Vec<Lockable> = layers.iter().flat_map(|(_, lock)| lock).copied().collect();
    lock.sort_unstable();
    lock.dedup();
    let merged = merge(&borrowed, Some(&native));
    (merged.into_iter().cloned().collect(), lock)
}

/// Only among policies of one type does the order say anything.
fn by_type((mut policies, lock): Kept) -> Kept {
    policies.sort_by_key(Policy::type_name);
    (policies, lock)
}

/// The smallest value of the policies that set one.
fn smallest(policies: &[Policy], kind: &str) -> u64 {
    let sizes = policies.iter().filter(|policy| policy.type_name() == kind);
    sizes.map(Policy::size).min().unwrap_or(u64::MAX)
}

proptest! {
    #[test]
    fn layers_come_together_one_by_one_as_at_once(a in any_layer(), b in any_layer(), c in any_layer()) {
        let at_once = together(&[&a, &b, &c]);
        prop_assert_eq!(&together(&[&together(&[&a, &b]), &c]), &at_once);
        prop_assert_eq!(&together(&[&a, &together(&[&b, &c])]), &at_once);
    }

    #[test]
    fn a_layer_twice_is_as_good_as_once(a in any_layer(), b in any_layer()) {
        let once = together(&[&a, &b]);
        prop_assert_eq!(&together(&[&once]), &once);
        prop_assert_eq!(by_type(together(&[&once, &once])), by_type(once));
    }

    #[test]
    fn nothing_further_in_takes_away_what_adds_up(a in any_layer(), b in any_layer()) {
        let outer = together(&[&a]).0;
        let both = together(&[&a, &b]).0;
        for policy in outer.iter().chain(&b.0).filter(|policy| {
            policy.merge_rule() == MergeRule::AddsUp && policy.lockable().is_none()
        }) {
            prop_assert!(both.contains(policy), "{:?}", policy);
        }
        prop_assert!(both.iter().filter(|policy| policy.is_security()).count()
            >= outer.iter().filter(|policy| policy.is_security()).count());
    }

    #[test]
    fn limits_only_get_tighter(a in any_layer(), b in any_layer()) {
        let both = together(&[&a, &b]).0;
        for kind in ["request.size", "timeout"] {
            let wanted = smallest(&a.0, kind).min(smallest(&b.0, kind));
            prop_assert_eq!(smallest(&both, kind), wanted);
            prop_assert!(both.iter().filter(|policy| policy.type_name() == kind).count() <= 1);
        }
    }

    #[test]
    fn a_locked_type_is_what_it_was_outside(a in any_layer(), b in any_layer()) {
        let of = |policies: &[Policy], lock: &[Lockable]| -> Vec<Policy> {
            let locked = policies.iter().filter(|it| it.lockable().is_some_and(|kind| lock.contains(&kind)));
            locked.cloned().collect()
        };
        prop_assert_eq!(of(&together(&[&a, &b]).0, &a.1), of(&together(&[&a]).0, &a.1));
    }
}
