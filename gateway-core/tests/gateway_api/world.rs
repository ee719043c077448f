//! What a case finds: its manifests and their backends.

use std::{collections::BTreeMap, fs, path::PathBuf, sync::Arc};

use serde_json::Value;

use crate::{backends::Backend, cases::Test, certificates::Certificates};

/// The namespace that most objects are in.
pub(crate) const NAMESPACE: &str = "gateway-conformance-infra";

/// The objects of a case, and a backend for each service.
pub(crate) struct World {
    pub(crate) objects: Vec<Value>,
    /// By namespace and name of the service.
    pub(crate) backends: BTreeMap<(String, String), Backend>,
    pub(crate) certificates: Arc<Certificates>,
}

pub(crate) fn data() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/gateway_api/data")
}

/// The objects of a manifest.
pub(crate) fn manifest(name: &str) -> Vec<Value> {
    let text = fs::read_to_string(data().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

impl World {
    pub(crate) async fn of(test: &Test) -> Self {
        let mut objects = manifest("base.yaml");
        for name in &test.manifests {
            objects.extend(manifest(name));
        }
        let certificates = Arc::new(Certificates::new());
        let mut backends = BTreeMap::new();
        for service in objects.iter().filter(|object| object["kind"] == "Service") {
            let (namespace, name) = (namespace(service), name(service));
            // Services without a selector have the endpoints of the first backend written out.
            let app = service["spec"]["selector"]["app"].as_str();
            let app = app.unwrap_or("infra-backend-v1");
            let tls = app.starts_with("tls-backend");
            let tls = tls.then(|| certificates.acceptor(app.ends_with("client-cert-validation")));
            let backend = match test.short_name.ends_with("WebSocket") {
                true => Backend::websocket().await,
                false => Backend::start(namespace, app, tls).await,
            };
            backends.insert((namespace.to_owned(), name.to_owned()), backend);
        }
        Self {
            objects,
            backends,
            certificates,
        }
    }

    /// The objects of a kind.
    pub(crate) fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.objects.iter().filter(move |object| object["kind"] == kind)
    }

    pub(crate) fn backend(&self, namespace: &str, name: &str) -> Option<&Backend> {
        self.backends.get(&(namespace.to_owned(), name.to_owned()))
    }

    /// A service.
    pub(crate) fn service(&self, target: &str, service: &str) -> Option<&Value> {
        self.of_kind("Service")
            .find(|object| namespace(object) == target && name(object) == service)
    }

    /// Whether HTTP/2 is spoken at a port of a service.
    pub(crate) fn speaks_http2(&self, target: &str, service: &str, port: &Value) -> bool {
        let found = self.service(target, service);
        let ports = found.map_or(&Value::Null, |service| &service["spec"]["ports"]);
        list(ports).any(|it| it["port"] == *port && it["appProtocol"] == "kubernetes.io/h2c")
    }

    /// The labels of a namespace.
    pub(crate) fn labels(&self, namespace: &str) -> Value {
        let found = self.of_kind("Namespace").find(|object| name(object) == namespace);
        found.map_or(Value::Null, |object| object["metadata"]["labels"].clone())
    }
}

pub(crate) fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().expect("a name")
}

pub(crate) fn namespace(object: &Value) -> &str {
    object["metadata"]["namespace"].as_str().unwrap_or(NAMESPACE)
}

/// The elements of a list, none if it is not there.
pub(crate) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
