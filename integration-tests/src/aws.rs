//! Amazon API Gateway and its agent: LocalStack, or whatever `AWS_ENDPOINT_URL` leads to.

use std::{env, fs, path::PathBuf, process::Command};

use gatehouse_fake_aws::emulators::{Emulator, RunningEmulator};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::{binaries::binary, process::Process};

/// The region of every story.
pub const REGION: &str = "eu-central-1";
/// The stage that the environment is.
pub const STAGE: &str = "live";

/// An API Gateway. An emulator ends with it.
#[derive(Debug)]
pub struct Aws {
    /// Where its own API is; none is AWS itself.
    endpoint: Option<String>,
    /// Where stages are served, with `{api}` and `{stage}` to be replaced; none is AWS itself.
    data_plane: Option<String>,
    http: reqwest::Client,
    _emulator: Option<RunningEmulator>,
}

impl Aws {
    /// LocalStack; none where it is not installed.
    pub async fn localstack() -> Option<Self> {
        let running = Emulator::LocalStack.start().await.expect("LocalStack starts")?;
        Some(Self {
            endpoint: Some(running.endpoint().to_owned()),
            data_plane: Some(running.data_plane()),
            http: client(),
            _emulator: Some(running),
        })
    }

    /// The one that `AWS_ENDPOINT_URL` and `AWS_DATA_PLANE_URL` lead to, by default AWS itself.
    pub fn real() -> Self {
        Self {
            endpoint: env::var("AWS_ENDPOINT_URL").ok(),
            data_plane: env::var("AWS_DATA_PLANE_URL").ok(),
            http: client(),
            _emulator: None,
        }
    }

    /// Asks a stage as a consumer.
    pub async fn consume(&self, method: Method, url: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = self.http.request(method, url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.expect("the stage answers")
    }

    /// Starts its agent, which joins with a token; its state is in `folder`.
    pub fn agent(&self, control_plane: &str, join_token: &str, folder: PathBuf) -> AwsAgent {
        AwsAgent::start(control_plane, join_token, folder, self.endpoint.is_some())
    }

    /// An `Environment` document of this API Gateway.
    pub fn environment(&self, name: &str) -> Value {
        let mut settings = json!({"region": REGION, "stage": STAGE, "kind": "rest"});
        for (field, url) in [
            ("endpointUrl", &self.endpoint),
            ("stsEndpointUrl", &self.endpoint),
            ("dataPlaneUrl", &self.data_plane),
        ] {
            if let Some(url) = url {
                settings[field] = json!(url);
            }
        }
        json!({
            "apiVersion": "gatehouse.dev/v1",
            "kind": "Environment",
            "metadata": {"name": name},
            // A REST API answers preflight requests, and leaves the other half of CORS to the upstream.
            "spec": {"gatewayType": "aws", "settings": settings, "acceptLoss": true},
        })
    }
}

fn client() -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy();
    let builder = builder.redirect(reqwest::redirect::Policy::none());
    builder.build().expect("a client")
}

/// `gatehouse-agent-aws`.
#[derive(Debug)]
pub struct AwsAgent {
    process: Process,
}

impl AwsAgent {
    /// With credentials that any emulator takes, or with those of the environment.
    fn start(control_plane: &str, join_token: &str, folder: PathBuf, is_emulator: bool) -> Self {
        fs::create_dir_all(&folder).unwrap();
        let mut command = Command::new(binary("gatehouse-agent-aws"));
        command
            .args(["--control-plane", control_plane])
            .args(["--join-token", join_token])
            .arg("--state-dir")
            .arg(&folder)
            .env("NO_COLOR", "1");
        if is_emulator && env::var_os("AWS_ACCESS_KEY_ID").is_none() {
            command
                .env("AWS_ACCESS_KEY_ID", "test")
                .env("AWS_SECRET_ACCESS_KEY", "test")
                .env("HOME", &folder);
        }
        let log = folder.with_extension("log");
        Self {
            process: Process::start("gatehouse-agent-aws", command, &log),
        }
    }

    /// The running process.
    pub fn process(&self) -> &Process {
        &self.process
    }
}
