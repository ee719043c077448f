//! What `dev` prints once everything works.

use std::path::{Path, PathBuf};

use gatehouse_agents_native::NativeGateway;
use gatehouse_control_plane_server::Server;
use serde::Serialize;

use super::{TlsArguments, context};
use crate::{
    data_folder::DataFolder,
    screen::{Color, Format, Screen},
};

/// Where everything is. With `-o json` one object on one line. No `Debug`: it holds the token.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Welcome {
    admin_api: String,
    docs: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    health: Option<String>,
    gateway: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway_tls: Option<String>,
    /// To be trusted by clients, when the certificate is self-made.
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway_tls_certificate: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway_health: Option<String>,
    admin_token: String,
    admin_token_file: PathBuf,
    data_dir: PathBuf,
    context: &'static str,
    context_in_use: bool,
    /// A request that works.
    #[serde(skip_serializing_if = "Option::is_none")]
    curl: Option<String>,
}

impl Welcome {
    /// Puts it together.
    pub(super) fn new(
        server: &Server,
        gateway: &NativeGateway,
        tls: &TlsArguments,
        folder: &DataFolder,
        admin_token: String,
        context_in_use: bool,
        sample: Option<String>,
    ) -> Self {
        let self_made = tls.gateway_tls_listen.is_some() && tls.gateway_tls_certificate.is_none();
        Self {
            admin_api: format!("http://{}", server.address()),
            docs: format!("http://{}/docs/", server.address()),
            health: server
                .admin_address()
                .map(|address| format!("http://{address}/healthz")),
            gateway: format!("http://{}", gateway.address()),
            gateway_tls: gateway.tls_address().map(|address| format!("https://{address}")),
            gateway_tls_certificate: self_made.then(|| folder.join("tls/certificate.pem")),
            gateway_health: gateway
                .admin_address()
                .map(|address| format!("http://{address}/healthz")),
            admin_token,
            admin_token_file: folder.join("admin-token"),
            data_dir: folder.path().to_owned(),
            context: context::NAME,
            context_in_use,
            curl: sample.map(|url| format!("curl -i {url}")),
        }
    }

    /// Prints it.
    pub(super) fn tell(&self, screen: Screen) -> anyhow::Result<()> {
        match screen.format() {
            Format::Json => screen.print(&(serde_json::to_string(self)? + "\n")),
            _ => screen.print(&self.text(screen)),
        }
    }

    fn text(&self, screen: Screen) -> String {
        let mut text = format!("{}\n\n", screen.paint(Color::Bold, "Gatehouse is ready."));
        let path = |path: &Path| path.display().to_string();
        let lines = [
            ("Admin API", Some(self.admin_api.clone())),
            ("Docs", Some(self.docs.clone())),
            ("Health", self.health.clone()),
            ("Gateway", Some(self.gateway.clone())),
            ("Gateway TLS", self.gateway_tls.clone()),
            ("Certificate", self.gateway_tls_certificate.as_deref().map(path)),
            ("Gateway health", self.gateway_health.clone()),
            ("Admin token", Some(self.admin_token.clone())),
            ("Data", Some(path(&self.data_dir))),
            ("Context", Some(self.context_line())),
        ];
        for (name, value) in lines {
            if let Some(value) = value {
                text.push_str(&format!("  {:<16} {value}\n", format!("{name}:")));
            }
        }
        if let Some(curl) = &self.curl {
            text.push_str(&format!("\nTry it:\n\n  {}\n", screen.paint(Color::Green, curl)));
        }
        text + "\nCtrl-C stops it; the next start with the same folder picks everything up.\n"
    }

    fn context_line(&self) -> String {
        let overrides = |name: &&&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        if let Some(variable) = ["GATEHOUSE_SERVER", "GATEHOUSE_CONTEXT"].iter().find(overrides) {
            format!(
                "{} (the variable {variable} is set here and comes first)",
                self.context
            )
        } else if self.context_in_use {
            format!("{} (in use by the command line)", self.context)
        } else {
            format!(
                "{0} (another one stays in use; `gatehouse context use {0}` changes that)",
                self.context
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn tells_only_what_is_there() {
        let welcome = Welcome {
            admin_api: "http://127.0.0.1:9090".to_owned(),
            docs: "http://127.0.0.1:9090/docs/".to_owned(),
            health: Some("http://127.0.0.1:9094/healthz".to_owned()),
            gateway: "http://127.0.0.1:8080".to_owned(),
            gateway_tls: None,
            gateway_tls_certificate: None,
            gateway_health: None,
            admin_token: "gth_example".to_owned(),
            admin_token_file: "/data/admin-token".into(),
            data_dir: "/data".into(),
            context: "dev",
            context_in_use: true,
            curl: Some("curl -i http://127.0.0.1:8080/sample/hello/world".to_owned()),
        };
        expect![[r#"
            Gatehouse is ready.

              Admin API:       http://127.0.0.1:9090
              Docs:            http://127.0.0.1:9090/docs/
              Health:          http://127.0.0.1:9094/healthz
              Gateway:         http://127.0.0.1:8080
              Admin token:     gth_example
              Data:            /data
              Context:         dev (in use by the command line)

            Try it:

              curl -i http://127.0.0.1:8080/sample/hello/world

            Ctrl-C stops it; the next start with the same folder picks everything up.
        "#]]
        .assert_eq(&welcome.text(Screen::new(Format::Table)));
    }
}
