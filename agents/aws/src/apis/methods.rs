//! Settings of methods on a stage: which are as a revision says, and which stay as somebody else made them.
//!
//! How often a method may be called and what is kept of its answers are words of a revision, and so they are as it says,
//! whoever changed them. How much is logged and measured is ours only where we set it, which is recorded then, and stays
//! otherwise. What AWS holds of one method replaces all that it holds for all of them.

use std::collections::{BTreeMap, BTreeSet};

use super::is_same_value;
use crate::quotas::{NO_LIMIT, is_of_account};

/// What the settings of all methods are called among those of single ones.
pub(super) const ALL: &str = "/*/*";

pub(super) const RATE: &str = "throttling/rateLimit";
pub(super) const BURST: &str = "throttling/burstLimit";
const CACHED: &str = "caching/enabled";

/// What others may set, and what it is where nobody did.
const LOGGED: [(&str, &str); 3] = [
    ("logging/loglevel", "OFF"),
    ("logging/dataTrace", "false"),
    (MEASURED, "false"),
];
/// How the setting is called that has AWS measure each method for itself.
pub(super) const MEASURED: &str = "metrics/enabled";

/// Settings by the paths with which they are changed: `/~1pets/GET/caching/enabled`.
type Settings = BTreeMap<String, String>;

/// What is to become of settings that are not wanted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Leftovers {
    /// The methods that lose all of their settings: `/~1pets/GET`.
    pub(super) methods: BTreeSet<String>,
    /// What single settings are put back to, where others of the method stay.
    pub(super) values: Settings,
}

impl Leftovers {
    pub(super) fn is_empty(&self) -> bool {
        self.methods.is_empty() && self.values.is_empty()
    }
}

/// What a stage has beside what is wanted. `recorded` is what was applied to it.
pub(super) fn leftovers(held: &Settings, wanted: &Settings, recorded: &Settings) -> Leftovers {
    let mut left = Leftovers::default();
    let methods: BTreeSet<&str> = held.keys().filter_map(|path| method(path)).collect();
    for method in methods {
        let one = Method {
            method,
            held,
            wanted,
            recorded,
        };
        match one.goes() {
            true => drop(left.methods.insert(method.to_owned())),
            false => left.values.extend(one.put_back()),
        }
    }
    left
}

/// The method that a setting is about: `/~1pets/GET` of `/~1pets/GET/caching/enabled`. None if it is about the whole stage.
pub(super) fn method(path: &str) -> Option<&str> {
    let mut slashes = path.match_indices('/').map(|(at, _)| at).skip(2);
    let end = slashes.next()?;
    slashes.next()?;
    path.get(..end)
}

/// The settings of one method.
struct Method<'a> {
    method: &'a str,
    held: &'a Settings,
    wanted: &'a Settings,
    recorded: &'a Settings,
}

impl<'a> Method<'a> {
    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.method)
    }

    fn of(&self, settings: &'a Settings, name: &str) -> Option<&'a str> {
        settings.get(&self.path(name)).map(String::as_str)
    }

    fn is_in(&self, settings: &Settings) -> bool {
        settings.keys().any(|path| method(path) == Some(self.method))
    }

    /// Whether all that is held of the method is ours to say, and none of it is wanted.
    fn goes(&self) -> bool {
        let is_ours = self.is_in(self.recorded) || self.is_limited() || self.is_cached();
        is_ours && !self.is_in(self.wanted) && !self.has_settings_of_others()
    }

    fn is_limited(&self) -> bool {
        let number = |name| self.of(self.held, name).and_then(|text| text.parse().ok());
        let limit: (f64, f64) = (number(RATE).unwrap_or(0.0), number(BURST).unwrap_or(0.0));
        limit.0 >= 0.0 && limit != (0.0, 0.0) && !is_of_account(limit)
    }

    fn is_cached(&self) -> bool {
        self.of(self.held, CACHED) == Some("true")
    }

    fn has_settings_of_others(&self) -> bool {
        LOGGED
            .iter()
            .any(|(name, usual)| self.says(name, usual) && self.of(self.recorded, name).is_none())
    }

    /// Whether something else than the usual is held and nothing is wanted.
    fn says(&self, name: &str, usual: &str) -> bool {
        let held = self.of(self.held, name);
        held.is_some_and(|held| !held.is_empty() && held != usual) && self.of(self.wanted, name).is_none()
    }

    /// What is put back of a method some of whose settings stay.
    fn put_back(&self) -> Settings {
        let mut back = self.limit().unwrap_or_default();
        if self.is_cached() && self.of(self.wanted, CACHED).is_none() {
            back.insert(self.path(CACHED), false.to_string());
        }
        let ours = LOGGED
            .iter()
            .filter(|(name, usual)| self.says(name, usual) && self.of(self.recorded, name).is_some());
        back.extend(ours.map(|(name, usual)| (self.path(name), (*usual).to_owned())));
        back
    }

    /// The limit of a method that has none of its own: that of all methods, or one that stands for none.
    fn limit(&self) -> Option<Settings> {
        // Where we set anything, AWS writes a limit beside it, which is not ours unless we set that as well.
        let is_beside = self.is_in(self.wanted) && self.of(self.recorded, RATE).is_none();
        if is_beside || self.of(self.wanted, RATE).is_some() {
            return None;
        }
        let held = (self.of(self.held, RATE)?, self.of(self.held, BURST)?);
        let of_all = |name: &str| self.wanted.get(&format!("{ALL}/{name}"));
        let limit = match (of_all(RATE), of_all(BURST)) {
            (Some(rate), Some(burst)) if is_same_value(held.0, rate) && is_same_value(held.1, burst) => None,
            (Some(rate), Some(burst)) => Some((rate.clone(), burst.clone())),
            _ => self.is_limited().then(no_limit),
        };
        let (rate, burst) = limit?;
        Some([(self.path(RATE), rate), (self.path(BURST), burst)].into())
    }
}

fn no_limit() -> (String, String) {
    (NO_LIMIT.0.to_string(), NO_LIMIT.1.to_string())
}

/// What stands for no limit of all methods, where AWS takes none away.
pub(super) fn no_limit_of_all() -> Settings {
    let (rate, burst) = no_limit();
    [(format!("{ALL}/{RATE}"), rate), (format!("{ALL}/{BURST}"), burst)].into()
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    /// Settings as AWS holds them: what is not said of a method is as usual.
    fn held(lines: &[&str]) -> Settings {
        let said = settings(lines);
        let methods: BTreeSet<&str> = said.keys().filter_map(|path| method(path)).collect();
        let usual = [
            (RATE, "10000.0"),
            (BURST, "5000"),
            (CACHED, "false"),
            ("caching/ttlInSeconds", "300"),
        ];
        let usual = usual.into_iter().chain(LOGGED);
        let all = methods.iter().flat_map(|method| {
            let named = usual
                .clone()
                .map(|(name, value)| (format!("{method}/{name}"), value.to_owned()));
            named.collect::<Vec<_>>()
        });
        let mut held: Settings = all.collect();
        held.extend(said.clone());
        held
    }

    fn settings(lines: &[&str]) -> Settings {
        let pair = |line: &&str| {
            let (path, value) = line.split_once(' ').unwrap();
            (path.to_owned(), value.to_owned())
        };
        lines.iter().map(pair).collect()
    }

    fn check(there: &[&str], wanted: &[&str], recorded: &[&str], expected: Expect) {
        let left = leftovers(&held(there), &settings(wanted), &settings(recorded));
        let removed = left.methods.iter().map(|method| format!("remove {method}"));
        let put = left
            .values
            .iter()
            .map(|(path, value)| format!("{path} = {value}"));
        expected.assert_eq(&removed.chain(put).collect::<Vec<_>>().join("\n"));
    }

    const OF_ALL: [&str; 2] = ["/*/*/throttling/rateLimit 5", "/*/*/throttling/burstLimit 5"];
    const OF_ONE: [&str; 2] = [
        "/~1pets/GET/throttling/rateLimit 7",
        "/~1pets/GET/throttling/burstLimit 7",
    ];

    #[test]
    fn what_is_wanted_is_no_leftover() {
        check(&OF_ALL, &OF_ALL, &OF_ALL, expect![[""]]);
        check(&[], &OF_ALL, &[], expect![[""]]);
    }

    #[test]
    fn limits_and_caches_that_are_not_wanted_go_whoever_made_them() {
        check(&OF_ALL, &[], &OF_ALL, expect!["remove /*/*"]);
        check(&OF_ONE, &[], &[], expect!["remove /~1pets/GET"]);
        check(
            &["/~1pets/GET/caching/enabled true"],
            &[],
            &[],
            expect!["remove /~1pets/GET"],
        );
    }

    #[test]
    fn what_others_log_and_measure_stays() {
        let theirs = [
            "/*/*/metrics/enabled true",
            "/~1pets/GET/logging/loglevel INFO",
            "/~1pets/POST/logging/dataTrace true",
        ];
        check(&theirs, &[], &[], expect![[""]]);
        let with_limit = [&theirs[..], &OF_ONE].concat();
        let put_back = expect![[r"
            /~1pets/GET/throttling/burstLimit = 5000
            /~1pets/GET/throttling/rateLimit = 10000"]];
        check(&with_limit, &[], &OF_ONE, put_back);
    }

    #[test]
    fn what_we_logged_and_measured_goes() {
        let ours = [
            "/~1pets/GET/logging/loglevel INFO",
            "/~1pets/GET/metrics/enabled true",
        ];
        check(&ours, &[], &ours, expect!["remove /~1pets/GET"]);
        check(
            &ours,
            &OF_ONE,
            &ours,
            expect![[r"
            /~1pets/GET/logging/loglevel = OFF
            /~1pets/GET/metrics/enabled = false"]],
        );
        check(
            &ours,
            &[],
            &ours[..1],
            expect!["/~1pets/GET/logging/loglevel = OFF"],
        );
    }

    #[test]
    fn a_cache_goes_beside_a_limit_that_stays() {
        let both = [&OF_ONE[..], &["/~1pets/GET/caching/enabled true"]].concat();
        check(
            &both,
            &OF_ONE,
            &both,
            expect!["/~1pets/GET/caching/enabled = false"],
        );
    }

    #[test]
    fn a_limit_of_all_methods_holds_for_those_that_others_say_something_of() {
        let theirs = [&OF_ALL[..], &["/~1pets/GET/metrics/enabled true"]].concat();
        check(
            &theirs,
            &OF_ALL,
            &OF_ALL,
            expect![[r"
            /~1pets/GET/throttling/burstLimit = 5
            /~1pets/GET/throttling/rateLimit = 5"]],
        );
        let set = [
            "/~1pets/GET/throttling/rateLimit 5",
            "/~1pets/GET/throttling/burstLimit 5",
        ];
        check(&[&theirs[..], &set].concat(), &OF_ALL, &OF_ALL, expect![[""]]);
    }

    #[test]
    fn what_aws_writes_where_nobody_set_a_limit_is_none() {
        for (rate, burst) in [
            ("10000.0", "5000"),
            ("2500.0", "1250"),
            ("20000.0", "10000"),
            ("-1.0", "-1"),
            ("0.0", "0"),
        ] {
            let written = [
                "/~1pets/GET/metrics/enabled true".to_owned(),
                format!("/~1pets/GET/{RATE} {rate}"),
                format!("/~1pets/GET/{BURST} {burst}"),
            ];
            check(&written.each_ref().map(String::as_str), &[], &[], expect![[""]]);
        }
        let beside = [
            "/~1pets/GET/caching/enabled true",
            "/~1pets/GET/throttling/rateLimit 3000",
        ];
        check(&beside, &beside[..1], &beside[..1], expect![[""]]);
    }

    #[test]
    fn a_method_without_a_limit_of_its_own_has_that_of_all() {
        let theirs = settings(&["/~1pets/GET/metrics/enabled true"]);
        assert_eq!(
            leftovers(&theirs, &settings(&OF_ALL), &Settings::new()),
            Leftovers::default()
        );
    }

    #[test]
    fn settings_of_the_whole_stage_are_of_no_method() {
        for (path, expected) in [
            ("/~1pets/GET/caching/enabled", Some("/~1pets/GET")),
            ("/*/*/throttling/rateLimit", Some(ALL)),
            ("/accessLogSettings/format", None),
            ("/cacheClusterEnabled", None),
        ] {
            assert_eq!(method(path), expected);
        }
    }
}
