//! TLS towards upstreams: always verified, against the system's roots or authorities of the upstream's own.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
};

use aws_lc_rs::digest::{Context, SHA256};
use gatehouse_schemas::{
    api::{NamedSecret, UpstreamTls},
    identity::ResourceName,
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio_rustls::TlsConnector;
use tracing::warn;

use super::allowed_names::AllowedNames;
use crate::{config::Secret, tls::provider};

/// What the gateway says that it speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offer {
    Http1,
    Http2,
    /// HTTP/2 rather than HTTP/1.1.
    Either,
}

/// Whom the gateway trusts at the other end, and as whom it comes. Connections made with one are never used, nor
/// their sessions resumed, for another.
#[derive(Debug)]
pub(crate) struct Identity {
    /// By which identities are told apart.
    pub(crate) digest: Digest,
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
    either: Arc<ClientConfig>,
}

/// Of everything that an identity is made of.
pub(crate) type Digest = [u8; 32];

impl Identity {
    /// The one that trusts what the system trusts (`SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured), and comes as
    /// nobody. Reading the roots takes a while, so it happens when it is first asked for.
    pub(crate) fn system() -> Result<Arc<Self>, rustls::Error> {
        static SYSTEM: OnceLock<Arc<Identity>> = OnceLock::new();
        if let Some(system) = SYSTEM.get() {
            return Ok(Arc::clone(system));
        }
        let config = config(Trusted::ForTheHost(shared_system_roots()), None)?;
        let system = Arc::new(Self::of(config, Digest::default()));
        Ok(Arc::clone(SYSTEM.get_or_init(|| system)))
    }

    fn of(http1: ClientConfig, digest: Digest) -> Self {
        let offering = |protocols: &[&[u8]]| {
            let mut config = http1.clone();
            config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
            Arc::new(config)
        };
        Self {
            digest,
            http2: offering(&[b"h2"]),
            either: offering(&[b"h2", b"http/1.1"]),
            http1: Arc::new(http1),
        }
    }

    /// With which the next connection is made.
    pub(crate) fn connector(&self, offer: Offer) -> TlsConnector {
        let config = match offer {
            Offer::Http1 => &self.http1,
            Offer::Http2 => &self.http2,
            Offer::Either => &self.either,
        };
        TlsConnector::from(Arc::clone(config))
    }
}

/// The identities of all upstreams, each made once for all who are described alike.
#[derive(Debug, Default)]
pub(crate) struct Identities(Mutex<HashMap<Digest, Weak<Identity>>>);

impl Identities {
    /// The identity that is described. What cannot be used is an error that names the field.
    pub(crate) fn get(
        &self,
        described: &UpstreamTls,
        secrets: &BTreeMap<ResourceName, Secret>,
    ) -> Result<Arc<Identity>, String> {
        let parts = Parts::of(described, secrets)?;
        if parts.is_nothing() {
            return Identity::system().map_err(|error| format!("TLS cannot be used: {error}"));
        }
        let digest = parts.digest();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(identity) = known.get(&digest).and_then(Weak::upgrade) {
            return Ok(identity);
        }
        known.retain(|_, identity| identity.strong_count() > 0);
        let identity = Arc::new(Identity::of(parts.config()?, digest));
        known.insert(digest, Arc::downgrade(&identity));
        Ok(identity)
    }
}

/// What an identity is made of.
struct Parts<'a> {
    authorities: &'a [String],
    allowed_names: &'a [String],
    /// The texts of certificate and key.
    client: Option<(&'a str, &'a str)>,
}

impl<'a> Parts<'a> {
    fn of(described: &'a UpstreamTls, secrets: &'a BTreeMap<ResourceName, Secret>) -> Result<Self, String> {
        let value = |field: &str, secret: &NamedSecret| {
            let name = &secret.secret_ref;
            let value = secrets.get(name).map(Secret::expose);
            value.ok_or_else(|| {
                format!(
                    "`tls.{field}`: the value of secret `{name}` is missing; does the secret exist? If so, deploy the API again"
                )
            })
        };
        let client = match (&described.client_certificate, &described.client_key) {
            (None, None) => None,
            (Some(certificate), Some(key)) => {
                Some((value("clientCertificate", certificate)?, value("clientKey", key)?))
            }
            _ => return Err("`tls`: `clientCertificate` and `clientKey` come together".to_owned()),
        };
        Ok(Self {
            authorities: &described.authorities,
            allowed_names: &described.allowed_names,
            client,
        })
    }

    fn is_nothing(&self) -> bool {
        self.authorities.is_empty() && self.allowed_names.is_empty() && self.client.is_none()
    }

    fn digest(&self) -> Digest {
        let mut context = Context::new(&SHA256);
        let (certificate, key) = self.client.unwrap_or_default();
        let texts = self.authorities.iter().chain(self.allowed_names);
        context.update(&(self.authorities.len() as u64).to_be_bytes());
        for text in [certificate, key].into_iter().chain(texts.map(String::as_str)) {
            context.update(&(text.len() as u64).to_be_bytes());
            context.update(text.as_bytes());
        }
        let mut digest = Digest::default();
        digest.copy_from_slice(context.finish().as_ref());
        digest
    }

    fn config(&self) -> Result<ClientConfig, String> {
        let roots = match self.authorities {
            [] => shared_system_roots(),
            authorities => Arc::new(roots(authorities)?),
        };
        let trusted = match self.allowed_names {
            [] => Trusted::ForTheHost(roots),
            allowed => Trusted::ForOneOf(AllowedNames::new(roots, allowed)?),
        };
        let client = self
            .client
            .map(|(certificate, key)| Ok::<_, String>((chain(certificate)?, private_key(key)?)));
        config(trusted, client.transpose()?)
            .map_err(|error| format!("`tls.clientCertificate` and `tls.clientKey` cannot be used: {error}"))
    }
}

fn roots(authorities: &[String]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for (index, text) in authorities.iter().enumerate() {
        let wrong = |reason: String| format!("`tls.authorities[{index}]` cannot be used: {reason}");
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(text.as_bytes()) {
            let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
            roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
        }
        if roots.len() == before {
            return Err(wrong("there is no certificate in PEM in it".to_owned()));
        }
    }
    Ok(roots)
}

fn chain(text: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |reason: String| format!("`tls.clientCertificate` cannot be used: {reason}");
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    let chain = chain.map_err(|error| wrong(error.to_string()))?;
    match chain.is_empty() {
        true => Err(wrong("there is no certificate in PEM in it".to_owned())),
        false => Ok(chain),
    }
}

/// Nothing of the key is in the error.
fn private_key(text: &str) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(text.as_bytes())
        .map_err(|_| "`tls.clientKey` cannot be used: there is no unencrypted key in PEM in it".to_owned())
}

type Client = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// With whose certificates a server may come, and under which names.
enum Trusted {
    /// Of these authorities, for the host that is asked for.
    ForTheHost(Arc<RootCertStore>),
    /// Of its authorities, for one of its names.
    ForOneOf(AllowedNames),
}

fn config(trusted: Trusted, client: Option<Client>) -> Result<ClientConfig, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let builder = match trusted {
        Trusted::ForTheHost(roots) => builder.with_root_certificates(roots),
        // "Dangerous" is what rustls calls any verifier of one's own.
        Trusted::ForOneOf(names) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(names)),
    };
    let mut config = match client {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key)?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The same for all identities; read once.
fn shared_system_roots() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    Arc::clone(ROOTS.get_or_init(|| Arc::new(system_roots())))
}

/// What the system trusts.
pub(crate) fn system_roots() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        warn!(error = %error, "Some of the system's root certificates cannot be read");
    }
    let mut roots = RootCertStore::empty();
    let (added, ignored) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        warn!(
            "The system has no root certificates ({ignored} unusable), so no HTTPS upstream can be verified; install `ca-certificates` or set SSL_CERT_FILE"
        );
    }
    roots
}

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName},
    };
    use tokio::io::duplex;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    fn server() -> (TlsAcceptor, CertificateDer<'static>) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec!["a.test".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder
                    .with_no_client_auth()
                    .with_single_cert(vec![cert.der().clone()], key)
            })
            .unwrap();
        (TlsAcceptor::from(Arc::new(config)), cert.der().clone())
    }

    async fn connects(name: &'static str, trusted: bool) -> bool {
        let (acceptor, certificate) = server();
        let mut roots = RootCertStore::empty();
        if trusted {
            roots.add(certificate).unwrap();
        }
        let (ours, theirs) = duplex(64 * 1024);
        let connector = TlsConnector::from(Arc::new(
            config(Trusted::ForTheHost(Arc::new(roots)), None).unwrap(),
        ));
        let connecting = connector.connect(ServerName::try_from(name).unwrap(), ours);
        let (client, _) = tokio::join!(connecting, acceptor.accept(theirs));
        client.is_ok()
    }

    #[tokio::test]
    async fn the_certificate_must_be_trusted_and_name_the_host() {
        assert!(connects("a.test", true).await);
        assert!(!connects("b.test", true).await);
        assert!(!connects("a.test", false).await);
    }

    fn named(name: &str) -> NamedSecret {
        NamedSecret {
            secret_ref: name.parse().unwrap(),
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_its_field() {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec!["a.test".to_owned()]).unwrap();
        let other = generate_simple_self_signed(vec!["a.test".to_owned()]).unwrap();
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";
        let secrets = BTreeMap::from(
            [
                ("good", cert.pem()),
                ("key", signing_key.serialize_pem()),
                ("other-key", other.signing_key.serialize_pem()),
                ("nothing", "s3cret".to_owned()),
            ]
            .map(|(name, value)| (name.parse().unwrap(), Secret::from(value))),
        );
        let client = |certificate: &str, key: &str| UpstreamTls {
            client_certificate: Some(named(certificate)),
            client_key: Some(named(key)),
            ..UpstreamTls::default()
        };
        let trusting = |authorities: &[&str]| UpstreamTls {
            authorities: authorities.iter().map(|text| (*text).to_owned()).collect(),
            ..UpstreamTls::default()
        };
        let alone = UpstreamTls {
            client_key: Some(named("key")),
            ..UpstreamTls::default()
        };
        let identities = Identities::default();
        for (described, expected) in [
            (client("good", "key"), None),
            (trusting(&[&cert.pem()]), None),
            (
                client("good", "other-key"),
                Some("`tls.clientCertificate` and `tls.clientKey`"),
            ),
            (client("nothing", "key"), Some("`tls.clientCertificate`")),
            (client("good", "nothing"), Some("`tls.clientKey`")),
            (client("good", "unknown"), Some("secret `unknown` is missing")),
            (alone, Some("come together")),
            (trusting(&[&cert.pem(), broken]), Some("`tls.authorities[1]`")),
            (trusting(&["PEM"]), Some("`tls.authorities[0]`")),
        ] {
            let refused = identities.get(&described, &secrets).err();
            assert_eq!(refused.is_some(), expected.is_some(), "{refused:?}");
            let (refused, expected) = (refused.unwrap_or_default(), expected.unwrap_or_default());
            assert!(refused.contains(expected), "{refused}");
            assert!(!refused.contains("s3cret"), "{refused}");
        }
    }

    #[test]
    fn upstreams_that_are_described_alike_share_an_identity() {
        let pem = generate_simple_self_signed(vec!["a.test".to_owned()])
            .unwrap()
            .cert
            .pem();
        let tls = |authorities: &[String]| UpstreamTls {
            authorities: authorities.to_vec(),
            ..UpstreamTls::default()
        };
        let (identities, secrets) = (Identities::default(), BTreeMap::new());
        let get = |authorities: &[String]| identities.get(&tls(authorities), &secrets).unwrap();
        let own = get(std::slice::from_ref(&pem));
        assert!(Arc::ptr_eq(&own, &get(&[pem])));
        assert!(!Arc::ptr_eq(&own, &get(&[])));
        assert!(Arc::ptr_eq(&get(&[]), &Identity::system().unwrap()));
    }
}
