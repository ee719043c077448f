//! Modules that fail at a request.

use serde_json::json;

use super::{
    Modules,
    component::{Program, RESULT, answers},
};
use crate::support::{document, get, status};

const FOREVER: &str = "(loop $again (br $again)) (i32.const 1024)";

/// Takes memory for as long as there is some, and breaks down when there is none.
const GREEDY: &str =
    "(loop $again (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable";

/// Programs that fail, with what their policies say beside them.
fn failing() -> Vec<(&'static str, Program, serde_json::Value)> {
    let mut says = Program::default();
    let (text, length) = says.text("no idea");
    says.request = Some(format!("{}{RESULT}", answers(0, &[1, text, length])));
    let mut frames = Program::default();
    let (set, _) = frames.headers(&[("Content-Length", "1")]);
    frames.request = Some(format!("{}{RESULT}", answers(16, &[set, 1])));
    let mut splits = Program::default();
    let (add, _) = splits.headers(&[("x-a", "b\r\nx-c: d")]);
    splits.request = Some(format!("{}{RESULT}", answers(24, &[add, 1])));
    let mut talks = Program::default();
    talks.request = Some(format!(
        "(drop (memory.grow (i32.const 200))){}{RESULT}",
        answers(4, &[1, 200, 0, 0, 4096, 12_000_000])
    ));
    // Texts of nothing but zeros, of which each is good and too long.
    let tells =
        |place, length| Program::on_request(format!("{}{RESULT}", answers(place, &[1, 8_192, length])));
    vec![
        ("trap", Program::on_request("unreachable"), json!({})),
        ("fuel", Program::on_request(FOREVER), json!({"fuel": 100_000})),
        (
            "time",
            Program::on_request(FOREVER),
            json!({"fuel": 10_000_000_000_u64, "timeoutMs": 50}),
        ),
        ("memory", Program::on_request(GREEDY), json!({"memoryMib": 2})),
        (
            "stack",
            Program::on_request("(call $deep) unreachable").with("(func $deep (call $deep))"),
            json!({}),
        ),
        ("astray", Program::on_request("(i32.const -8)"), json!({})),
        ("error", says, json!({})),
        (
            "status",
            Program::on_request(format!("{}{RESULT}", answers(4, &[1, 99]))),
            json!({}),
        ),
        ("framing", frames, json!({})),
        ("splitting", splits, json!({})),
        ("talkative", talks, json!({})),
        ("consumer", tells(32, 1_025), json!({})),
        ("note", tells(44, 16_385), json!({})),
        (
            "tables",
            Program::on_request(format!(
                "(drop (memory.grow (i32.const 6)))
                 (drop (table.grow (ref.null func) (i32.const 90000))) {RESULT}"
            ))
            .with("(table 0 funcref)"),
            json!({"memoryMib": 1}),
        ),
    ]
}

#[tokio::test]
async fn nobody_gets_in_while_the_module_fails() {
    let modules = Modules::new().await;
    for (name, program, more) in failing() {
        modules.behind(name, &program, more).await;
        let answer = get(&modules.gateway, &format!("/{name}")).await;
        assert_eq!(status(&answer), 503, "{name}: {answer}");
        assert_eq!(
            document(&answer)["type"],
            "https://gatehouse.dev/problems/gateway/policy-failed",
            "{name}"
        );
    }
    let metrics = modules.gateway.metrics_text();
    for counted in ["calls", "failures"] {
        let line = format!("gatehouse_gateway_policy_module_{counted}_total{{module=\"trap\"}} 1\n");
        assert!(metrics.contains(&line), "{metrics}");
    }
}

#[tokio::test]
async fn a_request_passes_a_module_that_may_fail_unchanged() {
    let modules = Modules::new().await;
    for (name, program, mut more) in failing() {
        more["onFailure"] = json!("pass");
        modules.behind(name, &program, more).await;
        let answer = get(&modules.gateway, &format!("/{name}")).await;
        assert_eq!(status(&answer), 200, "{name}: {answer}");
        assert_eq!(document(&answer)["target"], "/", "{name}");
    }
}

#[tokio::test]
async fn an_answer_whose_module_fails_is_kept_back_and_counted_once() {
    let modules = Modules::new().await;
    modules
        .behind("strict", &Program::on_response("unreachable"), json!({}))
        .await;
    modules
        .behind(
            "lenient",
            &Program::on_response("unreachable"),
            json!({"onFailure": "pass"}),
        )
        .await;
    assert_eq!(status(&get(&modules.gateway, "/strict").await), 503);
    assert_eq!(status(&get(&modules.gateway, "/lenient").await), 200);
    let metrics = modules.gateway.metrics_text();
    let counted = |class: &str| {
        let mut lines = metrics.lines();
        lines.any(|line| {
            line.starts_with("gatehouse_gateway_requests_total{")
                && line.contains("strict")
                && line.contains(class)
                && line.ends_with(" 1")
        })
    };
    assert!(counted("5xx"), "{metrics}");
    assert!(!counted("2xx"), "{metrics}");
}
