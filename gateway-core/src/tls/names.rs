//! Whom a certificate names.

use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer as _};

/// What is read from a certificate without verifying anything.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Names {
    /// The subject alternative names that are texts, in their order: DNS names in lower case, URIs, e-mail addresses.
    pub(crate) alternative: Vec<Name>,
    /// The whole subject as text, such as `CN=billing, O=Partner`.
    pub(crate) subject: String,
    /// When it expires, in seconds of Unix time.
    pub(crate) not_after: i64,
}

/// One subject alternative name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    Dns(String),
    Uri(String),
    Email(String),
}

impl Name {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Dns(text) | Self::Uri(text) | Self::Email(text) => text,
        }
    }
}

/// Reads a certificate; the error is a sentence about it.
pub(crate) fn names(der: &[u8]) -> Result<Names, String> {
    let (_, certificate) =
        X509Certificate::from_der(der).map_err(|error| format!("it is not a certificate: {error}"))?;
    let alternative = certificate
        .subject_alternative_name()
        .map_err(|error| format!("its names cannot be read: {error}"))?;
    let general = alternative.map_or(&[][..], |extension| &extension.value.general_names);
    Ok(Names {
        alternative: general.iter().filter_map(name).collect(),
        subject: certificate.subject().to_string(),
        not_after: certificate.validity().not_after.timestamp(),
    })
}

fn name(general: &GeneralName<'_>) -> Option<Name> {
    match general {
        GeneralName::DNSName(name) => Some(Name::Dns(name.to_ascii_lowercase())),
        GeneralName::URI(uri) => Some(Name::Uri((*uri).to_owned())),
        GeneralName::RFC822Name(address) => Some(Name::Email((*address).to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    #[test]
    fn dns_names_uris_and_addresses_are_read() {
        let mut parameters = CertificateParams::new(vec!["A.Test".to_owned()]).unwrap();
        parameters
            .subject_alt_names
            .push(SanType::URI("spiffe://a/b".try_into().unwrap()));
        parameters
            .subject_alt_names
            .push(SanType::Rfc822Name("a@b.test".try_into().unwrap()));
        parameters.distinguished_name.push(DnType::CommonName, "billing");
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        let read = names(certificate.der()).unwrap();
        assert_eq!(
            read.alternative,
            [
                Name::Dns("a.test".to_owned()),
                Name::Uri("spiffe://a/b".to_owned()),
                Name::Email("a@b.test".to_owned()),
            ]
        );
        assert!(read.subject.contains("CN=billing"), "{}", read.subject);
        assert!(names(b"no certificate").is_err());
    }
}
