//! OTLP's attributes and times.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, any_value::Value},
    resource::v1::Resource,
};

/// The attributes of one thing.
#[derive(Debug, Default)]
pub(super) struct Attributes(pub(super) Vec<KeyValue>);

impl Attributes {
    /// Adds a text.
    pub(super) fn text(&mut self, key: &str, text: impl Into<String>) {
        self.add(key, Value::StringValue(text.into()));
    }

    /// Adds a text if there is one.
    pub(super) fn text_if_any(&mut self, key: &str, text: Option<impl Into<String>>) {
        if let Some(text) = text {
            self.text(key, text);
        }
    }

    /// Adds a number.
    pub(super) fn number(&mut self, key: &str, number: u64) {
        self.add(key, Value::IntValue(i64::try_from(number).unwrap_or(i64::MAX)));
    }

    /// Adds a yes or no.
    pub(super) fn truth(&mut self, key: &str, truth: bool) {
        self.add(key, Value::BoolValue(truth));
    }

    /// Adds a list with one text.
    pub(super) fn list_of_one(&mut self, key: &str, text: impl Into<String>) {
        let values = vec![any(Value::StringValue(text.into()))];
        self.add(key, Value::ArrayValue(ArrayValue { values }));
    }

    fn add(&mut self, key: &str, value: Value) {
        self.0.push(KeyValue {
            key: key.to_owned(),
            value: Some(any(value)),
            ..KeyValue::default()
        });
    }
}

fn any(value: Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

/// A text by itself.
pub(super) fn text(text: String) -> AnyValue {
    any(Value::StringValue(text))
}

/// Nanoseconds since 1970.
pub(super) fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Who speaks.
pub(super) fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: env!("CARGO_PKG_NAME").to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    }
}

/// About whom: what the options say, and what tells this process from others.
pub(super) fn resource(given: &[(String, String)]) -> Resource {
    let mut attributes = Attributes::default();
    let own = [
        ("service.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("service.instance.id", uuid::Uuid::new_v4().to_string()),
    ];
    for (key, value) in own {
        if given.iter().all(|(given, _)| given != key) {
            attributes.text(key, value);
        }
    }
    for (key, value) in given {
        attributes.text(key, value);
    }
    Resource {
        attributes: attributes.0,
        ..Resource::default()
    }
}
