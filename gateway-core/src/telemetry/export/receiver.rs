//! One receiver, and what it says to what it is sent.

use std::{
    fmt, fs,
    io::Write as _,
    path::{Path, PathBuf},
    sync::Mutex,
    time::{Duration, Instant},
};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;
use reqwest::{Certificate, Client, Response, Url, redirect};
use secrecy::ExposeSecret as _;
use tracing::warn;

use crate::{error::chain, telemetry::options::OtlpReceiver};

/// How many connections to one receiver are kept: each signal uses one at a time.
const SIGNALS: usize = 3;

/// The largest answer that is read.
const ANSWER_MAX: usize = 64 * 1024;

/// How often a receiver's trouble is told at most.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// A receiver of one signal.
pub(super) struct Receiver {
    client: Client,
    url: Url,
    headers: HeaderMap,
    timeout: Duration,
    gzip: bool,
    /// When its trouble was told last.
    told: Mutex<Option<Instant>>,
}

/// The clients that there are, by the authorities they trust: reading those of the system takes a while.
#[derive(Default)]
pub(super) struct Clients(Vec<(Option<PathBuf>, Client)>);

impl Clients {
    /// A client that trusts the authorities in a file, or those of the system.
    fn trusting(&mut self, authorities: Option<&Path>) -> Result<Client, String> {
        let known = self.0.iter().find(|(file, _)| file.as_deref() == authorities);
        if let Some((_, client)) = known {
            return Ok(client.clone());
        }
        let mut builder = Client::builder()
            // A token is for this receiver, not for whom it names.
            .redirect(redirect::Policy::none())
            .pool_max_idle_per_host(SIGNALS);
        if let Some(file) = authorities {
            builder = builder.tls_certs_only(read(file)?);
        }
        let client = builder
            .build()
            .map_err(|error| format!("TLS cannot be used: {}", chain(&error)))?;
        self.0.push((authorities.map(Path::to_path_buf), client.clone()));
        Ok(client)
    }
}

fn read(file: &Path) -> Result<Vec<Certificate>, String> {
    let unusable =
        |reason: String| format!("the authorities in `{}` cannot be used: {reason}", file.display());
    let pem = fs::read(file).map_err(|error| unusable(error.to_string()))?;
    let authorities = Certificate::from_pem_bundle(&pem).map_err(|error| unusable(chain(&error)))?;
    match authorities.is_empty() {
        true => Err(unusable("there is no certificate in PEM in it".to_owned())),
        false => Ok(authorities),
    }
}

/// What became of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// It arrived, and so many records of it were not wanted.
    Taken { refused: usize },
    /// It is not wanted, now and later.
    Refused,
    /// It may be wanted later; after so long if the receiver says.
    Later(Option<Duration>),
}

/// Without anything that may be secret: many put a token into the path.
impl fmt::Display for Receiver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.url.origin().ascii_serialization())
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Receiver({self})")
    }
}

impl Receiver {
    /// The reason if options cannot be followed.
    pub(super) fn new(options: &OtlpReceiver, clients: &mut Clients) -> Result<Self, String> {
        Ok(Self {
            url: address(&options.url)?,
            headers: headers(options)?,
            client: clients.trusting(options.authorities_file.as_deref())?,
            timeout: options.timeout,
            gzip: options.gzip,
            told: Mutex::default(),
        })
    }

    /// A body as it is sent.
    pub(super) fn packed(&self, body: Vec<u8>) -> Bytes {
        if !self.gzip {
            return body.into();
        }
        let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
        let packed = encoder.write_all(&body).and_then(|()| encoder.finish());
        // Writing to memory does not fail.
        packed.unwrap_or_default().into()
    }

    /// Sends a packed body once.
    pub(super) async fn send(&self, body: Bytes) -> Delivery {
        let request = self.client.post(self.url.clone()).headers(self.headers.clone());
        let sent = request.timeout(self.timeout).body(body).send().await;
        let answer = match sent {
            Ok(answer) => answer,
            Err(error) => {
                let error = chain(&error.without_url());
                self.tell(&format!("cannot be reached: {error}"));
                return Delivery::Later(None);
            }
        };
        let status = answer.status();
        if status.is_success() {
            return self.taken(answer).await;
        }
        self.tell(&format!("answers {status}"));
        match status {
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Delivery::Later(retry_after(answer.headers())),
            _ => Delivery::Refused,
        }
    }

    /// Looks whether all of it was taken. The answers of all signals are alike.
    async fn taken(&self, mut answer: Response) -> Delivery {
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = answer.chunk().await {
            if body.len() + chunk.len() > ANSWER_MAX {
                break;
            }
            body.extend_from_slice(&chunk);
        }
        let answer = ExportTraceServiceResponse::decode(&*body).unwrap_or_default();
        let partial = answer.partial_success.unwrap_or_default();
        if partial.rejected_spans > 0 {
            self.tell(&format!(
                "refuses {} records: {}",
                partial.rejected_spans, partial.error_message
            ));
        }
        Delivery::Taken {
            refused: usize::try_from(partial.rejected_spans).unwrap_or(0),
        }
    }

    /// Says what is wrong, once in a while.
    fn tell(&self, trouble: &str) {
        let mut told = self
            .told
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if told.is_some_and(|told| told.elapsed() < TELL_EVERY) {
            return;
        }
        *told = Some(Instant::now());
        warn!(telemetry.receiver = %self, "The telemetry receiver at `{self}` {trouble}; requests go on without it");
    }
}

/// A URL that can be used. What is in it is not said: it may hold a secret.
fn address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("an OTLP endpoint is not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err("an OTLP endpoint has to begin with http:// or https:// and a host".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "an OTLP endpoint has a user name or password in it; put them into a header (`OTEL_EXPORTER_OTLP_HEADERS`)"
                .to_owned(),
        );
    }
    Ok(url)
}

fn headers(options: &OtlpReceiver) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in &options.headers {
        let unusable = || format!("the header `{name}` for an OTLP endpoint is not one that HTTP allows");
        let parsed = HeaderName::try_from(name).map_err(|_| unusable())?;
        let mut value = HeaderValue::try_from(value.expose_secret()).map_err(|_| unusable())?;
        value.set_sensitive(true);
        headers.append(parsed, value);
    }
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/x-protobuf"),
    );
    let agent = concat!("gatehouse-gateway/", env!("CARGO_PKG_VERSION"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
    if options.gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(headers)
}

/// In seconds; a date is not followed.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(options: &OtlpReceiver) -> Result<Receiver, String> {
        Receiver::new(options, &mut Clients::default())
    }

    #[test]
    fn an_endpoint_is_named_without_what_may_be_secret() {
        let mut options = OtlpReceiver::new("https://collector.example.com/s3cret/v1/traces?key=s3cret");
        options.headers = vec![("authorization".to_owned(), "Bearer s3cret".to_owned().into())];
        let receiver = made(&options).unwrap();
        assert_eq!(receiver.to_string(), "https://collector.example.com");
        assert!(!format!("{receiver:?} {:?} {options:?}", receiver.headers).contains("Bearer"));
        assert!(!format!("{receiver:?}").contains("s3cret"));
    }

    #[test]
    fn endpoints_that_cannot_be_used_are_refused_without_being_repeated() {
        for (url, part) in [
            ("collector:4318", "http://"),
            ("s3cret", "not a URL"),
            ("unix:/run/s3cret.sock", "http://"),
            ("https://user:s3cret@collector", "OTEL_EXPORTER_OTLP_HEADERS"),
        ] {
            let refused = made(&OtlpReceiver::new(url)).unwrap_err();
            assert!(refused.contains(part) && !refused.contains("s3cret"), "{refused}");
        }
        let mut options = OtlpReceiver::new("http://collector");
        options.headers = vec![("a b".to_owned(), "s3cret".to_owned().into())];
        let refused = made(&options).unwrap_err();
        assert!(
            refused.contains("`a b`") && !refused.contains("s3cret"),
            "{refused}"
        );
    }

    #[test]
    fn authorities_have_to_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty.pem");
        fs::write(&empty, "").unwrap();
        for (file, part) in [
            (folder.path().join("gone.pem"), "gone.pem"),
            (empty, "no certificate"),
        ] {
            let mut options = OtlpReceiver::new("https://collector");
            options.authorities_file = Some(file);
            let refused = made(&options).unwrap_err();
            assert!(refused.contains(part), "{refused}");
        }
        let key = rcgen::KeyPair::generate().unwrap();
        let authority = rcgen::CertificateParams::default().self_signed(&key).unwrap();
        let good = folder.path().join("good.pem");
        fs::write(&good, authority.pem()).unwrap();
        let mut options = OtlpReceiver::new("https://collector");
        options.authorities_file = Some(good);
        let mut clients = Clients::default();
        for _ in 0..2 {
            Receiver::new(&options, &mut clients).unwrap();
        }
        assert_eq!(clients.0.len(), 1);
    }
}
