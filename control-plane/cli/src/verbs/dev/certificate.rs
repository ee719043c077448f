//! The self-made certificate of the development gateway, kept in the data folder.

use std::{fs, net::IpAddr, path::Path};

use anyhow::Context as _;
use gatehouse_gateway_core::TlsOptions;
use rcgen::{CertificateParams, DnType, KeyPair};

use super::TlsArguments;
use crate::{data_folder, settings::write_private};

/// The gateway's TLS: with the certificate given, else with a self-made one. None if TLS is not asked for.
pub(super) fn tls(arguments: &TlsArguments, folder: &Path) -> anyhow::Result<Option<TlsOptions>> {
    let Some(listen) = arguments.gateway_tls_listen else {
        return Ok(None);
    };
    let (certificate_file, key_file) = match (&arguments.gateway_tls_certificate, &arguments.gateway_tls_key)
    {
        (Some(certificate), Some(key)) => (certificate.clone(), key.clone()),
        _ => {
            let files = (folder.join("certificate.pem"), folder.join("key.pem"));
            if !(files.0.exists() && files.1.exists()) {
                make(&files.0, &files.1, listen.ip())
                    .context("failed to make a certificate for the gateway")?;
            }
            files
        }
    };
    Ok(Some(TlsOptions {
        listen,
        certificate_file,
        key_file,
        certificate_dir: None,
    }))
}

fn make(certificate_file: &Path, key_file: &Path, ip: IpAddr) -> anyhow::Result<()> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    if !ip.is_unspecified() && !names.contains(&ip.to_string()) {
        names.push(ip.to_string());
    }
    let mut parameters = CertificateParams::new(names)?;
    parameters
        .distinguished_name
        .push(DnType::CommonName, "gatehouse dev");
    let key = KeyPair::generate()?;
    let certificate = parameters.self_signed(&key)?;
    if let Some(folder) = certificate_file.parent() {
        data_folder::make(folder)?;
    }
    write_private(key_file, key.serialize_pem().as_bytes())?;
    fs::write(certificate_file, certificate.pem())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_self_made_certificate_is_kept_and_its_key_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let arguments = TlsArguments {
            gateway_tls_listen: Some(([127, 0, 0, 1], 8443).into()),
            gateway_tls_certificate: None,
            gateway_tls_key: None,
        };
        let first = tls(&arguments, folder.path()).unwrap().unwrap();
        let pem = fs::read_to_string(&first.certificate_file).unwrap();
        assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"));
        assert_eq!(
            fs::metadata(&first.key_file).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let second = tls(&arguments, folder.path()).unwrap().unwrap();
        assert_eq!(fs::read_to_string(second.certificate_file).unwrap(), pem);
    }

    #[test]
    fn there_is_no_tls_unless_asked_for() {
        let arguments = TlsArguments {
            gateway_tls_listen: None,
            gateway_tls_certificate: None,
            gateway_tls_key: None,
        };
        assert!(tls(&arguments, Path::new("unused")).unwrap().is_none());
    }
}
