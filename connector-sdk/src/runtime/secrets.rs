//! Secrets from where they are kept: the control plane, the environment variables, files.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use gatehouse_control_plane_api::agent::SecretsRequest;
use gatehouse_schemas::{
    environment::CredentialSource,
    identity::{EnvironmentId, ResourceName},
};
use secrecy::SecretString;

use super::connection::{Connection, ConnectionError};
use crate::{
    context::SecretResolver,
    error::{Error, ErrorKind, Result, Retry},
};

/// Resolves secrets of one environment over the Agent API.
#[derive(Debug)]
pub(super) struct ControlPlaneSecrets {
    pub(super) connection: Arc<Connection>,
    pub(super) environment_id: EnvironmentId,
    pub(super) environment: ResourceName,
}

#[async_trait]
impl SecretResolver for ControlPlaneSecrets {
    async fn resolve(&self, names: &[ResourceName]) -> Result<BTreeMap<ResourceName, SecretString>> {
        let request = SecretsRequest {
            names: names.to_vec(),
        };
        let request = &request;
        let response = self
            .connection
            .call(|client, token| async move { client.secrets(&token, self.environment_id, request).await })
            .await
            .map_err(|error| self.failed(names, error))?;
        let mut values = response.values;
        names
            .iter()
            .map(|name| {
                let value = values.remove(name.as_str()).ok_or_else(|| self.missing(name))?;
                Ok((name.clone(), SecretString::from(value)))
            })
            .collect()
    }
}

impl ControlPlaneSecrets {
    fn failed(&self, names: &[ResourceName], error: ConnectionError) -> Error {
        let names = names
            .iter()
            .map(|name| format!("`{name}`"))
            .collect::<Vec<_>>()
            .join(", ");
        let (kind, source) = match error {
            ConnectionError::Api(error) if error.is_temporary() => (ErrorKind::Unavailable, error),
            ConnectionError::Api(error) => (ErrorKind::Invalid, error),
            ConnectionError::Revoked(error) => (ErrorKind::Forbidden, error),
        };
        let message = format!(
            "the secrets {names} of environment `{}` cannot be had: {source}",
            self.environment
        );
        Error::new(kind, message).with_source(source)
    }

    fn missing(&self, name: &ResourceName) -> Error {
        Error::new(
            ErrorKind::Invalid,
            format!(
                "the control plane did not give secret `{name}` for environment `{}`; create it with `gatehouse apply`",
                self.environment
            ),
        )
    }
}

/// The credentials of an environment, each from its source.
pub(super) async fn credentials(
    environment: &ResourceName,
    sources: &BTreeMap<String, CredentialSource>,
    secrets: &dyn SecretResolver,
) -> Result<BTreeMap<String, SecretString>> {
    let mut credentials = BTreeMap::new();
    for (credential, source) in sources {
        let value = one(source, secrets).await.map_err(|error| {
            let message = format!(
                "credential `{credential}` of environment `{environment}`: {}",
                error.message()
            );
            Error::new(error.kind(), message)
                .with_retry(error.retry())
                .with_source(error)
        })?;
        credentials.insert(credential.clone(), value);
    }
    Ok(credentials)
}

async fn one(source: &CredentialSource, secrets: &dyn SecretResolver) -> Result<SecretString> {
    match source {
        CredentialSource::Env(variable) => std::env::var(variable)
            .map(SecretString::from)
            .map_err(|_| unset(variable)),
        CredentialSource::File(path) => read_file(path).await,
        CredentialSource::SecretRef(name) => {
            let mut values = secrets.resolve(std::slice::from_ref(name)).await?;
            values.remove(name).ok_or_else(|| {
                Error::new(
                    ErrorKind::Invalid,
                    format!("secret `{name}` was not given; create it with `gatehouse apply`"),
                )
            })
        }
    }
}

fn unset(variable: &str) -> Error {
    Error::new(
        ErrorKind::Invalid,
        format!("the agent's environment variable `{variable}` is not set; start the agent with it"),
    )
}

/// A file may be put there later, so a missing one is worth another look.
async fn read_file(path: &str) -> Result<SecretString> {
    let text = tokio::fs::read_to_string(path).await.map_err(|error| {
        let message = format!("file `{path}` on the agent's machine cannot be read ({error}); put it there");
        Error::new(ErrorKind::Invalid, message).with_retry(Retry::Backoff)
    })?;
    Ok(text.trim_end_matches(['\r', '\n']).into())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use secrecy::ExposeSecret as _;

    use super::*;

    #[derive(Debug)]
    struct Nothing;

    #[async_trait]
    impl SecretResolver for Nothing {
        async fn resolve(&self, _names: &[ResourceName]) -> Result<BTreeMap<ResourceName, SecretString>> {
            Ok(BTreeMap::new())
        }
    }

    async fn check(source: CredentialSource) -> std::result::Result<String, String> {
        let sources = BTreeMap::from([("adminToken".to_owned(), source)]);
        credentials(&"kong-eu".parse().unwrap(), &sources, &Nothing)
            .await
            .map(|values| values["adminToken"].expose_secret().to_owned())
            .map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn a_file_gives_its_content_without_the_line_end() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "s3cret").unwrap();
        let path = file.path().to_str().unwrap().to_owned();
        assert_eq!(check(CredentialSource::File(path)).await.unwrap(), "s3cret");
    }

    #[tokio::test]
    async fn what_is_missing_is_named_with_its_credential_and_environment() {
        let message = check(CredentialSource::Env("GATEHOUSE_NO_SUCH_VARIABLE".to_owned()))
            .await
            .unwrap_err();
        let of = "credential `adminToken` of environment `kong-eu`: ";
        assert_eq!(
            message,
            format!(
                "{of}the agent's environment variable `GATEHOUSE_NO_SUCH_VARIABLE` is not set; start the agent with it"
            )
        );
        let message = check(CredentialSource::File("/nowhere/at/all".to_owned())).await;
        let message = message.unwrap_err();
        let before = format!("{of}file `/nowhere/at/all` on the agent's machine cannot be read (");
        assert!(
            message.starts_with(&before) && message.ends_with("); put it there"),
            "{message}"
        );
        let message = check(CredentialSource::SecretRef("gone".parse().unwrap())).await;
        assert_eq!(
            message.unwrap_err(),
            format!("{of}secret `gone` was not given; create it with `gatehouse apply`")
        );
    }
}
