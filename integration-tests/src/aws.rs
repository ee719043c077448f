//! Amazon API Gateway and its agent: the fake of this repository, LocalStack, or whatever `AWS_ENDPOINT_URL` leads to; and
//! what other people do there.

use std::{env, fs, path::PathBuf, process::Command};

use gatehouse_fake_aws::{
    AccessKey, FakeAws, FakeAwsOptions,
    emulators::{Emulator, RunningEmulator},
};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::{binaries::binary, process::Process};

/// An access key that the fake knows, with any secret.
pub const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
/// An access key of the fake that may only read.
pub const READER_KEY: &str = "AKIAREADERREADER0000";
/// An access key that the fake does not know.
pub const WRONG_KEY: &str = "AKIANOBODYNOBODY0000";
/// The variables of the agent's process with an access key that may do everything, one that may only read, and one that
/// nobody knows.
pub const KEY_VARIABLES: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
    ("AWS_READER_KEY_ID", READER_KEY),
    ("AWS_WRONG_KEY_ID", WRONG_KEY),
];
/// The region of every story.
pub const REGION: &str = "eu-central-1";
/// The stage that the environment is.
pub const STAGE: &str = "live";

/// An API Gateway. An emulator ends with it.
#[derive(Debug)]
pub struct Aws {
    /// Where its own API is; none is AWS itself.
    endpoint: Option<String>,
    /// Where STS is; none is AWS itself.
    sts_endpoint: Option<String>,
    /// Where stages are served, with `{api}` and `{stage}` to be replaced; none is AWS itself.
    data_plane: Option<String>,
    region: String,
    http: reqwest::Client,
    fake: Option<FakeAws>,
    _emulator: Option<RunningEmulator>,
}

impl Aws {
    /// The fake.
    pub async fn fake() -> Self {
        let only_reads =
            r#"{"Statement": [{"Effect": "Allow", "Action": "apigateway:GET", "Resource": "*"}]}"#;
        let reader = AccessKey::new(READER_KEY).with_policy(only_reads);
        let fake = FakeAws::start(FakeAwsOptions {
            access_keys: vec![AccessKey::new(ACCESS_KEY), reader],
            ..FakeAwsOptions::default()
        });
        let fake = fake.await.expect("the fake starts");
        Self {
            endpoint: Some(fake.control_url()),
            sts_endpoint: Some(fake.control_url()),
            data_plane: Some(format!("{}/{{api}}/{{stage}}", fake.data_url())),
            region: REGION.to_owned(),
            http: client(),
            fake: Some(fake),
            _emulator: None,
        }
    }

    /// The fake, where it is one.
    pub fn as_fake(&self) -> &FakeAws {
        self.fake.as_ref().expect("it is the fake")
    }

    /// Does what somebody else does there, past the agent; the answer. Only the fake.
    pub fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.as_fake().call(REGION, method, path, body);
        assert!(
            (200..300).contains(&status),
            "{method} {path}: {status} {answer:#}"
        );
        answer
    }

    /// Makes a REST API of a document and deploys it to a stage, as somebody else; its id.
    pub fn make(&self, document: &Value, stage: &str) -> String {
        let made = self.call("POST", "/restapis?mode=import", document);
        let id = made["id"].as_str().expect("an API has an id").to_owned();
        self.redeploy(&id, stage);
        id
    }

    /// Has a stage serve what an API is now.
    pub fn redeploy(&self, id: &str, stage: &str) {
        let path = format!("/restapis/{id}/deployments");
        self.call("POST", &path, &json!({"stageName": stage}));
    }

    /// Where consumers reach an API of the fake.
    pub fn url_of(&self, id: &str) -> String {
        format!("{}/{id}/{STAGE}", self.as_fake().data_url())
    }

    /// What the lists of the fake show: APIs of both kinds, usage plans, keys, domain names.
    pub fn everything(&self) -> Value {
        let lists = ["/restapis", "/v2/apis", "/usageplans", "/apikeys", "/domainnames"];
        lists
            .into_iter()
            .map(|list| (list.to_owned(), self.call("GET", list, &Value::Null)))
            .collect()
    }

    /// LocalStack; none where it is not installed.
    pub async fn localstack() -> Option<Self> {
        let running = Emulator::LocalStack.start().await.expect("LocalStack starts")?;
        Some(Self {
            endpoint: Some(running.endpoint().to_owned()),
            sts_endpoint: Some(running.endpoint().to_owned()),
            data_plane: Some(running.data_plane()),
            region: REGION.to_owned(),
            http: client(),
            fake: None,
            _emulator: Some(running),
        })
    }

    /// The one that `AWS_ENDPOINT_URL` leads to, by default AWS itself, in the region `AWS_REGION`. An endpoint serves stages
    /// where `AWS_DATA_PLANE_URL` says, by default where LocalStack and MiniStack do.
    pub fn real() -> Self {
        let endpoint = env::var("AWS_ENDPOINT_URL").ok();
        let below = |endpoint: &String| {
            let root = endpoint.trim_end_matches('/');
            format!("{root}/_aws/execute-api/{{api}}/{{stage}}")
        };
        let data_plane = env::var("AWS_DATA_PLANE_URL").ok();
        Self {
            data_plane: data_plane.or_else(|| endpoint.as_ref().map(below)),
            sts_endpoint: env::var("AWS_ENDPOINT_URL_STS").ok().or(endpoint.clone()),
            endpoint,
            region: env::var("AWS_REGION").unwrap_or_else(|_| REGION.to_owned()),
            http: client(),
            fake: None,
            _emulator: None,
        }
    }

    /// Whether others may have things in the account, and former runs may have left some.
    pub fn is_shared(&self) -> bool {
        self.fake.is_none() && self._emulator.is_none()
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
        let has_own_keys = env::var_os("AWS_ACCESS_KEY_ID").is_some();
        let is_real = self.fake.is_none() && (has_own_keys || self.endpoint.is_none());
        AwsAgent::start(control_plane, join_token, folder, is_real)
    }

    /// An `Environment` document of this API Gateway.
    pub fn environment(&self, name: &str) -> Value {
        let mut settings = json!({"region": self.region, "stage": STAGE, "kind": "rest"});
        for (field, url) in [
            ("endpointUrl", &self.endpoint),
            ("stsEndpointUrl", &self.sts_endpoint),
            ("dataPlaneUrl", &self.data_plane),
        ] {
            if let Some(url) = url {
                settings[field] = json!(url);
            }
        }
        if self.is_shared() {
            // What a run that was ended leaves is cleared by the suite that runs at any endpoint.
            settings["tags"] = json!({"gatehouse-conformance-test": "yes"});
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
    fn start(control_plane: &str, join_token: &str, folder: PathBuf, is_real: bool) -> Self {
        fs::create_dir_all(&folder).unwrap();
        let mut command = Command::new(binary("gatehouse-agent-aws"));
        command
            .args(["--control-plane", control_plane])
            .args(["--join-token", join_token])
            .arg("--state-dir")
            .arg(&folder)
            .env("NO_COLOR", "1");
        if !is_real {
            command
                .envs(KEY_VARIABLES)
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
