//! Modules that are refused when an API is put in: others go on, and so does what was served before.

use std::fs;

use gatehouse_gateway_core::{ApplyError, Gateway, GatewayOptions};
use serde_json::{Value, json};

use super::{
    Modules,
    component::{Program, RESULT},
    passing, sha256,
};
use crate::support::{api, echo, gateway, get, status};

/// What an API is refused for.
async fn reason(modules: &Modules, policy: Value) -> String {
    match modules
        .serve("shop", json!([policy]))
        .await
        .expect_err("it is refused")
    {
        ApplyError::Module { reason, .. } => reason,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_module_is_said() {
    let modules = Modules::new().await;
    let good = passing();
    let missing = json!({"type": "ext.wasm", "with": {"module": "missing", "sha256": sha256(b"")}});
    let mut other = modules.policy("other", &good);
    other["with"]["sha256"] = json!(sha256(b"another one"));
    let module = wat::parse_str("(module)").expect("a module");
    let component = |text: &str| wat::parse_str(text).expect("a component");
    let numbers = r#"(component
        (core module $m (func (export "f") (result i32) (i32.const 1)))
        (core instance $i (instantiate $m))
        (func $f (result u32) (canon lift (core func $i "f")))
        (instance $phase (export "on-request" (func $f)))
        (export "gatehouse:policy/request-phase@0.1.0" (instance $phase)))"#;
    for (policy, expected) in [
        (missing, "missing.wasm`; put it there"),
        (other, "and the policy wants"),
        (
            modules.policy("text", b"#!/bin/sh"),
            "is not a WebAssembly component",
        ),
        (
            modules.policy("module", &module),
            "is not a WebAssembly component",
        ),
        (
            modules.policy("empty", &component("(component)")),
            "exports neither `gatehouse:policy/request-phase@0.1.0`",
        ),
        (
            modules.policy("numbers", &component(numbers)),
            "module `numbers` cannot be started: it broke down",
        ),
        (
            modules.policy("truncated", &good[..good.len() / 2]),
            "is not a WebAssembly component",
        ),
        (
            modules.policy(
                "loops",
                &Program::on_request(RESULT)
                    .with("(start $loop) (func $loop (loop $again (br $again)))")
                    .component(),
            ),
            "module `loops` cannot be started: it takes more than 50000000 of fuel",
        ),
        (
            modules.policy(
                "large",
                &Program::on_request(RESULT)
                    .with("(start $grow) (func $grow (drop (memory.grow (i32.const 1000))))")
                    .component(),
            ),
            "it needs more than 16 MiB of memory",
        ),
    ] {
        let reason = reason(&modules, policy).await;
        assert!(reason.contains(expected), "{reason}");
    }
    let outside = json!({"type": "ext.wasm", "with": {"module": "../other", "sha256": sha256(&good)}});
    assert_eq!(
        reason(&modules, outside).await,
        "`../other` is not the name of a module"
    );
}

/// What keeps callers out must not be left out because something else can be used.
#[tokio::test]
async fn a_module_of_which_only_one_half_can_be_used_is_refused() {
    let modules = Modules::new().await;
    let mut both = Program::on_request(RESULT);
    both.response = Some(RESULT.to_owned());
    for (name, from, to) in [
        ("requests", "on-request", "on-asked"),
        ("responses", "on-response", "on-answer"),
        ("phases", "request-phase", "asking-phase"),
    ] {
        let component = both.component_with(|text| text.replace(from, to));
        let reason = reason(&modules, modules.policy(name, &component)).await;
        assert!(
            reason.contains(&format!("module `{name}` exports `gatehouse:policy/")),
            "{reason}"
        );
    }
    let good = modules.policy("good", &both.component_with(str::to_owned));
    modules
        .serve("shop", json!([good]))
        .await
        .expect("it can be served");
}

#[tokio::test]
async fn a_gateway_without_modules_says_how_to_have_some() {
    let gateway = gateway().await;
    let policy = json!({"type": "ext.wasm", "with": {"module": "a", "sha256": sha256(b"")}});
    let config = api("shop", echo().await, json!({"policies": [policy]}));
    let error = gateway.put_api(config).await.expect_err("it is refused");
    assert!(
        error
            .to_string()
            .ends_with("start it with `--policy-modules FOLDER`"),
        "{error}"
    );
}

#[tokio::test]
async fn a_broken_module_leaves_everything_as_it_is_and_a_right_one_is_taken() {
    let modules = Modules::new().await;
    let refuses = Program::on_request(format!("{}{RESULT}", super::answers(4, &[1, 418])));
    modules.behind("shop", &refuses, json!({})).await;
    modules.serve("other", json!([])).await.expect("it can be served");
    let good = passing();
    let next = modules.policy("next", b"broken");
    let mut next = json!([next]);
    next[0]["with"]["sha256"] = json!(sha256(&good));
    modules
        .serve("shop", next.clone())
        .await
        .expect_err("another digest");
    assert_eq!(status(&get(&modules.gateway, "/shop").await), 418);
    assert_eq!(status(&get(&modules.gateway, "/other").await), 200);
    // A file that changes under a module that runs changes nothing either.
    modules.policy("shop", b"broken");
    assert_eq!(status(&get(&modules.gateway, "/shop").await), 418);
    modules.policy("next", &good);
    modules.serve("shop", next).await.expect("it can be served now");
    assert_eq!(status(&get(&modules.gateway, "/shop").await), 200);
}

#[tokio::test]
async fn after_a_restart_an_api_without_its_module_is_not_served_and_others_are() {
    let (state, folder) = (
        tempfile::tempdir().expect("a folder"),
        tempfile::tempdir().expect("a folder"),
    );
    let options = GatewayOptions {
        state_dir: Some(state.path().to_owned()),
        policy_modules: Some(folder.path().to_owned()),
        worker_threads: Some(1),
        ..GatewayOptions::default()
    };
    let component = passing();
    for name in ["kept", "lost"] {
        fs::write(folder.path().join(format!("{name}.wasm")), &component).expect("it can be written");
    }
    let gateway = Gateway::start(options.clone()).await.expect("the gateway starts");
    let upstream = echo().await;
    for name in ["kept", "lost"] {
        let policy = json!({"type": "ext.wasm", "with": {"module": name, "sha256": sha256(&component)}});
        gateway
            .put_api(api(name, upstream, json!({"policies": [policy]})))
            .await
            .expect("it can be served");
    }
    gateway.shutdown(std::time::Duration::from_secs(5)).await;
    fs::remove_file(folder.path().join("lost.wasm")).expect("it is there");
    let gateway = Gateway::start(options).await.expect("the gateway starts");
    assert_eq!(status(&get(&gateway, "/kept").await), 200);
    assert_eq!(status(&get(&gateway, "/lost").await), 404);
}
