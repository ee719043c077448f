//! The settings of an HTTP API's stage, by the paths with which those of a REST API's are changed.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_apigatewayv2::types::{AccessLogSettings, RouteSettings};

use super::super::{Stage, Switch, method};

/// What the settings of every route are called among those of single routes.
const ALL: &str = "*/*";

/// Variables that are to go are set to nothing: the map that is sent is laid over what is there.
pub(super) fn variables(held: &Stage, switch: &Switch<'_>) -> HashMap<String, String> {
    let is_old = |name: &&str| !switch.variables.contains_key(*name);
    let old = held.record_variables().filter(is_old);
    let old = old.map(|name| (name.to_owned(), String::new()));
    old.chain(switch.variables.clone()).collect()
}

/// What AWS lets through of every account where nobody says less, a second and at once. AWS takes no limit of all routes
/// away again, so that these stand for none.
const NO_LIMIT: (f64, i32) = (10_000.0, 5_000);

/// The limits of all routes as they are to be: where somebody had set some and none are wanted, those that stand for none.
pub(super) fn for_all_routes(held: &Stage, wanted: Option<RouteSettings>) -> Option<RouteSettings> {
    let is_limited = held.settings.keys().any(|path| method(path) == format!("/{ALL}"));
    let (rate, burst) = NO_LIMIT;
    let none = RouteSettings::builder().throttling_rate_limit(rate);
    wanted.or_else(|| is_limited.then(|| none.throttling_burst_limit(burst).build()))
}

/// The routes with settings that are not to have any: `GET /pets`.
pub(super) fn routes_beside(held: &Stage, wanted: &BTreeMap<String, String>) -> Vec<String> {
    let methods = held.methods_beside(wanted).into_iter();
    let single = methods
        .map(|method| method.trim_start_matches('/'))
        .filter(|method| *method != ALL);
    single.filter_map(route_key).collect()
}

/// Whether the stage is to write an access log no more.
pub(super) fn loses_its_log(held: &Stage, wanted: &BTreeMap<String, String>) -> bool {
    held.applied_beside(wanted).contains(LOG_DESTINATION)
}

/// Settings by the paths with which a REST API's would be changed, as those of routes: `/~1pets/GET/…` is of `GET /pets`.
pub(super) fn route_settings(
    settings: &BTreeMap<String, String>,
) -> (Option<RouteSettings>, Option<HashMap<String, RouteSettings>>) {
    let mut by_method: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for (path, value) in settings {
        if let Some((method, name)) = path.trim_start_matches('/').split_once("/throttling/") {
            by_method.entry(method).or_default().push((name, value));
        }
    }
    let all = by_method.remove(ALL).map(|values| throttled(&values));
    let each = by_method
        .into_iter()
        .filter_map(|(method, values)| Some((route_key(method)?, throttled(&values))));
    let each: HashMap<String, RouteSettings> = each.collect();
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

fn throttled(values: &[(&str, &str)]) -> RouteSettings {
    let value = |wanted: &str| {
        values
            .iter()
            .find(|(name, _)| *name == wanted)
            .map(|(_, value)| *value)
    };
    RouteSettings::builder()
        .set_throttling_rate_limit(value("rateLimit").and_then(|value| value.parse().ok()))
        .set_throttling_burst_limit(value("burstLimit").and_then(|value| value.parse().ok()))
        .build()
}

fn route_key(method: &str) -> Option<String> {
    let (path, method) = method.rsplit_once('/')?;
    Some(format!("{method} {}", path.replace("~1", "/").replace("~0", "~")))
}

fn is_a_limit(settings: &RouteSettings) -> bool {
    let (rate, burst) = NO_LIMIT;
    settings.throttling_rate_limit != Some(rate) || settings.throttling_burst_limit != Some(burst)
}

pub(super) fn settings_of(
    all: Option<RouteSettings>,
    each: Option<HashMap<String, RouteSettings>>,
) -> BTreeMap<String, String> {
    let of_all = all.filter(is_a_limit).map(|settings| (ALL.to_owned(), settings));
    let of_each = each
        .unwrap_or_default()
        .into_iter()
        .filter_map(|(key, settings)| {
            let (method, path) = key.split_once(' ')?;
            let path = path.replace('~', "~0").replace('/', "~1");
            Some((format!("{path}/{method}"), settings))
        });
    let values = |(method, settings): (String, RouteSettings)| {
        let rate = settings
            .throttling_rate_limit
            .map(|rate| ("rateLimit", rate.to_string()));
        let burst = settings
            .throttling_burst_limit
            .map(|burst| ("burstLimit", burst.to_string()));
        let values = [rate, burst].into_iter().flatten();
        values
            .map(move |(name, value)| (format!("/{method}/throttling/{name}"), value))
            .collect::<Vec<_>>()
    };
    of_all.into_iter().chain(of_each).flat_map(values).collect()
}
