//! What leads to a Kong: URL, TLS, credential.

use std::time::Duration;

use gatehouse_connector_sdk::{
    context::Context,
    error::{Error, ErrorKind, Result},
};
use reqwest::{
    Certificate, Identity, Method, Url,
    header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue},
};
use secrecy::{ExposeSecret as _, SecretString};

use super::{Client, below};
use crate::config::{self, ADMIN_TOKEN, CLIENT_CERTIFICATE, Deployment, KongSettings};

/// Makes clients.
#[derive(Debug)]
pub(crate) struct Connections {
    /// For Kongs that need no TLS of their own; it keeps its connections.
    shared: reqwest::Client,
}

impl Connections {
    /// Fails if this machine cannot make an HTTP client.
    pub(crate) fn new() -> Result<Self> {
        let shared = builder().build();
        let shared = shared.map_err(|error| {
            Error::new(
                ErrorKind::Unexpected,
                "the connector does not start: it can make no HTTP client",
            )
            .with_source(error)
        })?;
        Ok(Self { shared })
    }

    /// For questions to the proxy, which are asked without a credential.
    pub(crate) fn proxy(&self) -> &reqwest::Client {
        &self.shared
    }

    /// A client for the Kong of an environment.
    pub(crate) async fn open(&self, context: &Context) -> Result<Client> {
        let settings = config::read(context)?;
        let http = self.http(context, &settings)?;
        let timeout = Duration::from_millis(settings.timeout_ms.into());
        let environment = context.environment.name.to_string();
        let token = context.environment.credentials.get(ADMIN_TOKEN);
        match config::deployment(&settings, &context.environment)? {
            Deployment::SelfManaged { admin_url, workspace } => {
                let root = url(&admin_url, "adminUrl", &environment)?;
                let entities = match &workspace {
                    Some(workspace) => below(&root, &[workspace]),
                    None => root.clone(),
                };
                let headers = admin_headers(&settings.token_header, token, &environment)?;
                Ok(Client {
                    http,
                    root,
                    entities,
                    headers,
                    timeout,
                    environment,
                    is_konnect: false,
                })
            }
            Deployment::Konnect {
                url: konnect,
                control_plane,
            } => {
                let root = url(&konnect, "konnectUrl", &environment)?;
                let token = token.ok_or_else(|| no_token(&environment))?;
                let headers = bearer(token, &environment)?;
                let entities = root.clone();
                let client = Client {
                    http,
                    root,
                    entities,
                    headers,
                    timeout,
                    environment,
                    is_konnect: true,
                };
                client.in_control_plane(&control_plane).await
            }
        }
    }

    fn http(&self, context: &Context, settings: &KongSettings) -> Result<reqwest::Client> {
        let certificate = context.environment.credentials.get(CLIENT_CERTIFICATE);
        if settings.certificate_authority.is_none() && certificate.is_none() {
            return Ok(self.shared.clone());
        }
        let environment = context.environment.name.as_str();
        let mut builder = builder();
        if let Some(authority) = &settings.certificate_authority {
            let authority = Certificate::from_pem(authority.as_bytes());
            let authority = authority
                .map_err(|error| no_pem(environment, "the setting `certificateAuthority`", error))?;
            builder = builder.tls_certs_only([authority]);
        }
        if let Some(certificate) = certificate {
            let identity = Identity::from_pem(certificate.expose_secret().as_bytes());
            let identity =
                identity.map_err(|error| no_pem(environment, "the credential `clientCertificate`", error))?;
            builder = builder.identity(identity);
        }
        builder
            .build()
            .map_err(|error| no_pem(environment, "what it was given for TLS", error))
    }
}

/// Kong is on a network of the agent's own, and its credential follows no redirect.
fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
}

impl Client {
    /// The entities of a control plane of Konnect, by its id or name.
    async fn in_control_plane(mut self, control_plane: &str) -> Result<Self> {
        let id = match uuid::Uuid::parse_str(control_plane) {
            Ok(id) => id.to_string(),
            Err(_) => self.control_plane_named(control_plane).await?,
        };
        self.entities = below(&self.root, &["v2", "control-planes", &id, "core-entities"]);
        Ok(self)
    }

    async fn control_plane_named(&self, name: &str) -> Result<String> {
        let mut url = below(&self.root, &["v2", "control-planes"]);
        url.query_pairs_mut().append_pair("filter[name][eq]", name);
        let object = format!("control plane `{name}`");
        let found = self.call("find", &object, self.request(Method::GET, url)).await?;
        let found = found["data"].as_array().into_iter().flatten();
        let mut named = found.filter(|plane| plane["name"] == *name);
        let id = named
            .next()
            .and_then(|plane| plane["id"].as_str())
            .map(str::to_owned);
        id.ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                format!(
                    "Konnect has no control plane `{name}` that the token of environment `{}` may see; correct `spec.settings.controlPlane`",
                    self.environment
                ),
            )
        })
    }
}

fn admin_headers(name: &str, token: Option<&SecretString>, environment: &str) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    if let Some(token) = token {
        let name = HeaderName::try_from(name).map_err(|error| {
            let message = format!(
                "`{name}` is no name of a header; correct `spec.settings.tokenHeader` of environment `{environment}`"
            );
            Error::new(ErrorKind::Invalid, message).with_source(error)
        })?;
        headers.insert(name, header(token.expose_secret(), environment)?);
    }
    Ok(headers)
}

fn bearer(token: &SecretString, environment: &str) -> Result<HeaderMap> {
    let value = header(&format!("Bearer {}", token.expose_secret()), environment)?;
    Ok(HeaderMap::from_iter([(AUTHORIZATION, value)]))
}

fn header(value: &str, environment: &str) -> Result<HeaderValue> {
    let value = HeaderValue::try_from(value);
    let mut value = value.map_err(|_| {
        let message = format!(
            "the credential `{ADMIN_TOKEN}` of environment `{environment}` has characters that no header takes; correct it"
        );
        Error::new(ErrorKind::Unauthorized, message)
    })?;
    value.set_sensitive(true);
    Ok(value)
}

fn url(text: &str, field: &str, environment: &str) -> Result<Url> {
    let url = Url::parse(text).ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && !url.cannot_be_a_base());
    let url = url.ok_or_else(|| {
        Error::new(
            ErrorKind::Invalid,
            format!("`{text}` is not an http or https URL; correct `spec.settings.{field}` of environment `{environment}`"),
        )
    })?;
    match url.username().is_empty() && url.password().is_none() {
        true => Ok(url),
        // Errors show the URL, and settings are no place for secrets.
        false => Err(Error::new(
            ErrorKind::Invalid,
            format!(
                "the URL in `spec.settings.{field}` of environment `{environment}` has a user name or a password; take them out, and give the agent a credential"
            ),
        )),
    }
}

fn no_token(environment: &str) -> Error {
    Error::new(
        ErrorKind::Unauthorized,
        format!(
            "Konnect wants a token; add the credential `{ADMIN_TOKEN}` to `spec.credentials` of environment `{environment}`"
        ),
    )
}

fn no_pem(environment: &str, what: &str, error: reqwest::Error) -> Error {
    let message = format!("{what} of environment `{environment}` cannot be used for TLS; it must be in PEM");
    Error::new(ErrorKind::Invalid, message).with_source(error)
}
