//! Whether the domain name checks callers' certificates as the API needs it: looked at before anything is changed.
//!
//! The domain name belongs to the account, and other APIs may be reached at it. So it is never changed.

use gatehouse_connector_sdk::error::{Error, ErrorKind, Result};

use super::{
    looking::{self, Held},
    wanting::Wanted,
};
use crate::{apis::domains::Truststore, client::Account, config::MutualTls, translate::Trust};

/// The truststore that checks callers' certificates; none if they need not present one. What is not checked as it must be is
/// refused.
pub(super) async fn truststore(
    account: &Account<'_>,
    object: &str,
    wanted: &Wanted,
    held: Option<&Held>,
) -> Result<Option<Truststore>> {
    let (Some(trust), Some(domain)) = (&wanted.trust, looking::domain(account, object)) else {
        return Ok(None);
    };
    let Some(found) = domain.truststore().await? else {
        return Err(without(object, trust));
    };
    let former = held
        .and_then(Held::record)
        .and_then(|record| record.beside.truststore);
    match (&trust.truststore, former) {
        (Some(wanted), _) if !is_as_wanted(&found, wanted) => Err(another(object, trust, &found, wanted)),
        (None, Some(former)) if former.uri != found.uri => Err(changed(object, trust, &found, &former)),
        (wanted, _) => Ok(Some(Truststore {
            version: wanted
                .as_ref()
                .and_then(|wanted| wanted.truststore_version.clone()),
            ..found
        })),
    }
}

fn is_as_wanted(found: &Truststore, wanted: &MutualTls) -> bool {
    let is_version = wanted.truststore_version.is_none() || found.version == wanted.truststore_version;
    found.uri == wanted.truststore_uri && is_version
}

fn refused(message: String) -> Error {
    Error::new(ErrorKind::Invalid, message)
}

fn without(object: &str, trust: &Trust) -> Error {
    refused(format!(
        "{object} asks callers for certificates (`auth.mtls`), and the domain name `{}` checks none, so nothing was changed; give it a truststore on AWS (`mutualTlsAuthentication`), or take the policy away",
        trust.domain_name
    ))
}

fn another(object: &str, trust: &Trust, found: &Truststore, wanted: &MutualTls) -> Error {
    refused(format!(
        "the domain name `{}` checks certificates for {object} against {}, and the setting `mutualTls` says {}, so nothing was changed; correct one of the two",
        trust.domain_name,
        said(&found.uri, found.version.as_deref()),
        said(&wanted.truststore_uri, wanted.truststore_version.as_deref())
    ))
}

fn changed(object: &str, trust: &Trust, found: &Truststore, former: &Truststore) -> Error {
    refused(format!(
        "the domain name `{}` checks certificates for {object} against `{}`, and did so against `{}` when it was deployed last, so nothing was changed; say which of the two it must be in the setting `mutualTls`",
        trust.domain_name, found.uri, former.uri
    ))
}

fn said(uri: &str, version: Option<&str>) -> String {
    match version {
        Some(version) => format!("version `{version}` of `{uri}`"),
        None => format!("`{uri}`"),
    }
}
