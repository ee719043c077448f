//! The gateway's metrics as OTLP: what `/metrics` says, taken from its text, so that both always say the same.
//!
//! The number of series is bounded there: by APIs and status classes, never by paths, callers or addresses.

mod text;

#[cfg(test)]
mod tests;

use std::time::SystemTime;

use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    metrics::v1::{
        AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
        ResourceMetrics, ScopeMetrics, Sum, metric::Data, number_data_point,
    },
    resource::v1::Resource,
};

use self::text::{Family, Kind, Sample};
use super::values::{Attributes, nanoseconds, scope};

/// How `/metrics` calls the time that requests took, and how OpenTelemetry does.
const DURATION: (&str, &str) = (
    "gatehouse_gateway_request_duration_seconds",
    "http.server.request.duration",
);

/// Labels of that metric, and their attributes.
const DURATION_LABELS: [(&str, &str); 2] = [("api", "gatehouse.api"), ("status", "gatehouse.status_class")];

/// When counting began, and now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Period {
    pub(super) start: SystemTime,
    pub(super) end: SystemTime,
}

/// What is sent about metrics in Prometheus' text format, and how many points it has.
pub(super) fn request(
    text: &str,
    resource: &Resource,
    period: Period,
) -> (ExportMetricsServiceRequest, usize) {
    let families = text::families(text);
    let metrics: Vec<_> = families
        .iter()
        .filter_map(|family| metric(family, period))
        .collect();
    let points = metrics.iter().map(points).sum();
    let request = ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(resource.clone()),
            scope_metrics: vec![ScopeMetrics {
                scope: Some(scope()),
                metrics,
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }],
    };
    (request, points)
}

fn points(metric: &Metric) -> usize {
    match &metric.data {
        Some(Data::Gauge(gauge)) => gauge.data_points.len(),
        Some(Data::Sum(sum)) => sum.data_points.len(),
        Some(Data::Histogram(histogram)) => histogram.data_points.len(),
        _ => 0,
    }
}

/// None for a family without samples.
fn metric(family: &Family<'_>, period: Period) -> Option<Metric> {
    let numbers = || {
        family
            .samples
            .iter()
            .map(|sample| number(sample, period))
            .collect::<Vec<_>>()
    };
    let data = match family.kind {
        _ if family.samples.is_empty() => return None,
        Kind::Gauge => Data::Gauge(Gauge {
            data_points: numbers(),
        }),
        Kind::Counter => Data::Sum(Sum {
            data_points: numbers(),
            aggregation_temporality: AggregationTemporality::Cumulative.into(),
            is_monotonic: true,
        }),
        Kind::Histogram => Data::Histogram(Histogram {
            data_points: histograms(family, period),
            aggregation_temporality: AggregationTemporality::Cumulative.into(),
        }),
    };
    let (name, unit) = named(family.name);
    Some(Metric {
        name: name.to_owned(),
        description: family.help.to_owned(),
        unit: unit.to_owned(),
        data: Some(data),
        ..Metric::default()
    })
}

/// A metric's name and unit. What counts is called a total by Prometheus only.
fn named(name: &str) -> (&str, &'static str) {
    if name == DURATION.0 {
        return (DURATION.1, "s");
    }
    let name = name.strip_suffix("_total").unwrap_or(name);
    match name {
        name if name.ends_with("_seconds") => (name, "s"),
        name if name.ends_with("_bytes") => (name, "By"),
        name => (name, ""),
    }
}

fn number(sample: &Sample<'_>, period: Period) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes("", sample).0,
        start_time_unix_nano: nanoseconds(period.start),
        time_unix_nano: nanoseconds(period.end),
        value: Some(value(sample.value)),
        ..NumberDataPoint::default()
    }
}

/// A whole number if it is one.
fn value(text: &str) -> number_data_point::Value {
    match text.parse() {
        Ok(whole) => number_data_point::Value::AsInt(whole),
        Err(_) => number_data_point::Value::AsDouble(text.parse().unwrap_or_default()),
    }
}

fn attributes(family: &str, sample: &Sample<'_>) -> Attributes {
    let mut attributes = Attributes::default();
    for (name, value) in sample.labels.iter().filter(|(name, _)| *name != "le") {
        let renamed = DURATION_LABELS.into_iter().find(|(label, _)| label == name);
        let key = renamed
            .filter(|_| family == DURATION.0)
            .map_or(*name, |(_, key)| key);
        attributes.text(key, &**value);
    }
    attributes
}

/// The samples of one set of labels follow each other: the buckets by their bounds, then sum and count.
fn histograms(family: &Family<'_>, period: Period) -> Vec<HistogramDataPoint> {
    let mut points: Vec<HistogramDataPoint> = Vec::new();
    let mut below = 0;
    for sample in &family.samples {
        let attributes = attributes(family.name, sample).0;
        if points.last().is_none_or(|point| point.attributes != attributes) {
            below = 0;
            points.push(HistogramDataPoint {
                attributes,
                start_time_unix_nano: nanoseconds(period.start),
                time_unix_nano: nanoseconds(period.end),
                ..HistogramDataPoint::default()
            });
        }
        let Some(point) = points.last_mut() else {
            continue;
        };
        if let Some(bound) = sample.label("le") {
            // Prometheus counts all that is below a bound, OTLP what is between two.
            let count: u64 = sample.value.parse().unwrap_or(below);
            point.bucket_counts.push(count.saturating_sub(below));
            point.count = count;
            below = count;
            if bound != "+Inf" {
                point.explicit_bounds.push(bound.parse().unwrap_or_default());
            }
        } else if sample.name.ends_with("_sum") {
            point.sum = sample.value.parse().ok();
        }
    }
    points
}
