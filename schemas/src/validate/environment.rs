//! The rules of an environment.

use super::{cron, note, url};
use crate::{
    environment::{CredentialSource, EnvironmentSpec},
    issue::Issue,
    pointer,
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
    let discovery = spec.discovery.as_ref();
    if let Some(schedule) = discovery.and_then(|discovery| discovery.schedule.as_ref()) {
        note(
            &mut issues,
            format!("{at}/discovery/schedule"),
            cron::expression(schedule),
        );
    }
    for (name, source) in &spec.credentials {
        let place = pointer::join(&format!("{at}/credentials"), name);
        note(&mut issues, place, credential(source));
    }
    issues
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
