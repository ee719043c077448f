//! The rules of an environment.

use super::{note, url};
use crate::{
    drift,
    environment::{CredentialSource, EnvironmentSpec},
    issue::Issue,
    pointer, schedule,
};

/// Everything that is wrong with an environment, as far as it can be told without its connector.
pub(crate) fn environment(spec: &EnvironmentSpec, at: &str) -> Vec<Issue> {
    let mut issues = Vec::new();
    for (index, endpoint) in spec.endpoints.iter().enumerate() {
        note(
            &mut issues,
            format!("{at}/endpoints/{index}/url"),
            url::origin(&endpoint.url),
        );
    }
    discovery(spec, at, &mut issues);
    drift_spec(spec, at, &mut issues);
    for (name, source) in &spec.credentials {
        let place = pointer::join(&format!("{at}/credentials"), name);
        note(&mut issues, place, credential(source));
    }
    issues
}

fn discovery(spec: &EnvironmentSpec, at: &str, issues: &mut Vec<Issue>) {
    let Some(discovery) = &spec.discovery else {
        return;
    };
    if let Some(expression) = &discovery.schedule {
        let place = format!("{at}/discovery/schedule");
        note(issues, place, schedule::check(expression));
    }
    for (index, name) in discovery.filter.names.iter().enumerate() {
        let place = format!("{at}/discovery/filter/names/{index}");
        note(issues, place, not_empty(name));
    }
    let rules = &discovery.removal;
    let place = |field: &str| format!("{at}/discovery/removal/{field}");
    let runs = within(u64::from(rules.complete_runs), 1, 100);
    note(issues, place("completeRuns"), runs);
    let grace = within(rules.grace_seconds, 0, GRACE_MAX_SECONDS);
    note(issues, place("graceSeconds"), grace);
    let share = within(u64::from(rules.max_share_percent), 0, 100);
    note(issues, place("maxSharePercent"), share);
}

/// A year.
const GRACE_MAX_SECONDS: u64 = 31_536_000;

fn drift_spec(spec: &EnvironmentSpec, at: &str, issues: &mut Vec<Issue>) {
    let Some(spec) = &spec.drift else {
        return;
    };
    if let Some(expression) = &spec.schedule {
        let place = format!("{at}/drift/schedule");
        note(issues, place, schedule::check(expression));
    }
    for (index, rule) in spec.ignore.iter().enumerate() {
        let place = format!("{at}/drift/ignore/{index}");
        note(issues, place, drift::check_rule(rule));
    }
}

fn within(number: u64, low: u64, high: u64) -> Result<(), String> {
    if (low..=high).contains(&number) {
        return Ok(());
    }
    Err(format!("{number} is not between {low} and {high}"))
}

fn not_empty(pattern: &str) -> Result<(), String> {
    if pattern.is_empty() {
        return Err("an empty pattern lets no name through; use `*` for all".to_owned());
    }
    Ok(())
}

fn credential(source: &CredentialSource) -> Result<(), String> {
    match source {
        CredentialSource::SecretRef(_) => Ok(()),
        CredentialSource::Env(name) if is_variable(name) => Ok(()),
        CredentialSource::Env(name) => Err(format!("`{name}` is not the name of an environment variable")),
        CredentialSource::File(path) if path.starts_with('/') => Ok(()),
        CredentialSource::File(path) => Err(format!(
            "`{path}` is a relative path; write it from `/`, as the agent has a folder of its own"
        )),
    }
}

fn is_variable(name: &str) -> bool {
    let digit_first = name.starts_with(|first: char| first.is_ascii_digit());
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !name.is_empty() && !digit_first && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    use super::*;

    #[test]
    fn schedules_ignore_rules_and_removal_rules_are_checked() {
        let spec: EnvironmentSpec = serde_json::from_value(json!({
            "gatewayType": "kong",
            "discovery": {
                "schedule": "@daily",
                "filter": {"names": ["orders-*", ""]},
                "removal": {"completeRuns": 0, "graceSeconds": 99_999_999, "maxSharePercent": 101},
            },
            "drift": {
                "schedule": "61 * * * *",
                "ignore": ["/displayName", "/operations/*/summary", "displayName", "/opertions/*", "/policies/~2", "/"],
            },
        }))
        .expect("an environment");
        let issues: Vec<String> = environment(&spec, "/spec").iter().map(Issue::to_string).collect();
        expect![[r#"
            /spec/discovery/schedule: a schedule has five fields in UTC (minute, hour, day of month, month, day of week), like `*/15 * * * *`; `@daily` has 1
            /spec/discovery/filter/names/1: an empty pattern lets no name through; use `*` for all
            /spec/discovery/removal/completeRuns: 0 is not between 1 and 100
            /spec/discovery/removal/graceSeconds: 99999999 is not between 0 and 31536000
            /spec/discovery/removal/maxSharePercent: 101 is not between 0 and 100
            /spec/drift/schedule: `61 * * * *` is not a schedule (Component error: Number out of bounds.); a schedule has five fields in UTC (minute, hour, day of month, month, day of week), like `*/15 * * * *`
            /spec/drift/ignore/2: `displayName` is not a JSON Pointer; write it from `/`, like `/displayName` or `/operations/*/summary`
            /spec/drift/ignore/3: an API's content has no field `opertions`; it has `displayName`, `version`, `type`, `direction`, `definition`, `hostnames`, `basePath`, `upstreams`, `policies`, `operations`
            /spec/drift/ignore/4: `/policies/~2` has a `~` that is neither `~0` (for `~`) nor `~1` (for `/`)
            /spec/drift/ignore/5: an API's content has no field ``; it has `displayName`, `version`, `type`, `direction`, `definition`, `hostnames`, `basePath`, `upstreams`, `policies`, `operations`"#]].assert_eq(&issues.join("\n"));
    }
}
