//! `auth.mtls`: callers show a certificate in the TLS handshake, and each request is held to it.
//!
//! The handshake only proves that a caller holds its certificate's key. Whether the certificate is good is decided
//! here, for each policy by its own authorities: so what one API trusts never opens another, and a resumed session
//! is held to the same.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use gatehouse_schemas::policy::MtlsPolicy;
use rustls::{
    DistinguishedName, RootCertStore,
    pki_types::{CertificateDer, UnixTime, pem::PemObject as _},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use tracing::debug;

use crate::{
    proxy::{client::Client, problem::Problem},
    tls::{
        self,
        names::{Name, names},
    },
};

/// How long a certificate that was good is taken to be so on the same connection: verifying takes longer than most
/// requests.
const GOOD_FOR: Duration = Duration::from_secs(60);

/// One policy.
#[derive(Debug)]
pub(crate) struct Certificates {
    /// By which a connection remembers what this policy found.
    id: u64,
    verifier: Arc<dyn ClientCertVerifier>,
    /// The names of which a certificate must have one, as they are compared; empty means any.
    allowed: Vec<String>,
}

impl Certificates {
    /// Compiles the policy; an authority that cannot be read is an error.
    pub(crate) fn compile(policy: &MtlsPolicy) -> Result<Self, String> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let mut roots = RootCertStore::empty();
        for (index, pem) in policy.authorities.iter().enumerate() {
            let wrong = |reason: String| format!("authority {} cannot be used: {reason}", index + 1);
            let before = roots.len();
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
                roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
            }
            if roots.len() == before {
                return Err(wrong("there is no certificate in PEM in it".to_owned()));
            }
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), tls::provider());
        Ok(Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            verifier: verifier
                .build()
                .map_err(|error| format!("its authorities cannot be used: {error}"))?,
            allowed: policy.allowed_names.clone(),
        })
    }

    /// Whose certificates callers are to show.
    pub(crate) fn authorities(&self) -> &[DistinguishedName] {
        self.verifier.root_hint_subjects()
    }

    /// Who the caller is.
    ///
    /// All refusals are 403: 401 would ask for another try on the same connection, and there is none.
    pub(crate) fn check(&self, client: &Client) -> Result<Arc<str>, Problem> {
        let now = Instant::now();
        if let Some(since) = now.checked_sub(GOOD_FOR)
            && let Some(consumer) = client.judged(self.id, since)
        {
            return Ok(consumer);
        }
        let consumer = self.verify(client)?;
        client.keep_judged(self.id, Arc::clone(&consumer), now);
        Ok(consumer)
    }

    fn verify(&self, client: &Client) -> Result<Arc<str>, Problem> {
        if !client.secure {
            return Err(Problem::forbidden(
                "This API is for callers with a client certificate; call it over HTTPS.",
            ));
        }
        let Some((own, issuers)) = client.certificates.split_first() else {
            // It may have come before anybody was asked for a certificate. The next connection is asked.
            client.over.notify_one();
            return Err(Problem::forbidden("This API is for callers with a client certificate.").closing());
        };
        let verified = self.verifier.verify_client_cert(own, issuers, UnixTime::now());
        verified.map_err(|error| {
            debug!(error = %error, "A client certificate was refused");
            Problem::forbidden(
                "The client certificate is not from an authority of this API, or not valid now.",
            )
        })?;
        let names = names(own).ok();
        let found = names
            .as_ref()
            .and_then(|names| consumer(&self.allowed, &names.alternative, &names.subject));
        found
            .map(Arc::from)
            .ok_or_else(|| Problem::forbidden("The client certificate names nobody who may call this API."))
    }
}

/// The name under which a certificate is let in: the first that is allowed, or, if all are, its first name and
/// else its subject.
fn consumer<'n>(allowed: &[String], alternative: &'n [Name], subject: &'n str) -> Option<&'n str> {
    let named = |name: &&Name| {
        allowed.is_empty()
            || allowed.iter().any(|allowed| match name {
                Name::Dns(name) => name.eq_ignore_ascii_case(allowed),
                Name::Uri(name) | Name::Email(name) => name == allowed,
            })
    };
    match alternative.iter().find(named) {
        Some(name) => Some(name.text()),
        None => (allowed.is_empty() && !subject.is_empty()).then_some(subject),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_name_that_is_allowed_is_the_consumer() {
        let names = [
            Name::Dns("a.test".to_owned()),
            Name::Uri("spiffe://a/B".to_owned()),
            Name::Email("a@b.test".to_owned()),
        ];
        for (allowed, expected) in [
            (&[][..], Some("a.test")),
            (&["A.test"], Some("a.test")),
            (&["spiffe://a/B"], Some("spiffe://a/B")),
            (&["spiffe://a/b"], None),
            (&["b.test", "a@b.test"], Some("a@b.test")),
            (&["test"], None),
            (&["*.test"], None),
            (&["CN=a"], None),
        ] {
            let allowed: Vec<String> = allowed.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(consumer(&allowed, &names, "CN=a"), expected, "{allowed:?}");
        }
        assert_eq!(consumer(&[], &[], "CN=a"), Some("CN=a"));
        assert_eq!(consumer(&[], &[], ""), None);
    }

    #[test]
    fn authorities_that_cannot_be_read_are_refused() {
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";
        for authorities in [json!([]), json!([""]), json!(["PEM"]), json!([broken])] {
            let policy = serde_json::from_value(json!({"authorities": authorities})).unwrap();
            assert!(Certificates::compile(&policy).is_err(), "{authorities}");
        }
    }
}
