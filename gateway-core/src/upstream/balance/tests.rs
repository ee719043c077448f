use proptest::prelude::*;

use super::*;

/// An endpoint that is told what it is like.
#[derive(Debug, Clone)]
struct One {
    eligible: bool,
    weight: u32,
    requests: u32,
    latency: f32,
    due: bool,
}

impl One {
    fn weighing(weight: u32) -> Self {
        Self {
            eligible: true,
            weight,
            requests: 0,
            latency: 1_000.0,
            due: false,
        }
    }
}

impl Candidates for Vec<One> {
    fn count(&self) -> usize {
        self.len()
    }
    fn is_eligible(&self, index: usize) -> bool {
        self[index].eligible
    }
    fn weight(&self, index: usize) -> u32 {
        self[index].weight
    }
    fn requests(&self, index: usize) -> u32 {
        self[index].requests
    }
    fn latency(&self, index: usize) -> f32 {
        self[index].latency
    }
    fn is_due(&self, index: usize) -> bool {
        self[index].due
    }
    fn identity(&self, index: usize) -> u64 {
        hashed(format!("http://host-{index}").as_bytes())
    }
}

type Choose = fn(&Vec<One>, u64, &mut [i64]) -> Option<usize>;

/// Every way to choose, by name.
const WAYS: [(&str, Choose); 4] = [
    ("p2c-ewma", |all, number, _| better_of_two(all, mixed(number))),
    ("least-request", |all, number, _| {
        least_requests(all, mixed(number))
    }),
    ("round-robin", |all, _, credits| in_turn(all, credits)),
    ("consistent-hash", |all, number, _| owner(all, number)),
];

fn counted(all: &Vec<One>, choose: Choose, times: u64) -> Vec<u64> {
    let mut counts = vec![0; all.len()];
    let mut credits = vec![0; all.len()];
    for number in 0..times {
        counts[choose(all, number, &mut credits).expect("one is eligible")] += 1;
    }
    counts
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn equal_endpoints_get_shares_by_their_weights(weights in prop::collection::vec(1u32..6, 2..6)) {
        let all: Vec<One> = weights.iter().copied().map(One::weighing).collect();
        let total: u32 = weights.iter().sum();
        for (name, choose) in WAYS {
            let counts = counted(&all, choose, 12_000);
            for (count, weight) in counts.iter().zip(&weights) {
                let share = f64::from(*weight) / f64::from(total);
                let got = *count as f64 / 12_000.0;
                prop_assert!((got - share).abs() < 0.025, "{name}: {got} of {share} in {counts:?} for {weights:?}");
            }
        }
    }

    #[test]
    fn one_that_is_not_eligible_is_never_chosen(eligible in prop::collection::vec(any::<bool>(), 1..8), number: u64) {
        let all: Vec<One> = eligible.iter().map(|eligible| One { eligible: *eligible, ..One::weighing(2) }).collect();
        for (name, choose) in WAYS {
            let chosen = choose(&all, number, &mut vec![0; all.len()]);
            match chosen {
                Some(index) => prop_assert!(eligible[index], "{name}"),
                None => prop_assert!(eligible.iter().all(|eligible| !eligible), "{name}"),
            }
        }
    }

    #[test]
    fn keys_stay_where_they_are_when_another_endpoint_goes(gone in 0usize..5, key: u64) {
        let mut all = vec![One::weighing(1); 5];
        let before = owner(&all, key).expect("one");
        all[gone].eligible = false;
        let after = owner(&all, key).expect("one");
        prop_assert!(before == gone || before == after);
    }
}

#[test]
fn of_two_the_one_that_is_faster_and_has_less_to_do_is_taken() {
    let one = |latency, requests| One {
        latency,
        requests,
        ..One::weighing(1)
    };
    for (first, second, better) in [
        (one(1_000.0, 0), one(3_000.0, 0), 0),
        (one(1_000.0, 3), one(3_000.0, 0), 1),
        (one(1_000.0, 0), one(0.0, 0), 1),
        (one(1_000.0, 9), one(0.0, 1), 0),
    ] {
        let all = vec![first, second];
        for number in 0..50 {
            assert_eq!(better_of_two(&all, mixed(number)), Some(better), "{all:?}");
        }
    }
}

#[test]
fn one_that_is_due_is_tried_however_slow_it_was() {
    let mut all = vec![One::weighing(1), One::weighing(1)];
    all[1].latency = 1e9;
    all[1].due = true;
    assert_eq!(better_of_two(&all, 7), Some(1));
}

#[test]
fn the_fewest_requests_are_seen_in_proportion_to_the_weight() {
    let mut all = vec![One::weighing(1), One::weighing(4)];
    all[0].requests = 1;
    all[1].requests = 3;
    assert_eq!(least_requests(&all, 7), Some(1));
    all[1].requests = 5;
    assert_eq!(least_requests(&all, 7), Some(0));
}

#[test]
fn in_turn_means_each_as_often_as_its_weight_in_every_round() {
    let all: Vec<One> = [5, 1, 1].map(One::weighing).to_vec();
    let mut credits = vec![0; 3];
    let order: Vec<_> = (0..7).filter_map(|_| in_turn(&all, &mut credits)).collect();
    assert_eq!(order, [0, 0, 1, 0, 2, 0, 0]);
}
