//! The certificates of a listener, and which of them a caller gets.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

/// A certificate with its key, and what it is for.
#[derive(Debug)]
pub(crate) struct Certificate {
    pub(crate) certified: Arc<CertifiedKey>,
    /// DNS names in lower case; `*.` stands for one label.
    pub(crate) names: Vec<Box<str>>,
    /// When it expires, in seconds of Unix time.
    pub(crate) not_after: i64,
}

/// All certificates of a listener by name.
#[derive(Debug, Default)]
pub(crate) struct Certificates {
    /// Wildcards are kept as they are written: `*.example.com`.
    by_name: HashMap<Box<str>, Arc<CertifiedKey>>,
    /// For callers that name no host, or one that no certificate is for.
    default: Option<Arc<CertifiedKey>>,
}

impl Certificates {
    /// Of two certificates for the same name, callers get the one that is valid for longer.
    pub(crate) fn new<'c>(
        default: Option<&Certificate>,
        all: impl IntoIterator<Item = &'c Certificate>,
    ) -> Self {
        let mut chosen: HashMap<&str, &Certificate> = HashMap::new();
        for certificate in all {
            for name in &certificate.names {
                let known = chosen.entry(name).or_insert(certificate);
                if known.not_after < certificate.not_after {
                    *known = certificate;
                }
            }
        }
        let by_name = chosen
            .into_iter()
            .map(|(name, certificate)| (Box::from(name), Arc::clone(&certificate.certified)));
        Self {
            by_name: by_name.collect(),
            default: default.map(|certificate| Arc::clone(&certificate.certified)),
        }
    }

    /// The certificate for exactly this name, else that for all names beside it, else the default.
    pub(crate) fn find(&self, name: Option<&str>) -> Option<&Arc<CertifiedKey>> {
        let named = name.and_then(|name| {
            let name = name.to_ascii_lowercase();
            self.by_name.get(name.as_str()).or_else(|| {
                let (_, parent) = name.split_once('.')?;
                self.by_name.get(format!("*.{parent}").as_str())
            })
        });
        named.or(self.default.as_ref())
    }
}

/// Answers handshakes from the certificates of the moment.
#[derive(Debug)]
pub(crate) struct Resolver(ArcSwap<Certificates>);

impl Resolver {
    pub(crate) fn new(certificates: Certificates) -> Self {
        Self(ArcSwap::from_pointee(certificates))
    }

    /// Whether both names have the same certificate.
    pub(crate) fn is_same(&self, one: &str, other: &str) -> bool {
        let certificates = self.0.load();
        match (certificates.find(Some(one)), certificates.find(Some(other))) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        }
    }

    /// Holds for handshakes that begin from now on.
    pub(crate) fn replace(&self, certificates: Certificates) {
        self.0.store(Arc::new(certificates));
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load().find(hello.server_name()).map(Arc::clone)
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey as Generated, generate_simple_self_signed};
    use rustls::pki_types::PrivateKeyDer;

    use super::*;
    use crate::tls::provider;

    fn certificate(names: &[&str], not_after: i64) -> Certificate {
        let Generated { cert, signing_key } = generate_simple_self_signed(vec!["a.test".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let certified = CertifiedKey::from_der(vec![cert.der().clone()], key, &provider()).unwrap();
        Certificate {
            certified: Arc::new(certified),
            names: names.iter().map(|name| Box::from(*name)).collect(),
            not_after,
        }
    }

    #[test]
    fn the_exact_name_outranks_the_wildcard_and_that_the_default() {
        let default = certificate(&["default.test"], 1);
        let exact = certificate(&["a.example.com"], 1);
        let wildcard = certificate(&["*.example.com"], 1);
        let certificates = Certificates::new(Some(&default), [&default, &exact, &wildcard]);
        for (name, expected) in [
            (Some("a.example.com"), &exact),
            (Some("A.Example.COM"), &exact),
            (Some("b.example.com"), &wildcard),
            (Some("x.b.example.com"), &default),
            (Some("example.com"), &default),
            (Some("com"), &default),
            (None, &default),
        ] {
            let found = certificates.find(name).unwrap();
            assert!(Arc::ptr_eq(found, &expected.certified), "{name:?}");
        }
    }

    #[test]
    fn without_a_default_only_known_names_are_served() {
        let known = certificate(&["a.example.com"], 1);
        let certificates = Certificates::new(None, [&known]);
        assert!(certificates.find(Some("a.example.com")).is_some());
        assert!(certificates.find(Some("b.example.com")).is_none());
        assert!(certificates.find(None).is_none());
    }

    #[test]
    fn of_two_for_one_name_the_one_that_lasts_longer_is_served() {
        let (old, new) = (certificate(&["a.test"], 10), certificate(&["a.test"], 20));
        for order in [[&old, &new], [&new, &old]] {
            let certificates = Certificates::new(None, order);
            assert!(Arc::ptr_eq(
                certificates.find(Some("a.test")).unwrap(),
                &new.certified
            ));
        }
    }
}
