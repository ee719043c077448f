use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::*;
use crate::upstream::Endpoints;

/// Four endpoints in turn, with what else the fields say.
fn upstream(fields: Value) -> Upstream {
    let mut described = json!({
        "url": "http://a:1",
        "endpoints": [{"url": "http://b:1"}, {"url": "http://c:1"}, {"url": "http://d:1"}],
        "loadBalancing": {"algorithm": "round-robin"},
    });
    for (field, value) in fields.as_object().expect("fields") {
        described[field] = value.clone();
    }
    let described = serde_json::from_value(described).expect("an upstream");
    Upstream::compile(&described, &BTreeMap::new(), &Endpoints::new(Handle::current())).expect("compiles")
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn choose(upstream: &Upstream, now: Duration, harmless: bool) -> Choice<'_> {
    upstream.choose(&Wish {
        now,
        key: 0,
        harmless,
        tried: &[],
    })
}

/// The names of so many endpoints that are chosen one after the other.
fn chosen(upstream: &Upstream, now: Duration, times: usize) -> String {
    let names = (0..times).map(|_| {
        let choice = choose(upstream, now, false);
        let name = choice.member.endpoint.name().trim_end_matches(":1").to_owned();
        if choice.trial.is_some() {
            name.to_uppercase()
        } else {
            name
        }
    });
    names.collect()
}

/// Lets requests fail at one endpoint.
fn fail(upstream: &Upstream, index: usize, now: Duration, times: usize) -> bool {
    let mut ejected = false;
    for _ in 0..times {
        let mut choice = Choice {
            member: &upstream.members[index],
            trial: None,
        };
        ejected |= upstream.failed(&mut choice, now);
    }
    ejected
}

#[tokio::test]
async fn an_endpoint_that_fails_is_left_out_until_a_request_finds_it_working() {
    let upstream = upstream(json!({"outlier": {"ejectionSeconds": 10}}));
    assert_eq!(chosen(&upstream, at(1), 4), "abcd");
    assert!(!fail(&upstream, 1, at(1), 4));
    assert!(fail(&upstream, 1, at(1), 1), "the fifth in a row");
    assert_eq!(chosen(&upstream, at(2), 6), "acdacd");
    // Requests that must not be repeated try it only after twice the time.
    assert!(!chosen(&upstream, at(12), 8).contains(['b', 'B']));
    let trials: Vec<_> = (0..8).map(|_| choose(&upstream, at(12), true)).collect();
    let mut trial = trials
        .into_iter()
        .find(|choice| choice.trial.is_some())
        .expect("one tries");
    assert_eq!(trial.member.endpoint.name(), "b:1");
    upstream.succeeded(&mut trial, at(12), Duration::from_millis(1));
    assert!(chosen(&upstream, at(12), 4).contains('b'));
}

#[tokio::test]
async fn while_one_request_tries_an_endpoint_the_others_go_elsewhere() {
    let upstream = upstream(json!({}));
    fail(&upstream, 1, at(1), 5);
    let choices: Vec<_> = (0..12).map(|_| choose(&upstream, at(20), true)).collect();
    let trying = choices.iter().filter(|choice| choice.trial.is_some()).count();
    let there = choices
        .iter()
        .filter(|choice| choice.member.endpoint.name() == "b:1")
        .count();
    assert_eq!((trying, there), (1, 1));
}

#[tokio::test]
async fn no_more_than_the_largest_share_is_ejected() {
    let half = upstream(json!({}));
    let ejected = [0, 1, 2, 3].map(|index| fail(&half, index, at(1), 10));
    assert_eq!(ejected, [true, true, false, false]);
    let none = upstream(json!({"outlier": {"maxEjectedPercent": 20}}));
    assert!(!fail(&none, 0, at(1), 10), "20 % of four is less than one");
    let off = upstream(json!({"outlier": {"consecutiveErrors": 0}}));
    assert!(!fail(&off, 0, at(1), 10));
}

#[tokio::test]
async fn if_all_are_out_all_get_requests() {
    let upstream = upstream(json!({"outlier": {"maxEjectedPercent": 100}}));
    for index in 0..4 {
        assert!(fail(&upstream, index, at(1), 5));
    }
    let mut chosen: Vec<char> = chosen(&upstream, at(2), 4).chars().collect();
    chosen.sort_unstable();
    assert_eq!(chosen, ['a', 'b', 'c', 'd']);
}

#[tokio::test]
async fn a_request_goes_to_another_endpoint_than_those_that_failed_it() {
    let upstream = upstream(json!({}));
    let tried: Vec<u64> = upstream.members[..3]
        .iter()
        .map(|member| member.endpoint.id)
        .collect();
    for _ in 0..4 {
        let choice = upstream.choose(&Wish {
            now: at(1),
            key: 0,
            harmless: true,
            tried: &tried,
        });
        assert_eq!(choice.member.endpoint.name(), "d:1");
    }
}

#[tokio::test]
async fn an_endpoint_without_room_is_passed_over() {
    let upstream = upstream(json!({"maxConnections": 1}));
    let _busy = upstream.lease(&upstream.members[0]).await.expect("room");
    assert_eq!(chosen(&upstream, at(1), 3), "bcd");
}

#[tokio::test]
async fn the_url_is_one_of_the_endpoints_and_may_be_named_again_for_its_weight() {
    let upstream =
        upstream(json!({"endpoints": [{"url": "http://a:1", "weight": 3}, {"url": "http://b:1"}]}));
    assert_eq!(chosen(&upstream, at(1), 4), "aaba");
}

#[tokio::test]
async fn what_is_known_of_an_endpoint_outlives_a_change_of_configuration() {
    let endpoints = Endpoints::new(Handle::current());
    let describe = |timeout: u32| {
        let described = json!({
            "url": "http://a:1", "timeoutMs": timeout,
            "endpoints": [{"url": "http://b:1"}],
            "healthCheck": {"active": {"path": "/", "intervalSeconds": 3_600}},
        });
        let described = serde_json::from_value(described).expect("an upstream");
        Upstream::compile(&described, &BTreeMap::new(), &endpoints).expect("compiles")
    };
    let before = describe(1_000);
    assert!(fail(&before, 0, at(1), 5));
    let after = describe(2_000);
    assert!(Arc::ptr_eq(&before.first.endpoint, &after.first.endpoint));
    assert!(after.first.endpoint.ejection.is_out());
    let checks = [&before, &after].map(|upstream| upstream.first.check.clone().expect("a check"));
    assert!(Arc::ptr_eq(&checks[0], &checks[1]), "one check for both");
}
