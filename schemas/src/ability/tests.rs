//! Every action against every capability and protocol.

use expect_test::{Expect, expect};
use serde_json::json;

use super::*;

fn descriptor(lacking: &str) -> Descriptor {
    let capabilities = ["deploy", "undeploy", "observe", "discover", "check", "adopt"];
    let declared: serde_json::Map<_, _> = capabilities
        .iter()
        .map(|name| ((*name).to_owned(), json!(*name != lacking)))
        .collect();
    serde_json::from_value(json!({
        "gatewayType": "kong", "displayName": "Kong", "version": "1.4.2", "settingsSchema": {}, "policies": [],
        "capabilities": declared,
    }))
    .unwrap()
}

fn lack(action: Action, lacking: &str, protocol: u32) -> Option<String> {
    let descriptor = descriptor(lacking);
    let environment = "dev".parse().unwrap();
    let acting = Acting {
        environment: &environment,
        agent: "edge-1",
        protocol,
        descriptor: &descriptor,
    };
    acting.lacks(action).map(|inability| inability.to_string())
}

/// One line for each action: without which capabilities, and with which protocols, it is refused.
#[test]
fn what_each_action_takes() {
    let capabilities = ["deploy", "undeploy", "observe", "discover", "check", "adopt"];
    let mut lines = String::new();
    for action in Action::ALL {
        let needed: Vec<_> = capabilities
            .into_iter()
            .filter(|name| lack(action, name, PROTOCOL_WITH_TASKS).is_some())
            .collect();
        let protocol = (1..=PROTOCOL_WITH_TASKS).find(|protocol| lack(action, "", *protocol).is_none());
        lines += &format!(
            "{action:?}: {}; protocol {}\n",
            needed.join(", "),
            protocol.unwrap()
        );
    }
    expect![[r#"
        Deploy: deploy; protocol 1
        Undeploy: undeploy; protocol 1
        PlanDeploy: deploy, observe; protocol 2
        PlanUndeploy: undeploy, observe; protocol 2
        PlanRollback: deploy, observe; protocol 2
        Adopt: deploy, observe, adopt; protocol 2
        Revert: deploy; protocol 1
        AdoptDrift: deploy; protocol 2
        Observe: observe; protocol 2
        Discover: discover; protocol 1
        Check: check; protocol 2
    "#]]
    .assert_eq(&lines);
}

#[track_caller]
fn check(action: Action, lacking: &str, protocol: u32, expected: Expect) {
    expected.assert_eq(&lack(action, lacking, protocol).unwrap_or_default());
}

#[test]
fn a_missing_capability_is_named_with_what_can_be_done_instead() {
    let told = |action, lacking| lack(action, lacking, PROTOCOL_WITH_TASKS).unwrap();
    let cases = [
        (Action::Deploy, "deploy"),
        (Action::Undeploy, "undeploy"),
        (Action::PlanDeploy, "observe"),
        (Action::PlanUndeploy, "observe"),
        (Action::PlanRollback, "deploy"),
        (Action::Adopt, "adopt"),
        (Action::Revert, "deploy"),
        (Action::AdoptDrift, "deploy"),
        (Action::Observe, "observe"),
        (Action::Discover, "discover"),
        (Action::Check, "check"),
    ];
    let all: Vec<_> = cases
        .into_iter()
        .map(|(action, lacking)| told(action, lacking))
        .collect();
    expect![[r#"
        environment `dev` cannot be deployed to: its agent `edge-1` (gateway type `kong`, connector version 1.4.2) does not declare the capability `deploy`; deploy to an environment of a gateway type that can be written
        environment `dev` cannot have an API taken off: its agent `edge-1` (gateway type `kong`, connector version 1.4.2) does not declare the capability `undeploy`; remove the API on the gateway itself
        environment `dev` cannot be planned for: its agent `edge-1` (gateway type `kong`, connector version 1.4.2) does not declare the capability `observe`; deploy to an environment of a gateway type that can be written
        environment `dev` cannot be planned for: its agent `edge-1` (gateway type `kong`, connector version 1.4.2) does not declare the capability `observe`; remove the API on the gateway itself
        environment `dev` cannot be rolled back under a plan: its agent `edge-1` (gateway type `kong`, connector version 1.4.2) does not declare the capability `deploy`; deploy to an environment of a gateway type that can be written
        environment `dev` cannot have an API adopted in place: its agent `edge-1` (gateway type `kong`, connector version 1.4.2) does not declare the capability `adopt`; deploy the API beside it under another base path, and remove the old one on the gateway itself
        environment `dev` cannot have a change on the gateway put back: its agent `edge-1` (gateway type `kong`, connector version 1.4.2) does not declare the capability `deploy`; change it on the gateway itself
        environment `dev` cannot have a change on the gateway kept: its agent `edge-1` (gateway type `kong`, connector version 1.4.2) does not declare the capability `deploy`; change it on the gateway itself
        environment `dev` cannot be looked at for drift: its agent `edge-1` (gateway type `kong`, connector version 1.4.2) does not declare the capability `observe`; deploy again what may have drifted
        environment `dev` cannot be discovered: its agent `edge-1` (gateway type `kong`, connector version 1.4.2) does not declare the capability `discover`; write its APIs as documents, and give them with `gatehouse apply`
        environment `dev` cannot be checked: its agent `edge-1` (gateway type `kong`, connector version 1.4.2) does not declare the capability `check`; the first deploy or discovery shows whether gateway and credential are good
    "#]].assert_eq(&(all.join("\n") + "\n"));
}

#[test]
fn an_old_protocol_is_named_with_what_it_takes() {
    check(
        Action::Check,
        "",
        1,
        expect![
            "environment `dev` cannot be checked: its agent `edge-1` (gateway type `kong`, connector version 1.4.2) speaks protocol 1, and that takes protocol 2; update the agent"
        ],
    );
    // What the connector cannot do is the better advice: updating the agent may not help.
    check(
        Action::Check,
        "check",
        1,
        expect![
            "environment `dev` cannot be checked: its agent `edge-1` (gateway type `kong`, connector version 1.4.2) does not declare the capability `check`; the first deploy or discovery shows whether gateway and credential are good"
        ],
    );
}
