use proptest::prelude::*;

use super::*;

fn quota(operation: &str, burst: u32, interval_ms: u64) -> Quota {
    Quota {
        operation: operation.to_owned(),
        burst,
        interval_ms,
    }
}

fn calls(calls: &[(&str, u64)]) -> VendorCalls {
    calls
        .iter()
        .map(|(name, count)| ((*name).to_owned(), *count))
        .collect()
}

/// What AWS publishes for the management of API Gateway, per account and Region (Regional APIs).
fn aws() -> Vec<Quota> {
    vec![
        quota("*", 40, 100),
        quota("CreateRestApi", 1, 3_000),
        quota("ImportRestApi", 1, 3_000),
        quota("DeleteRestApi", 1, 30_000),
        quota("CreateDeployment", 1, 5_000),
        quota("CreateResource", 5, 200),
        quota("GetResources", 5, 400),
    ]
}

#[test]
fn work_takes_as_long_as_its_scarcest_operation() {
    for (work, expected_ms) in [
        (vec![], 0),
        (vec![("CreateRestApi", 1)], 0),
        (vec![("CreateRestApi", 2)], 3_000),
        (vec![("ImportRestApi", 1), ("CreateDeployment", 1)], 0),
        (vec![("ImportRestApi", 100), ("CreateDeployment", 100)], 495_000),
        (vec![("DeleteRestApi", 61)], 1_800_000),
        (vec![("GetRestApis", 40)], 0),
        // All together: (20 + 10,000 - 40) calls at 10 each second, the exports being nowhere limited on their own.
        (vec![("GetRestApis", 20), ("GetExport", 10_000)], 998_000),
        (vec![("CreateResource", 35), ("CreateDeployment", 1)], 6_000),
        (vec![("GetResources", 10_005)], 4_000_000),
    ] {
        assert_eq!(shortest_ms(&calls(&work), &aws()), expected_ms, "{work:?}");
    }
}

#[test]
fn without_quotas_nothing_is_waited_for() {
    assert_eq!(shortest_ms(&calls(&[("GetRestApis", u64::MAX)]), &[]), 0);
}

#[test]
fn what_is_too_long_to_count_is_the_longest_time_there_is() {
    let endless = calls(&[("a", u64::MAX), ("b", u64::MAX)]);
    assert_eq!(shortest_ms(&endless, &[quota("*", 1, 1)]), u64::MAX - 1);
    assert_eq!(shortest_ms(&endless, &[quota("a", 0, u64::MAX)]), u64::MAX);
}

proptest! {
    #[test]
    fn more_calls_never_take_less_time(a in 0_u64..1000, b in 0_u64..1000, more in 0_u64..1000) {
        let less = shortest_ms(&calls(&[("CreateRestApi", a), ("GetResources", b)]), &aws());
        let longer = shortest_ms(&calls(&[("CreateRestApi", a + more), ("GetResources", b)]), &aws());
        prop_assert!(less <= longer);
    }

    #[test]
    fn a_token_bucket_takes_exactly_that_long(count in 0_u64..200, burst in 1_u32..20, interval_ms in 1_u64..50) {
        let mut now_ms = 0;
        let mut tokens = u64::from(burst);
        for _ in 0..count {
            if tokens == 0 {
                now_ms += interval_ms;
                tokens += 1;
            }
            tokens -= 1;
        }
        let quota = quota("Create", burst, interval_ms);
        prop_assert_eq!(shortest_ms(&calls(&[("Create", count)]), &[quota]), now_ms);
    }
}
