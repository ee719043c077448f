//! 2,500 certificates, chosen by the name that callers ask for, and 40,000 routes: resident memory, and whether each caller
//! gets the right certificate.

use std::{fs, path::Path};

use anyhow::ensure;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::{Value, json};

use super::Effort;
use crate::{
    data_plane::{DataPlane, api},
    figures::{Outcome, mib, number},
    peers::Certificate,
    process_cost::resident_kib,
};

const HOSTS: usize = 2_500;
const ROUTES_PER_HOST: usize = 16;

pub(super) async fn measure(effort: &Effort) -> anyhow::Result<Outcome> {
    let folder = tempfile::tempdir()?;
    let hosts = effort.of(HOSTS);
    let certificates = folder.path().join("certificates");
    make(&certificates, hosts)?;
    let default = Certificate::make(folder.path())?;
    let state = folder.path().join("state");
    fs::create_dir_all(&state)?;
    let mut plane = DataPlane::start_with_tls(&state, &default, &certificates).await?;
    for host in 0..hosts {
        plane.put(served(host)).await?;
    }
    let mut outcome = Outcome::default();
    outcome.figure("certificates", number(hosts), "", "2,500");
    outcome.figure("routes", number(hosts * ROUTES_PER_HOST), "", "40,000");
    let resident = mib(resident_kib(plane.process()?)?);
    outcome.figure("resident memory", resident, "MiB", "≤ 250 MiB");
    let mut wrong = 0;
    for host in [0, hosts / 2, hosts - 1] {
        wrong += usize::from(!is_right(&plane, &certificates, host).await?);
    }
    outcome.figure(
        "callers of three hosts who got another certificate",
        number(wrong),
        "",
        "0",
    );
    let resident = mib(resident_kib(plane.process()?)?);
    outcome.figure("resident memory after these handshakes", resident, "MiB", "");
    Ok(outcome)
}

fn make(folder: &Path, hosts: usize) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    for host in 0..hosts {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(vec![name(host)])?;
        fs::write(folder.join(format!("host-{host}.crt")), cert.pem())?;
        fs::write(
            folder.join(format!("host-{host}.key")),
            signing_key.serialize_pem(),
        )?;
    }
    Ok(())
}

fn name(host: usize) -> String {
    format!("host-{host}.test")
}

fn served(host: usize) -> Value {
    let operations: Vec<Value> = (0..ROUTES_PER_HOST)
        .map(|route| json!({"match": {"method": "GET", "path": format!("/things-{route}/{{id}}")}}))
        .collect();
    let respond = json!({"type": "respond", "with": {"status": 200, "body": "ok"}});
    let fields = json!({
        "hostnames": [name(host)], "basePath": "/", "operations": operations, "policies": [respond],
    });
    api(&format!("host-{host}"), "http://127.0.0.1:9", fields)
}

/// Calls a host, and trusts its own certificate alone.
async fn is_right(plane: &DataPlane, certificates: &Path, host: usize) -> anyhow::Result<bool> {
    let pem = fs::read(certificates.join(format!("host-{host}.crt")))?;
    let address = plane.tls_address()?;
    let http = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([reqwest::Certificate::from_pem(&pem)?])
        .resolve(&name(host), address)
        .build()?;
    let url = format!("https://{}:{}/things-3/1", name(host), address.port());
    let Ok(response) = http.get(url).send().await else {
        return Ok(false);
    };
    ensure!(
        response.status() == 200,
        "{} is answered {}",
        name(host),
        response.status()
    );
    Ok(true)
}
