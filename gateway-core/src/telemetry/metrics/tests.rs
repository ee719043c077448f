use std::{sync::Arc, time::Duration};

use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use proptest::prelude::*;

use super::*;
use crate::metrics::{Registry, UpstreamFailure, escaped};

fn exported(text: &str) -> Vec<Metric> {
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    let end = SystemTime::UNIX_EPOCH + Duration::from_secs(2);
    let (request, _) = request(text, &Resource::default(), Period { start, end });
    request.resource_metrics[0].scope_metrics[0].metrics.clone()
}

fn attributes_of(attributes: &[KeyValue]) -> String {
    let attributes = attributes.iter().map(|attribute| {
        let value = attribute.value.as_ref().and_then(|value| value.value.clone());
        let Some(any_value::Value::StringValue(text)) = value else {
            panic!("no text: {attribute:?}");
        };
        format!("{}={text}", attribute.key)
    });
    attributes.collect::<Vec<_>>().join(" ")
}

#[test]
fn durations_are_called_as_the_conventions_call_them_and_counted_between_bounds() {
    let registry = Registry::new(2);
    let api = registry.get(&Arc::from("a\"b"));
    api.request(0, 200, Duration::from_millis(2));
    api.request(1, 204, Duration::from_millis(2));
    api.request(1, 200, Duration::from_secs(60));
    api.request(0, 503, Duration::from_micros(500));
    let metrics = exported(&registry.text());
    let duration = metrics
        .iter()
        .find(|metric| metric.name == "http.server.request.duration")
        .unwrap();
    assert_eq!(duration.unit, "s");
    let Some(Data::Histogram(histogram)) = &duration.data else {
        panic!("{duration:?}");
    };
    assert_eq!(
        histogram.aggregation_temporality,
        i32::from(AggregationTemporality::Cumulative)
    );
    let [good, bad] = &histogram.data_points[..] else {
        panic!("{histogram:?}");
    };
    assert_eq!(
        attributes_of(&good.attributes),
        "gatehouse.api=a\"b gatehouse.status_class=2xx"
    );
    assert_eq!((good.count, good.sum), (3, Some(60.004)));
    assert_eq!(good.bucket_counts[..3], [0, 2, 0]);
    assert_eq!(good.bucket_counts.last(), Some(&1));
    assert_eq!(good.bucket_counts.len(), good.explicit_bounds.len() + 1);
    assert_eq!(good.explicit_bounds[..2], [0.001, 0.0025]);
    assert_eq!(
        (good.start_time_unix_nano, good.time_unix_nano),
        (1_000_000_000, 2_000_000_000)
    );
    assert_eq!(
        attributes_of(&bad.attributes),
        "gatehouse.api=a\"b gatehouse.status_class=5xx"
    );
    assert_eq!((bad.count, bad.bucket_counts[0]), (1, 1));
}

#[test]
fn counters_and_gauges_are_what_they_are_in_the_text() {
    let registry = Registry::new(1);
    registry.get(&Arc::from("a")).failure(0, UpstreamFailure::Timeout);
    // Held by nobody, it would be gone.
    let api = registry.get(&Arc::from("b"));
    api.failure(0, UpstreamFailure::Timeout);
    let mut text = registry.text();
    text.push_str("# HELP x_bytes Memory.\n# TYPE x_bytes gauge\nx_bytes 1.5\n# TYPE gone gauge\n# EOF\n");
    let metrics = exported(&text);
    let named = |name: &str| metrics.iter().find(|metric| metric.name == name);
    let Some(Data::Sum(failures)) = &named("gatehouse_gateway_upstream_failures").unwrap().data else {
        panic!("{metrics:?}");
    };
    assert!(failures.is_monotonic);
    assert_eq!(
        attributes_of(&failures.data_points[0].attributes),
        "api=b kind=timeout"
    );
    assert_eq!(
        failures.data_points[0].value,
        Some(number_data_point::Value::AsInt(1))
    );
    let memory = named("x_bytes").unwrap();
    assert_eq!(
        (memory.unit.as_str(), memory.description.as_str()),
        ("By", "Memory.")
    );
    let Some(Data::Gauge(gauge)) = &memory.data else {
        panic!("{memory:?}");
    };
    assert_eq!(
        gauge.data_points[0].value,
        Some(number_data_point::Value::AsDouble(1.5))
    );
    assert!(named("gone").is_none());
}

#[test]
fn lines_that_say_nothing_are_passed_over() {
    let odd = "# TYPE a counter\na{b=\"c} 1\na{b} 1\na\nother 1\n# TYPE s summary\ns 1\na{b=\"c\"} 2\n\n";
    let metrics = exported(odd);
    let [metric] = &metrics[..] else {
        panic!("{metrics:?}");
    };
    let Some(Data::Sum(sum)) = &metric.data else {
        panic!("{metric:?}");
    };
    assert_eq!(sum.data_points.len(), 1);
}

proptest! {
    #[test]
    fn labels_are_read_as_they_are_written(value in "[\\PC\n\"\\\\]{0,20}") {
        let text = format!("# TYPE a counter\na_total{{x=\"{}\",y=\"z\"}} 3\n", escaped(&value));
        let families = text::families(&text);
        let sample = &families[0].samples[0];
        prop_assert_eq!(sample.label("x"), Some(&*value));
        prop_assert_eq!(sample.label("y"), Some("z"));
        prop_assert_eq!(sample.value, "3");
    }

    #[test]
    fn text_of_any_kind_is_no_harm(text in "(# TYPE a (counter|histogram)\n)?[\\PC\n]{0,200}") {
        let _ = exported(&text);
    }
}
