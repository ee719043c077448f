//! The settings of an HTTP API's stage, by the paths with which those of a REST API's are changed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_apigatewayv2::types::{AccessLogSettings, RouteSettings};

use super::super::{
    Stage, Switch,
    methods::{ALL, BURST, Leftovers, MEASURED, RATE, method, no_limit_of_all},
};

/// Variables that are to go are set to nothing: the map that is sent is laid over what is there.
pub(super) fn variables(held: &Stage, switch: &Switch<'_>) -> HashMap<String, String> {
    let is_old = |name: &&str| !switch.variables.contains_key(*name);
    let old = held.record_variables().filter(is_old);
    let old = old.map(|name| (name.to_owned(), String::new()));
    old.chain(switch.variables.clone()).collect()
}

/// What is sent of settings: those that are wanted, those that are put back, and beside them what others set of the same
/// routes, since what is sent of a route takes the place of all that it had.
pub(super) fn sent(held: &Stage, wanted: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let Leftovers { methods, values } = held.leftovers(wanted);
    let mut sent = wanted.clone();
    sent.extend(values);
    if methods.contains(ALL) {
        sent.extend(no_limit_of_all());
    }
    let routes: BTreeSet<String> = sent
        .keys()
        .filter_map(|path| method(path))
        .map(str::to_owned)
        .collect();
    for route in routes {
        let measured = format!("{route}/{MEASURED}");
        if let Some(held) = held.settings.get(&measured) {
            sent.entry(measured).or_insert_with(|| held.clone());
        }
    }
    sent
}

/// The routes that lose all of their settings: `GET /pets`. Those of all routes cannot go.
pub(super) fn routes_beside(held: &Stage, wanted: &BTreeMap<String, String>) -> Vec<String> {
    let methods = held.leftovers(wanted).methods.into_iter();
    let single = methods.filter(|method| method != ALL);
    single
        .filter_map(|method| route_key(method.trim_start_matches('/')))
        .collect()
}

/// Whether the stage is to write an access log no more.
pub(super) fn loses_its_log(held: &Stage, wanted: &BTreeMap<String, String>) -> bool {
    held.applied_beside(wanted).contains(LOG_DESTINATION)
}

/// Settings by the paths with which a REST API's would be changed, as those of routes: `/~1pets/GET/…` is of `GET /pets`.
pub(super) fn route_settings(
    settings: &BTreeMap<String, String>,
) -> (Option<RouteSettings>, Option<HashMap<String, RouteSettings>>) {
    let methods: BTreeSet<&str> = settings.keys().filter_map(|path| method(path)).collect();
    let all = methods.contains(ALL).then(|| of_route(settings, ALL));
    let single = methods.into_iter().filter(|method| *method != ALL);
    let each = single
        .filter_map(|method| {
            Some((
                route_key(method.trim_start_matches('/'))?,
                of_route(settings, method),
            ))
        })
        .collect::<HashMap<String, RouteSettings>>();
    (all, (!each.is_empty()).then_some(each))
}

const LOG_DESTINATION: &str = "/accessLogSettings/destinationArn";
const LOG_FORMAT: &str = "/accessLogSettings/format";

pub(super) fn access_log(settings: &BTreeMap<String, String>) -> Option<AccessLogSettings> {
    let log = AccessLogSettings::builder().destination_arn(settings.get(LOG_DESTINATION)?);
    Some(log.format(settings.get(LOG_FORMAT)?).build())
}

pub(super) fn logged(log: Option<AccessLogSettings>) -> impl Iterator<Item = (String, String)> {
    let of = |log: AccessLogSettings| {
        let destination = log.destination_arn.map(|arn| (LOG_DESTINATION.to_owned(), arn));
        let format = log.format.map(|format| (LOG_FORMAT.to_owned(), format));
        destination.into_iter().chain(format)
    };
    log.into_iter().flat_map(of)
}

fn of_route(settings: &BTreeMap<String, String>, method: &str) -> RouteSettings {
    let value = |name: &str| settings.get(&format!("{method}/{name}"));
    RouteSettings::builder()
        .set_throttling_rate_limit(value(RATE).and_then(|value| value.parse().ok()))
        .set_throttling_burst_limit(value(BURST).and_then(|value| value.parse().ok()))
        .set_detailed_metrics_enabled(value(MEASURED).and_then(|value| value.parse().ok()))
        .build()
}

fn route_key(method: &str) -> Option<String> {
    let (path, method) = method.rsplit_once('/')?;
    Some(format!("{method} {}", path.replace("~1", "/").replace("~0", "~")))
}

pub(super) fn settings_of(
    all: Option<RouteSettings>,
    each: Option<HashMap<String, RouteSettings>>,
) -> BTreeMap<String, String> {
    let of_all = all.map(|settings| (ALL.to_owned(), settings));
    let of_each = each
        .unwrap_or_default()
        .into_iter()
        .filter_map(|(key, settings)| {
            let (method, path) = key.split_once(' ')?;
            let path = path.replace('~', "~0").replace('/', "~1");
            Some((format!("/{path}/{method}"), settings))
        });
    let values = |(method, settings): (String, RouteSettings)| {
        let rate = settings.throttling_rate_limit.map(|rate| rate.to_string());
        let burst = settings.throttling_burst_limit.map(|burst| burst.to_string());
        let measured = settings.detailed_metrics_enabled.map(|on| on.to_string());
        let values = [(RATE, rate), (BURST, burst), (MEASURED, measured)];
        let said = values
            .into_iter()
            .filter_map(|(name, value)| Some((format!("{method}/{name}"), value?)));
        said.collect::<Vec<_>>()
    };
    of_all.into_iter().chain(of_each).flat_map(values).collect()
}
