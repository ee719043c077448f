//! `ext.wasm`: components decide about requests and change heads; one that fails lets nobody in.

mod component;
mod failing;
mod limits;
mod rejected;

use std::fs;

use aws_lc_rs::digest::{SHA256, digest};
use gatehouse_gateway_core::{ApplyError, Gateway, GatewayOptions};
use serde_json::{Value, json};
use tempfile::TempDir;

use self::component::{Program, RESULT, answers};
use crate::{
    policies::with_key,
    support::{api, document, echo, get, raw, status},
};

/// A gateway with a folder of modules.
pub(crate) struct Modules {
    folder: TempDir,
    pub(crate) gateway: Gateway,
}

impl Modules {
    pub(crate) async fn new() -> Self {
        Self::with_memory(GatewayOptions::default().policy_module_bytes).await
    }

    async fn with_memory(policy_module_bytes: u64) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let options = GatewayOptions {
            worker_threads: Some(1),
            policy_modules: Some(folder.path().to_owned()),
            policy_module_bytes,
            ..GatewayOptions::default()
        };
        let gateway = Gateway::start(options).await.expect("the gateway starts");
        Self { folder, gateway }
    }

    /// Puts a module into the folder. Answers a policy that runs it.
    pub(crate) fn policy(&self, name: &str, component: &[u8]) -> Value {
        let file = self.folder.path().join(format!("{name}.wasm"));
        fs::write(file, component).expect("the folder can be written");
        json!({"type": "ext.wasm", "with": {"module": name, "sha256": sha256(component), "timeoutMs": 10_000}})
    }

    /// Serves an API with these policies, with an upstream that tells what it sees.
    async fn serve(&self, name: &str, policies: Value) -> Result<(), ApplyError> {
        let config = api(name, echo().await, json!({"policies": policies}));
        self.gateway.put_api(config).await
    }

    /// Serves an API behind a program.
    async fn behind(&self, name: &str, program: &Program, more: Value) {
        let mut policy = self.policy(name, &program.component());
        for (field, value) in more.as_object().expect("fields") {
            policy["with"][field] = value.clone();
        }
        self.serve(name, json!([policy])).await.expect("it can be served");
    }
}

/// A component that lets everything through.
pub(crate) fn passing() -> Vec<u8> {
    Program::on_request(RESULT).component()
}

fn sha256(bytes: &[u8]) -> String {
    let digest = digest(&SHA256, bytes);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A program that answers with what it is told at a place, as a body.
fn telling(offset: usize) -> Program {
    Program::on_request(format!(
        "{answer}
         (i32.store (i32.const 1044) (i32.load offset={offset} (local.get $told)))
         (i32.store (i32.const 1048) (i32.load offset={length} (local.get $told)))
         {RESULT}",
        answer = answers(4, &[1, 200]),
        length = offset + 4,
    ))
}

#[tokio::test]
async fn a_request_goes_on_with_the_headers_that_the_module_leaves_it() {
    let modules = Modules::new().await;
    let mut program = Program::default();
    let (away, _) = program.headers(&[("x-secret", "")]);
    let (set, _) = program.headers(&[("x-user", "alice")]);
    let (add, _) = program.headers(&[("X-List", "two"), ("x-list", "three")]);
    // A header begins with its name, as a list of names does.
    program.request = Some(format!("{}{RESULT}", answers(8, &[away, 1, set, 1, add, 2])));
    modules.behind("shop", &program, json!({})).await;
    let request = "GET /shop HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Secret: s\r\nX-User: admin\r\nX-User: root\r\nX-List: one\r\n\r\n";
    let seen = document(&raw(&modules.gateway, request).await);
    assert_eq!(seen["headers"]["x-secret"], Value::Null, "{seen}");
    assert_eq!(seen["headers"]["x-user"], json!(["alice"]));
    assert_eq!(seen["headers"]["x-list"], json!(["one", "two", "three"]));
}

#[tokio::test]
async fn the_caller_gets_the_modules_answer_and_the_upstream_nothing() {
    let modules = Modules::new().await;
    let mut program = Program::default();
    let (headers, _) = program.headers(&[("content-type", "text/plain"), ("x-why", "closed")]);
    let (body, length) = program.text("come back tomorrow");
    program.request = Some(format!(
        "{}{RESULT}",
        answers(4, &[1, 403, headers, 2, body, length])
    ));
    modules.behind("shop", &program, json!({})).await;
    let answer = get(&modules.gateway, "/shop").await;
    assert_eq!(status(&answer), 403);
    assert!(answer.contains("content-type: text/plain\r\n"), "{answer}");
    assert!(answer.contains("x-why: closed\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\ncome back tomorrow"), "{answer}");
}

#[tokio::test]
async fn the_module_is_told_what_the_request_is() {
    let modules = Modules::new().await;
    // Where each text begins in what `on-request` is told, after the canonical ABI of components.
    let told = [
        ("config", 0, r#"{"a":[1]}"#),
        ("method", 16, "POST"),
        ("scheme", 24, "http"),
        ("host", 32, "shop.example:81"),
        ("path", 40, "/path/items/%2Fx"),
        ("query", 52, "page=2&q=%20"),
        ("address", 68, "127.0.0.1"),
        ("consumer", 80, "ann"),
    ];
    for (what, offset, expected) in told {
        let mut policy = modules.policy(what, &telling(offset).component());
        policy["with"]["config"] = json!({"a": [1]});
        let key = json!({"type": "auth.apiKey", "with": {"keys": [{"consumer": "ann", "secretRef": "key"}]}});
        let config = api(
            what,
            echo().await,
            json!({"basePath": "/path", "policies": [policy, key]}),
        );
        modules
            .gateway
            .put_api(with_key(config, "key", "k"))
            .await
            .expect("it can be served");
        let request = "POST /path/./items/%2Fx?page=2&q=%20 HTTP/1.1\r\nHost: shop.example:81\r\nX-Api-Key: k\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        let answer = raw(&modules.gateway, request).await;
        assert_eq!(status(&answer), 200, "{answer}");
        assert!(
            answer.ends_with(&format!("\r\n\r\n{expected}")),
            "{what}: {answer}"
        );
        modules
            .gateway
            .remove_api(&gatehouse_schemas::identity::ExternalRef(what.to_owned()))
            .await
            .expect("gone");
    }
}

#[tokio::test]
async fn limits_count_by_the_consumer_that_the_module_names() {
    let modules = Modules::new().await;
    let mut program = Program::default();
    let (name, length) = program.text("bob");
    program.request = Some(format!("{}{RESULT}", answers(32, &[1, name, length])));
    let policy = modules.policy("naming", &program.component());
    let limit =
        json!({"type": "ratelimit", "with": {"limits": [{"requests": 1, "per": "hour"}], "key": "consumer"}});
    modules
        .serve("shop", json!([limit, policy]))
        .await
        .expect("it can be served");
    assert_eq!(status(&get(&modules.gateway, "/shop").await), 200);
    assert_eq!(status(&get(&modules.gateway, "/shop").await), 429);
}

/// A program that sets a header of answers.
fn marking(name: &str, value: &str) -> Program {
    let mut program = Program::default();
    let (set, _) = program.headers(&[(name, value)]);
    program.response = Some(format!("{}{RESULT}", answers(12, &[set, 1])));
    program
}

#[tokio::test]
async fn answers_of_the_upstream_and_of_the_gateway_pass_the_module() {
    let modules = Modules::new().await;
    let policy = modules.policy("marking", &marking("x-mark", "seen").component());
    let respond = json!({"type": "respond", "with": {"status": 201, "headers": {"x-mark": "not yet"}}});
    let cache = json!({"type": "cache", "with": {"ttlSeconds": 60}});
    modules
        .serve("plain", json!([policy]))
        .await
        .expect("it can be served");
    modules
        .serve("mock", json!([respond, policy]))
        .await
        .expect("it can be served");
    modules
        .serve("kept", json!([cache, policy]))
        .await
        .expect("it can be served");
    for (path, expected) in [("/plain", 200), ("/mock", 201), ("/kept", 200), ("/kept", 200)] {
        let answer = get(&modules.gateway, path).await;
        assert_eq!(status(&answer), expected, "{answer}");
        assert_eq!(answer.matches("x-mark: ").count(), 1, "{answer}");
        assert!(answer.contains("x-mark: seen\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn the_last_module_that_saw_the_request_sees_the_answer_first() {
    let modules = Modules::new().await;
    let policies = ["outer", "inner"].map(|name| modules.policy(name, &marking("x-mark", name).component()));
    modules
        .serve("shop", json!(policies))
        .await
        .expect("it can be served");
    let answer = get(&modules.gateway, "/shop").await;
    assert!(answer.contains("x-mark: outer\r\n"), "{answer}");
}

#[tokio::test]
async fn the_module_is_told_of_the_answer_what_it_noted_of_the_request() {
    let modules = Modules::new().await;
    let mut program = Program::default();
    let (note, length) = program.text("tea");
    let (set, _) = program.headers(&[("x-noted", "")]);
    program.request = Some(format!("{}{RESULT}", answers(44, &[1, note, length])));
    // The note's place and length are the last two parameters; a header's value is its second half.
    program.response = Some(format!(
        "{}(i32.store (i32.const {}) (local.get 8))(i32.store (i32.const {}) (local.get 9)){RESULT}",
        answers(12, &[set, 1]),
        set + 8,
        set + 12,
    ));
    modules.behind("shop", &program, json!({})).await;
    let answer = get(&modules.gateway, "/shop").await;
    assert!(answer.contains("x-noted: tea\r\n"), "{answer}");
}
