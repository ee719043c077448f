//! The environment variables that OpenTelemetry defines for every program.

use std::{path::PathBuf, str::FromStr, time::Duration};

use percent_encoding::percent_decode_str;
use secrecy::SecretString;

use super::{
    options::{OtlpReceiver, TelemetryOptions},
    sampler::Sampler,
};

/// A variable says something that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the environment variable `{name}` {problem}")]
pub struct VariableError {
    name: String,
    problem: String,
}

/// Variables by name; an empty one counts as not there.
struct Variables<'a>(&'a dyn Fn(&str) -> Option<String>);

/// What is exported, as variables call it, and the path below the common endpoint.
const SIGNALS: [(&str, &str); 3] = [
    ("TRACES", "v1/traces"),
    ("METRICS", "v1/metrics"),
    ("LOGS", "v1/logs"),
];

impl TelemetryOptions {
    /// Reads OpenTelemetry's variables. None if they name no place to export anything to.
    ///
    /// Values of headers are in no error: they are often tokens.
    pub fn from_variables(variable: &dyn Fn(&str) -> Option<String>) -> Result<Option<Self>, VariableError> {
        let variables = Variables(variable);
        if variables
            .get("OTEL_SDK_DISABLED")
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
        {
            return Ok(None);
        }
        let [traces, metrics, logs] = SIGNALS;
        let receivers = [traces, metrics, logs].map(|(signal, path)| variables.receiver(signal, path));
        let [traces, metrics, logs] = receivers;
        let (traces, metrics, logs) = (traces?, metrics?, logs?);
        if traces.is_none() && metrics.is_none() && logs.is_none() {
            return Ok(None);
        }
        let standard = Self::default();
        Ok(Some(Self {
            sampler: variables.sampler()?,
            resource: variables.resource()?,
            queue: variables
                .number("OTEL_BSP_MAX_QUEUE_SIZE")?
                .unwrap_or(standard.queue),
            batch: variables
                .number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE")?
                .unwrap_or(standard.batch),
            delay: variables
                .milliseconds("OTEL_BSP_SCHEDULE_DELAY")?
                .unwrap_or(standard.delay),
            metric_interval: variables
                .milliseconds("OTEL_METRIC_EXPORT_INTERVAL")?
                .unwrap_or(standard.metric_interval),
            traces,
            metrics,
            logs,
            ..standard
        }))
    }
}

impl Variables<'_> {
    fn get(&self, name: &str) -> Option<String> {
        let value = (self.0)(name)?.trim().to_owned();
        (!value.is_empty()).then_some(value)
    }

    fn parsed<T: FromStr>(&self, name: &str, wanted: &str) -> Result<Option<T>, VariableError> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let parsed = value.parse().map(Some);
        parsed.map_err(|_| error(name, format!("says `{value}`, which is not {wanted}")))
    }

    fn number(&self, name: &str) -> Result<Option<usize>, VariableError> {
        match self.parsed(name, "a whole number above 0")? {
            Some(0) => Err(error(
                name,
                "says `0`, which is not a whole number above 0".to_owned(),
            )),
            number => Ok(number),
        }
    }

    fn milliseconds(&self, name: &str) -> Result<Option<Duration>, VariableError> {
        let number = self.number(name)?;
        Ok(number.map(|number| Duration::from_millis(u64::try_from(number).unwrap_or(u64::MAX))))
    }

    /// The name of the variable that speaks of this signal, or of the one for all of them.
    fn named(&self, signal: &str, what: &str) -> String {
        let own = format!("OTEL_EXPORTER_OTLP_{signal}_{what}");
        match self.get(&own) {
            Some(_) => own,
            None => format!("OTEL_EXPORTER_OTLP_{what}"),
        }
    }

    /// Where one signal goes, if anywhere.
    fn receiver(&self, signal: &str, path: &str) -> Result<Option<OtlpReceiver>, VariableError> {
        let exporter = format!("OTEL_{signal}_EXPORTER");
        match self.get(&exporter).as_deref() {
            None | Some("otlp") => {}
            Some("none") => return Ok(None),
            Some(other) => {
                let problem = format!("says `{other}`; the gateway knows `otlp` and `none`");
                return Err(error(&exporter, problem));
            }
        }
        // The signal's own endpoint is a whole URL, the common one what paths are put below.
        let own = self.get(&format!("OTEL_EXPORTER_OTLP_{signal}_ENDPOINT"));
        let common = || {
            let base = self.get("OTEL_EXPORTER_OTLP_ENDPOINT")?;
            Some(format!("{}/{path}", base.trim_end_matches('/')))
        };
        let Some(url) = own.or_else(common) else {
            return Ok(None);
        };
        self.protocol(signal)?;
        let standard = OtlpReceiver::new(url);
        let timeout = self.milliseconds(&self.named(signal, "TIMEOUT"))?;
        let authorities = self.get(&self.named(signal, "CERTIFICATE"));
        Ok(Some(OtlpReceiver {
            headers: self.headers(&self.named(signal, "HEADERS"))?,
            timeout: timeout.unwrap_or(standard.timeout),
            gzip: self.gzip(&self.named(signal, "COMPRESSION"))?,
            authorities_file: authorities.map(PathBuf::from),
            ..standard
        }))
    }

    fn protocol(&self, signal: &str) -> Result<(), VariableError> {
        let name = self.named(signal, "PROTOCOL");
        match self.get(&name).as_deref() {
            None | Some("http/protobuf") => Ok(()),
            Some(other) => Err(error(
                &name,
                format!(
                    "says `{other}`; the gateway speaks `http/protobuf`, which collectors take at port 4318"
                ),
            )),
        }
    }

    fn gzip(&self, name: &str) -> Result<bool, VariableError> {
        match self.get(name).as_deref() {
            None | Some("none") => Ok(false),
            Some("gzip") => Ok(true),
            Some(other) => Err(error(
                name,
                format!("says `{other}`; the gateway knows `gzip` and `none`"),
            )),
        }
    }

    fn headers(&self, name: &str) -> Result<Vec<(String, SecretString)>, VariableError> {
        let pairs = self.pairs(name)?;
        Ok(pairs
            .into_iter()
            .map(|(key, value)| (key, SecretString::from(value)))
            .collect())
    }

    /// `KEY=VALUE,KEY=VALUE`, with what is special in a value percent-encoded.
    fn pairs(&self, name: &str) -> Result<Vec<(String, String)>, VariableError> {
        let text = self.get(name).unwrap_or_default();
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let pair = |part: &str| {
            let (key, value) = part.split_once('=')?;
            let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
            let key = key.trim();
            (!key.is_empty()).then(|| (key.to_owned(), value.into_owned()))
        };
        let pairs = parts.map(pair).collect::<Option<_>>();
        pairs.ok_or_else(|| {
            error(
                name,
                "is not a list like `KEY=VALUE,KEY=VALUE` with percent-encoded values".to_owned(),
            )
        })
    }

    fn resource(&self) -> Result<Vec<(String, String)>, VariableError> {
        let mut resource = self.pairs("OTEL_RESOURCE_ATTRIBUTES")?;
        if let Some(name) = self.get("OTEL_SERVICE_NAME") {
            resource.retain(|(key, _)| key != "service.name");
            resource.push(("service.name".to_owned(), name));
        }
        for (key, value) in TelemetryOptions::default().resource {
            if resource.iter().all(|(given, _)| *given != key) {
                resource.push((key, value));
            }
        }
        Ok(resource)
    }

    fn sampler(&self) -> Result<Sampler, VariableError> {
        const NAME: &str = "OTEL_TRACES_SAMPLER";
        const ARGUMENT: &str = "OTEL_TRACES_SAMPLER_ARG";
        let share = || match self.parsed::<f64>(ARGUMENT, "a number from 0 to 1")? {
            Some(share) if !(0.0..=1.0).contains(&share) => Err(error(
                ARGUMENT,
                format!("says `{share}`, which is not a number from 0 to 1"),
            )),
            share => Ok(share.unwrap_or(1.0)),
        };
        let chosen = self
            .get(NAME)
            .unwrap_or_else(|| "parentbased_always_on".to_owned());
        let alone = chosen.strip_prefix("parentbased_");
        let share = match alone.unwrap_or(&chosen) {
            "always_on" => 1.0,
            "always_off" => 0.0,
            "traceidratio" => share()?,
            _ => {
                let problem = format!(
                    "says `{chosen}`; the gateway knows `always_on`, `always_off` and `traceidratio`, each also with `parentbased_` before it"
                );
                return Err(error(NAME, problem));
            }
        };
        Ok(Sampler {
            share,
            follow_parent: alone.is_some(),
        })
    }
}

fn error(name: &str, problem: String) -> VariableError {
    VariableError {
        name: name.to_owned(),
        problem,
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn read(given: &[(&str, &str)]) -> Result<Option<TelemetryOptions>, VariableError> {
        let find = |name: &str| {
            let found = given.iter().find(|(given, _)| *given == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        TelemetryOptions::from_variables(&find)
    }

    fn urls(options: &TelemetryOptions) -> [Option<&str>; 3] {
        [&options.traces, &options.metrics, &options.logs]
            .map(|receiver| receiver.as_ref().map(|receiver| receiver.url.as_str()))
    }

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/");

    #[test]
    fn without_an_endpoint_nothing_is_exported() {
        for given in [
            &[][..],
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")],
            &[
                ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
                ("OTEL_SERVICE_NAME", "a"),
            ],
            &[ENDPOINT, ("OTEL_SDK_DISABLED", "True")],
            &[
                ENDPOINT,
                ("OTEL_TRACES_EXPORTER", "none"),
                ("OTEL_METRICS_EXPORTER", "none"),
                ("OTEL_LOGS_EXPORTER", "none"),
            ],
        ] {
            assert!(read(given).unwrap().is_none(), "{given:?}");
        }
    }

    #[test]
    fn paths_go_below_the_common_endpoint_and_a_signals_own_is_taken_as_it_is() {
        let options = read(&[
            ENDPOINT,
            (
                "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
                "https://logs.example.com/otlp",
            ),
            ("OTEL_METRICS_EXPORTER", "none"),
        ]);
        assert_eq!(
            urls(&options.unwrap().unwrap()),
            [
                Some("http://collector:4318/v1/traces"),
                None,
                Some("https://logs.example.com/otlp")
            ]
        );
        let only = read(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://a")]);
        assert_eq!(urls(&only.unwrap().unwrap()), [Some("http://a"), None, None]);
    }

    #[test]
    fn what_a_signal_says_of_itself_goes_before_what_is_said_of_all() {
        let options = read(&[
            ENDPOINT,
            (
                "OTEL_EXPORTER_OTLP_HEADERS",
                "authorization=Bearer%20t0ken, x-scope = a=b",
            ),
            ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "x-key=1"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
            ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "100"),
            ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "gzip"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/etc/ca.pem"),
        ]);
        let options = options.unwrap().unwrap();
        let [traces, metrics, logs] =
            [&options.traces, &options.metrics, &options.logs].map(|one| one.clone().unwrap());
        let headers = |receiver: &OtlpReceiver| {
            let headers = receiver.headers.iter();
            headers
                .map(|(name, value)| format!("{name}: {}", value.expose_secret()))
                .collect::<Vec<_>>()
        };
        assert_eq!(headers(&traces), ["authorization: Bearer t0ken", "x-scope: a=b"]);
        assert_eq!(headers(&logs), ["x-key: 1"]);
        assert_eq!(traces.timeout, Duration::from_millis(2500));
        assert_eq!(metrics.timeout, Duration::from_millis(100));
        assert_eq!((traces.gzip, metrics.gzip), (true, false));
        assert_eq!(logs.authorities_file, Some(PathBuf::from("/etc/ca.pem")));
        assert!(!format!("{options:?}").contains("t0ken"), "{options:?}");
    }

    #[test]
    fn samplers_are_called_as_opentelemetry_calls_them() {
        let sampler = |name: &str, argument: &str| {
            let options = read(&[
                ENDPOINT,
                ("OTEL_TRACES_SAMPLER", name),
                ("OTEL_TRACES_SAMPLER_ARG", argument),
            ]);
            options.map(|options| options.unwrap().sampler)
        };
        for (name, argument, share, follow_parent) in [
            ("", "", 1.0, true),
            ("always_on", "", 1.0, false),
            ("always_off", "", 0.0, false),
            ("traceidratio", "0.25", 0.25, false),
            ("parentbased_always_on", "", 1.0, true),
            ("parentbased_always_off", "0.5", 0.0, true),
            ("parentbased_traceidratio", "0.001", 0.001, true),
            ("parentbased_traceidratio", "", 1.0, true),
        ] {
            assert_eq!(
                sampler(name, argument),
                Ok(Sampler { share, follow_parent }),
                "{name}"
            );
        }
        for (name, argument, part) in [
            ("jaeger_remote", "", "`jaeger_remote`"),
            ("traceidratio", "25%", "a number from 0 to 1"),
            ("traceidratio", "1.5", "a number from 0 to 1"),
            ("traceidratio", "NaN", "a number from 0 to 1"),
        ] {
            let refused = sampler(name, argument).unwrap_err().to_string();
            assert!(
                refused.contains("`OTEL_TRACES_SAMPLER") && refused.contains(part),
                "{refused}"
            );
        }
    }

    #[test]
    fn the_service_has_a_name() {
        let resource = |given: &[(&str, &str)]| {
            let given: Vec<_> = [ENDPOINT].iter().chain(given).copied().collect();
            let mut resource = read(&given).unwrap().unwrap().resource;
            resource.sort();
            resource
                .into_iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect::<Vec<_>>()
        };
        assert_eq!(resource(&[]), ["service.name=gatehouse-gateway"]);
        let attributes = (
            "OTEL_RESOURCE_ATTRIBUTES",
            "service.name=edge,deployment.environment.name=eu%2Cwest",
        );
        assert_eq!(
            resource(&[attributes]),
            ["deployment.environment.name=eu,west", "service.name=edge"]
        );
        assert_eq!(
            resource(&[attributes, ("OTEL_SERVICE_NAME", "front")]),
            ["deployment.environment.name=eu,west", "service.name=front"]
        );
    }

    #[test]
    fn what_cannot_be_followed_is_told_without_what_may_be_secret() {
        for (name, value, part) in [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "4318"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "`gzip`"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon", "whole number"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "0", "above 0"),
            ("OTEL_LOGS_EXPORTER", "console", "`none`"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "s3cret", "KEY=VALUE"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=%ff%fes3cret", "KEY=VALUE"),
        ] {
            let refused = read(&[ENDPOINT, (name, value)]).unwrap_err().to_string();
            assert!(refused.contains(name) && refused.contains(part), "{refused}");
            assert!(!refused.contains("s3cret"), "{refused}");
        }
    }
}
