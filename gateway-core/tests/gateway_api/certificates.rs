//! The certificates that the suite makes before it begins: of which authorities, and for whom.

use std::{collections::BTreeMap, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
};
use serde_json::Value;
use tokio_rustls::TlsAcceptor;

use crate::world::{World, list, name, namespace};

type Authority = CertifiedIssuer<'static, KeyPair>;

/// A certificate and its key.
#[derive(Debug)]
pub(crate) struct Certified {
    pub(crate) pem: String,
    pub(crate) key_pem: String,
    pub(crate) der: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Certified {
    pub(crate) fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.clone()).expect("a key")
    }
}

/// What the suite keeps in Secrets and ConfigMaps, by their names.
#[derive(Debug)]
pub(crate) struct Certificates {
    secrets: BTreeMap<&'static str, Certified>,
    /// In PEM.
    authorities: BTreeMap<&'static str, String>,
}

impl Certificates {
    pub(crate) fn new() -> Self {
        let backends = authority("backends");
        let callers = authority("callers");
        let callers_of_a_port = authority("callers of a port");
        let backend = [
            "abc.example.com",
            "other.example.com",
            "spiffe://abc.example.com/test-identity",
        ];
        let secrets = BTreeMap::from([
            ("tls-checks-certificate", certified(&backends, &backend)),
            (
                "tls-checks-client-certificate",
                certified(&backends, &["gateway.test"]),
            ),
            (
                "tls-validity-checks-client-certificate",
                certified(&callers, &["caller.test"]),
            ),
            (
                "tls-validity-checks-per-port-client-certificate",
                certified(&callers_of_a_port, &["caller.test"]),
            ),
        ]);
        let authorities = BTreeMap::from([
            ("tls-checks-ca-certificate", backends.pem()),
            ("mismatch-ca-certificate", authority("others").pem()),
            ("tls-validity-checks-ca-certificate", callers.pem()),
            (
                "tls-validity-checks-per-port-ca-certificate",
                callers_of_a_port.pem(),
            ),
        ]);
        Self { secrets, authorities }
    }

    pub(crate) fn secret(&self, name: &str) -> Option<&Certified> {
        self.secrets.get(name)
    }

    /// The authorities that a list of references leads to; none if one of them leads nowhere.
    pub(crate) fn authorities(&self, references: &Value) -> Option<Vec<String>> {
        let one = |reference: &Value| {
            let known = reference["kind"] == "ConfigMap" && reference["group"].as_str() == Some("");
            let name = reference["name"].as_str().filter(|_| known)?;
            self.authorities.get(name).cloned()
        };
        let found: Option<Vec<String>> = list(references).map(one).collect();
        found.filter(|found| !found.is_empty())
    }

    /// How backends speak TLS, with callers' certificates if they want to see them.
    pub(crate) fn acceptor(&self, verifies: bool) -> TlsAcceptor {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("versions");
        let builder = match verifies {
            false => builder.with_no_client_auth(),
            true => {
                let mut roots = RootCertStore::empty();
                let own = &self.authorities["tls-checks-ca-certificate"];
                let own = rustls::pki_types::pem::PemObject::from_pem_slice(own.as_bytes());
                roots.add(own.expect("PEM")).expect("an authority");
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
            }
        };
        let own = &self.secrets["tls-checks-certificate"];
        let config = builder.with_single_cert(vec![own.der.clone()], own.key());
        TlsAcceptor::from(Arc::new(config.expect("a configuration")))
    }
}

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().expect("a key");
    CertifiedIssuer::self_signed(params, key).expect("an authority")
}

/// For DNS names and, with a colon, URIs.
fn certified(authority: &Authority, names: &[&str]) -> Certified {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.subject_alt_names = names
        .iter()
        .map(|name| {
            let text = (*name).try_into().expect("a name");
            match name.contains(':') {
                true => SanType::URI(text),
                false => SanType::DnsName(text),
            }
        })
        .collect();
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, authority).expect("a certificate");
    Certified {
        pem: certificate.pem(),
        key_pem: key.serialize_pem(),
        der: certificate.der().clone(),
        key: key.serialize_der(),
    }
}

/// What a `BackendTLSPolicy` says of a port of a service.
#[derive(Debug)]
pub(crate) enum Security {
    /// There is none.
    Plain,
    /// These authorities, and this name; or one of these, if there are any.
    Tls {
        authorities: Vec<String>,
        hostname: String,
        names: Vec<String>,
    },
    /// What it says cannot be had, so nothing may be sent there.
    Unusable,
}

/// What is said of a port of a service. A policy for the port itself outranks one for all of them; of two for the same,
/// the first by name counts, since all are of the same age here.
pub(crate) fn security(world: &World, service: &Value, port: &Value) -> Security {
    let port = list(&service["spec"]["ports"]).find(|own| own["port"] == *port);
    let section = port.map_or(&Value::Null, |port| &port["name"]);
    let targets = |policy: &Value, wanted: &Value| {
        namespace(policy) == namespace(service)
            && list(&policy["spec"]["targetRefs"]).any(|target| {
                target["kind"] == "Service"
                    && target["name"] == name(service)
                    && target["sectionName"] == *wanted
            })
    };
    let first = |wanted: &Value| {
        let policies = world.of_kind("BackendTLSPolicy");
        policies
            .filter(|policy| targets(policy, wanted))
            .min_by_key(|policy| name(policy))
    };
    let own = Some(section).filter(|section| !section.is_null()).and_then(first);
    let Some(policy) = own.or_else(|| first(&Value::Null)) else {
        return Security::Plain;
    };
    let validation = &policy["spec"]["validation"];
    match world.certificates.authorities(&validation["caCertificateRefs"]) {
        Some(authorities) => Security::Tls {
            authorities,
            hostname: validation["hostname"].as_str().expect("a host name").to_owned(),
            names: list(&validation["subjectAltNames"]).map(named).collect(),
        },
        None => Security::Unusable,
    }
}

fn named(alternative: &Value) -> String {
    let text = alternative["uri"].as_str().or(alternative["hostname"].as_str());
    text.expect("a name").to_owned()
}

/// What a gateway says of callers' certificates at a port.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Callers {
    Any,
    /// Only those of these authorities, in PEM.
    Of(String),
    /// What it says cannot be had, so nobody may come.
    Nobody,
}

pub(crate) fn callers(world: &World, gateway: &str, port: u64) -> Callers {
    let gateway = world.of_kind("Gateway").find(|it| name(it) == gateway);
    let frontend = gateway.map_or(&Value::Null, |it| &it["spec"]["tls"]["frontend"]);
    let own = list(&frontend["perPort"]).find(|own| own["port"] == port);
    let validation = match own {
        Some(own) => &own["tls"]["validation"],
        None => &frontend["default"]["validation"],
    };
    // With the fallback, whoever comes with no good certificate comes in all the same.
    if validation.is_null() || validation["mode"] == "AllowInsecureFallback" {
        return Callers::Any;
    }
    match world.certificates.authorities(&validation["caCertificateRefs"]) {
        Some(authorities) => Callers::Of(authorities.concat()),
        None => Callers::Nobody,
    }
}

/// The certificate with which a gateway comes to its backends.
pub(crate) fn of_gateway<'w>(world: &'w World, gateway: &str) -> Option<&'w Certified> {
    let gateway = world.of_kind("Gateway").find(|it| name(it) == gateway)?;
    let reference = &gateway["spec"]["tls"]["backend"]["clientCertificateRef"];
    world.certificates.secret(reference["name"].as_str()?)
}
