//! The data plane alone in a process of its own, which this program is when it is told so: it takes orders as lines of
//! JSON and answers each with a line. So its memory and CPU time are its own, and changes reach it without a control
//! plane.

use std::{
    io::{BufRead as _, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use gatehouse_gateway_core::{
    ApiConfig, Gateway, GatewayOptions, OtlpReceiver, TelemetryOptions, TlsOptions,
};
use gatehouse_schemas::canonical::Fingerprint;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout},
};

use crate::peers::Certificate;

/// The first argument that makes this program a data plane.
pub(crate) const ARGUMENT: &str = "data-plane";

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Order {
    Start(Start),
    Put { api: Value },
    LookUp { paths: Vec<String>, times: usize },
    Metrics,
    Shutdown { grace_ms: u64 },
}

/// With what a data plane is started.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Start {
    /// Where it keeps what it serves, if anywhere.
    pub(crate) state_dir: Option<PathBuf>,
    /// Where it exports a span of each request to.
    pub(crate) traces: Option<String>,
    /// Where its policy modules are.
    pub(crate) modules: Option<PathBuf>,
    /// With which certificates it serves HTTPS, if it does.
    pub(crate) tls: Option<Tls>,
}

/// Files of certificates.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Tls {
    chain: PathBuf,
    key: PathBuf,
    folder: PathBuf,
}

/// Where it listens.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listening {
    plain: SocketAddr,
    tls: Option<SocketAddr>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    listening: Option<Listening>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metrics: Option<String>,
    /// How long the order took there.
    milliseconds: f64,
}

impl Start {
    fn options(self) -> GatewayOptions {
        let telemetry = self.traces.map(|url| TelemetryOptions {
            traces: Some(OtlpReceiver::new(url)),
            ..TelemetryOptions::default()
        });
        GatewayOptions {
            state_dir: self.state_dir,
            tls: self.tls.map(Tls::options),
            telemetry,
            policy_modules: self.modules,
            ..GatewayOptions::default()
        }
    }
}

impl Tls {
    fn options(self) -> TlsOptions {
        TlsOptions {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            certificate_file: self.chain,
            key_file: self.key,
            certificate_dir: Some(self.folder),
        }
    }
}

// ---- the process that serves ---------------------------------------------------------------------

/// Serves until standard input ends.
pub(crate) fn serve() -> anyhow::Result<()> {
    // A thread of its own for the slow work, which goes on between two orders.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let mut gateway = None;
    let mut output = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let order: Order = serde_json::from_str(&line?)?;
        let began = Instant::now();
        let mut answer = match runtime.block_on(carry_out(order, &mut gateway)) {
            Ok(answer) => answer,
            Err(error) => Answer {
                error: Some(format!("{error:#}")),
                ..Answer::default()
            },
        };
        answer.milliseconds = began.elapsed().as_secs_f64() * 1_000.0;
        serde_json::to_writer(&mut output, &answer)?;
        output.write_all(b"\n")?;
        output.flush()?;
    }
    Ok(())
}

async fn carry_out(order: Order, gateway: &mut Option<Gateway>) -> anyhow::Result<Answer> {
    let mut answer = Answer::default();
    let running = gateway.as_ref().context("the gateway is not started");
    match order {
        Order::Start(start) => {
            let started = Gateway::start(start.options()).await?;
            answer.listening = Some(Listening {
                plain: started.address(),
                tls: started.tls_address(),
            });
            *gateway = Some(started);
        }
        Order::Put { api } => {
            let config: ApiConfig = serde_json::from_value(api)?;
            running?.put_api(config).await?;
        }
        Order::LookUp { paths, times } => look_up(running?, &paths, times)?,
        Order::Metrics => answer.metrics = Some(running?.metrics_text()),
        Order::Shutdown { grace_ms } => {
            let running = gateway.take().context("the gateway is not started")?;
            running.shutdown(Duration::from_millis(grace_ms)).await;
        }
    }
    Ok(answer)
}

fn look_up(gateway: &Gateway, paths: &[String], times: usize) -> anyhow::Result<()> {
    for path in std::iter::repeat_n(paths, times).flatten() {
        if !gateway.has_route(&Method::GET, "127.0.0.1", path) {
            bail!("there is no route for {path}");
        }
    }
    Ok(())
}

// ---- the process that measures -------------------------------------------------------------------

/// A data plane in a process of its own. It ends when it is dropped.
#[derive(Debug)]
pub(crate) struct DataPlane {
    listening: Listening,
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl DataPlane {
    /// Starts one; what it serves is kept in the folder, if there is one.
    pub(crate) async fn start(state_dir: Option<&Path>) -> anyhow::Result<Self> {
        Self::start_as(Start {
            state_dir: state_dir.map(Path::to_owned),
            ..Start::default()
        })
        .await
    }

    /// The same, with HTTPS: a certificate for callers that name no host, and a folder of more.
    pub(crate) async fn start_with_tls(
        state_dir: &Path,
        default: &Certificate,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let tls = Tls {
            chain: default.chain.clone(),
            key: default.key.clone(),
            folder: folder.to_owned(),
        };
        Self::start_as(Start {
            state_dir: Some(state_dir.to_owned()),
            tls: Some(tls),
            ..Start::default()
        })
        .await
    }

    /// Starts one with all of this.
    pub(crate) async fn start_as(start: Start) -> anyhow::Result<Self> {
        let mut child = tokio::process::Command::new(std::env::current_exe()?)
            .arg(ARGUMENT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let orders = child.stdin.take().context("no standard input")?;
        let answers = BufReader::new(child.stdout.take().context("no standard output")?).lines();
        let mut started = Self {
            listening: Listening {
                plain: SocketAddr::from(([127, 0, 0, 1], 0)),
                tls: None,
            },
            child,
            orders,
            answers,
        };
        let answer = started.order(&Order::Start(start)).await?;
        started.listening = answer.listening.context("the data plane does not listen")?;
        Ok(started)
    }

    /// Has it serve an API; how long that took, in milliseconds. After that it is active.
    pub(crate) async fn put(&mut self, api: Value) -> anyhow::Result<f64> {
        Ok(self.order(&Order::Put { api }).await?.milliseconds)
    }

    /// Has it look for the routes of all these paths so many times; how long one took, in nanoseconds.
    pub(crate) async fn look_up(&mut self, paths: &[String], times: usize) -> anyhow::Result<f64> {
        let order = Order::LookUp {
            paths: paths.to_vec(),
            times,
        };
        let milliseconds = self.order(&order).await?.milliseconds;
        Ok(milliseconds * 1e6 / (paths.len() * times) as f64)
    }

    /// Its metrics, in Prometheus' text format.
    pub(crate) async fn metrics(&mut self) -> anyhow::Result<String> {
        let answer = self.order(&Order::Metrics).await?;
        answer.metrics.context("the data plane tells no metrics")
    }

    /// Has it drain; returns when it has ended.
    pub(crate) async fn shutdown(&mut self, grace: Duration) -> anyhow::Result<()> {
        let grace_ms = u64::try_from(grace.as_millis())?;
        self.order(&Order::Shutdown { grace_ms }).await?;
        Ok(())
    }

    /// Its process.
    pub(crate) fn process(&self) -> anyhow::Result<u32> {
        self.child.id().context("the data plane has ended")
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.listening.plain)
    }

    /// Where plain HTTP is served.
    pub(crate) fn address(&self) -> SocketAddr {
        self.listening.plain
    }

    /// Where HTTPS is served.
    pub(crate) fn tls_address(&self) -> anyhow::Result<SocketAddr> {
        self.listening.tls.context("the data plane serves no HTTPS")
    }

    async fn order(&mut self, order: &Order) -> anyhow::Result<Answer> {
        let mut line = serde_json::to_vec(order)?;
        line.push(b'\n');
        self.orders.write_all(&line).await?;
        let answer = self
            .answers
            .next_line()
            .await?
            .context("the data plane has ended")?;
        let answer: Answer = serde_json::from_str(&answer)?;
        match answer.error {
            Some(error) => bail!("{error}"),
            None => Ok(answer),
        }
    }
}

/// An API as the data plane takes it, with these fields of a revision beside or in place of the usual ones.
pub(crate) fn api(name: &str, upstream: &str, fields: Value) -> Value {
    let mut content = json!({
        "displayName": name,
        "version": "v1",
        "type": "rest",
        "direction": "ingress",
        "basePath": format!("/{name}"),
        "upstreams": {"main": {"url": upstream}},
    });
    if let (Some(content), Value::Object(fields)) = (content.as_object_mut(), fields) {
        content.extend(fields);
    }
    json!({
        "externalRef": name,
        "fingerprint": Fingerprint::of_value(&content),
        "content": content,
    })
}
