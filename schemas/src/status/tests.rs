use expect_test::{Expect, expect};

use super::*;

const GENERATION: Generation = Generation(5);

fn fingerprint() -> Fingerprint {
    Fingerprint::of_bytes(b"desired")
}

fn agent(name: &str, online: bool, report: Option<(u64, ReportOutcome)>) -> AgentReport {
    AgentReport {
        agent: name.to_owned(),
        online,
        heard_since: false,
        report: report.map(|(generation, outcome)| Report {
            generation: Generation(generation),
            outcome,
        }),
    }
}

fn deployed() -> ReportOutcome {
    ReportOutcome::Deployed {
        observed: fingerprint(),
    }
}

fn failed(retrying: bool) -> ReportOutcome {
    ReportOutcome::Failed {
        reason: "UpstreamInvalid".to_owned(),
        message: "upstream `main` cannot be resolved".to_owned(),
        retrying,
    }
}

struct Case<'a> {
    present: bool,
    never_handed_out: bool,
    replicated: bool,
    mode: Mode,
    previous: &'a [Condition],
}

const DEPLOY: Case<'static> = Case {
    present: true,
    never_handed_out: false,
    replicated: false,
    mode: Mode::ReadWrite,
    previous: &[],
};
const UNDEPLOY: Case<'static> = Case {
    present: false,
    ..DEPLOY
};

fn status(case: &Case<'_>, agents: &[AgentReport]) -> DeploymentStatus {
    let name = |text: &str| text.parse().expect("a name");
    deployment_status(&DeploymentFacts {
        api: &name("orders"),
        revision: RevisionNumber(3),
        environment: &name("kong-eu"),
        gateway_type: &name("kong"),
        mode: case.mode,
        generation: GENERATION,
        desired: case.present.then_some(&fingerprint()),
        replicated: case.replicated,
        agents,
        never_handed_out: case.never_handed_out,
        previous: case.previous,
        now: Timestamp(1_000),
    })
}

fn check(case: &Case<'_>, agents: &[AgentReport], expected: Expect) {
    let status = status(case, agents);
    let mut lines = vec![format!("{:?} removed={}", status.phase, status.removed)];
    for condition in &status.conditions {
        let Condition {
            r#type,
            status,
            reason,
            message,
            ..
        } = condition;
        lines.push(format!("{type:?} {status:?} {reason}: {message}"));
    }
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn without_an_agent_a_deployment_is_pending_and_says_how_to_start_one() {
    check(
        &DEPLOY,
        &[],
        expect![[r#"
        Pending removed=false
        Accepted Unknown AgentOffline: no agent for gateway type `kong` is connected; start one with `gatehouse-agent-kong --control-plane URL --join-token TOKEN`, where `gatehouse agent join-token --type kong` gives the token
        Deployed False AgentOffline: no agent for gateway type `kong` is connected; start one with `gatehouse-agent-kong --control-plane URL --join-token TOKEN`, where `gatehouse agent join-token --type kong` gives the token
        InSync Unknown NotDeployed: nothing is known until `orders` is deployed"#]],
    );
    check(
        &DEPLOY,
        &[agent("a", false, Some((4, deployed())))],
        expect![[r#"
            Pending removed=false
            Accepted Unknown AgentOffline: no agent for gateway type `kong` is connected; start one with `gatehouse-agent-kong --control-plane URL --join-token TOKEN`, where `gatehouse agent join-token --type kong` gives the token
            Deployed False AgentOffline: no agent for gateway type `kong` is connected; start one with `gatehouse-agent-kong --control-plane URL --join-token TOKEN`, where `gatehouse agent join-token --type kong` gives the token
            InSync Unknown NotDeployed: nothing is known until `orders` is deployed"#]],
    );
}

#[test]
fn an_agent_that_has_said_nothing_leaves_it_pending() {
    check(
        &DEPLOY,
        &[agent("a", true, Some((4, deployed())))],
        expect![[r#"
        Pending removed=false
        Accepted True Accepted: revision 3 of `orders` in `kong-eu` was validated, and an agent is there to carry it out
        Deployed False Pending: no agent has taken up revision 3 of `orders` in `kong-eu` yet
        InSync Unknown NotDeployed: nothing is known until `orders` is deployed"#]],
    );
}

#[test]
fn a_report_moves_it_on() {
    check(
        &DEPLOY,
        &[agent("a", true, Some((5, ReportOutcome::Deploying)))],
        expect![[r#"
            Deploying removed=false
            Accepted True Accepted: revision 3 of `orders` in `kong-eu` was validated, and an agent is there to carry it out
            Deployed False Deploying: agents at work on revision 3 of `orders` in `kong-eu`: a
            InSync Unknown NotDeployed: nothing is known until `orders` is deployed"#]],
    );
    check(
        &DEPLOY,
        &[agent("a", true, Some((5, deployed())))],
        expect![[r#"
        Deployed removed=false
        Accepted True Accepted: revision 3 of `orders` in `kong-eu` was validated, and an agent is there to carry it out
        Deployed True Deployed: revision 3 of `orders` in `kong-eu` is served
        InSync True InSync: the gateway was last seen to hold exactly what is desired"#]],
    );
    check(
        &DEPLOY,
        &[agent("a", true, Some((5, failed(true))))],
        expect![[r#"
            Failed removed=false
            Accepted True Accepted: revision 3 of `orders` in `kong-eu` was validated, and an agent is there to carry it out
            Deployed False UpstreamInvalid: upstream `main` cannot be resolved (agent `a`; the agent tries again)
            InSync Unknown NotDeployed: nothing is known until `orders` is deployed"#]],
    );
    check(
        &DEPLOY,
        &[agent("a", true, Some((5, failed(false))))],
        expect![[r#"
            Failed removed=false
            Accepted True Accepted: revision 3 of `orders` in `kong-eu` was validated, and an agent is there to carry it out
            Deployed False UpstreamInvalid: upstream `main` cannot be resolved (agent `a`; deploy again once the cause is removed)
            InSync Unknown NotDeployed: nothing is known until `orders` is deployed"#]],
    );
}

#[test]
fn what_was_deployed_stays_deployed_when_the_agent_goes_away() {
    check(
        &DEPLOY,
        &[agent("a", false, Some((5, deployed())))],
        expect![[r#"
            Deployed removed=false
            Accepted Unknown AgentOffline: no agent for gateway type `kong` is connected; start one with `gatehouse-agent-kong --control-plane URL --join-token TOKEN`, where `gatehouse agent join-token --type kong` gives the token
            Deployed True Deployed: revision 3 of `orders` in `kong-eu` is served
            InSync Unknown AgentOffline: no agent for gateway type `kong` is connected; start one with `gatehouse-agent-kong --control-plane URL --join-token TOKEN`, where `gatehouse agent join-token --type kong` gives the token"#]],
    );
}

#[test]
fn another_fingerprint_on_the_gateway_is_drift() {
    let other = ReportOutcome::Deployed {
        observed: Fingerprint::of_bytes(b"other"),
    };
    check(
        &DEPLOY,
        &[agent("a", true, Some((5, other)))],
        expect![[r#"
        Deployed removed=false
        Accepted True Accepted: revision 3 of `orders` in `kong-eu` was validated, and an agent is there to carry it out
        Deployed True Deployed: revision 3 of `orders` in `kong-eu` is served
        InSync False Drifted: the gateway holds something else than what is desired (agents: a); see `gatehouse drift kong-eu`, then put it right with `gatehouse drift resolve orders --env kong-eu --revert`, or keep it with `--adopt`"#]],
    );
}

#[test]
fn drift_leaves_it_deployed_unless_it_is_not_there() {
    let drifted = |missing| ReportOutcome::Drifted { missing };
    check(
        &DEPLOY,
        &[agent("a", true, Some((5, drifted(false))))],
        expect![[r#"
            Deployed removed=false
            Accepted True Accepted: revision 3 of `orders` in `kong-eu` was validated, and an agent is there to carry it out
            Deployed True Deployed: revision 3 of `orders` in `kong-eu` is served
            InSync False Drifted: the gateway holds something else than what is desired (agents: a); see `gatehouse drift kong-eu`, then put it right with `gatehouse drift resolve orders --env kong-eu --revert`, or keep it with `--adopt`"#]],
    );
    check(
        &DEPLOY,
        &[agent("a", true, Some((5, drifted(true))))],
        expect![[r#"
            Failed removed=false
            Accepted True Accepted: revision 3 of `orders` in `kong-eu` was validated, and an agent is there to carry it out
            Deployed False Missing: `orders` was deployed to `kong-eu` and is not there any more (agents: a); put it back with `gatehouse drift resolve orders --env kong-eu --revert`, or take it off with `gatehouse undeploy orders --from kong-eu`
            InSync False Missing: `orders` was deployed to `kong-eu` and is not there any more (agents: a); put it back with `gatehouse drift resolve orders --env kong-eu --revert`, or take it off with `gatehouse undeploy orders --from kong-eu`"#]],
    );
    // What was said of an earlier generation says nothing of this one.
    let earlier = status(&DEPLOY, &[agent("a", true, Some((4, drifted(true))))]);
    assert_eq!(earlier.phase, Phase::Pending);
    // Of replicated gateways, the one that failed counts first, then those that are still at work.
    let replicated = Case {
        replicated: true,
        ..DEPLOY
    };
    let missing = agent("a", true, Some((5, drifted(true))));
    let with = |other| status(&replicated, &[missing.clone(), agent("b", true, other)]).phase;
    assert_eq!(with(Some((5, deployed()))), Phase::Failed);
    assert_eq!(with(None), Phase::Deploying);
}

#[test]
fn what_was_refused_says_what_to_do() {
    let refused = |reason: &str, message: &str| ReportOutcome::Failed {
        reason: reason.to_owned(),
        message: message.to_owned(),
        retrying: false,
    };
    let told: Vec<String> = [
        (
            "PlanVoid",
            "the gateway holds something else than what the plan saw",
        ),
        ("LossNotAccepted", "`cors` is approximated"),
        ("PolicyUnsupported", "`auth.jwt` cannot be enforced"),
    ]
    .into_iter()
    .map(|(reason, message)| {
        let status = status(&DEPLOY, &[agent("a", true, Some((5, refused(reason, message))))]);
        let condition = &status.conditions[1];
        format!("{:?} {}: {}", status.phase, condition.reason, condition.message)
    })
    .collect();
    expect![[r#"
        Failed PlanVoid: the gateway holds something else than what the plan saw (agent `a`; nothing was changed; make a new plan with `gatehouse plan orders --to kong-eu`, and apply that)
        Failed LossNotAccepted: `cors` is approximated (agent `a`; nothing was changed; see what is lost with `gatehouse plan orders --to kong-eu`, then deploy with `--accept-loss` or change the policies)
        Failed PolicyUnsupported: `auth.jwt` cannot be enforced (agent `a`; nothing was changed; see which policies with `gatehouse plan orders --to kong-eu`, then change them or deploy to a gateway that enforces them)"#]].assert_eq(&told.join("\n"));
}

#[test]
fn a_read_only_environment_accepts_nothing() {
    let case = Case {
        mode: Mode::ReadOnly,
        ..DEPLOY
    };
    check(
        &case,
        &[agent("a", true, None)],
        expect![[r#"
        Pending removed=false
        Accepted False ModeForbids: environment `kong-eu` is read-only; set its mode to `read-write` or `write-only` to deploy
        Deployed False Pending: no agent has taken up revision 3 of `orders` in `kong-eu` yet
        InSync Unknown NotDeployed: nothing is known until `orders` is deployed"#]],
    );
}

#[test]
fn a_shared_gateway_needs_one_word_and_replicas_need_everyones() {
    let agents = [
        agent("a", true, Some((5, deployed()))),
        agent("b", true, None),
        agent("c", false, None),
    ];
    assert_eq!(status(&DEPLOY, &agents).phase, Phase::Deployed);
    let replicated = Case {
        replicated: true,
        ..DEPLOY
    };
    assert_eq!(status(&replicated, &agents).phase, Phase::Deploying);
    let agents = [agent("a", true, Some((5, deployed()))), agent("c", false, None)];
    assert_eq!(status(&replicated, &agents).phase, Phase::Deployed);
}

#[test]
fn a_removal_is_over_when_no_gateway_can_serve_the_api_any_more() {
    check(
        &UNDEPLOY,
        &[agent("a", true, Some((4, deployed())))],
        expect![[r#"
            Removing removed=false
            Accepted True Accepted: the removal of `orders` from `kong-eu` was validated, and an agent is there to carry it out
            Deployed Unknown Removing: waiting for the agents that may still serve `orders`: a; revoke an agent that is gone for good
            InSync Unknown NotDeployed: nothing is known until `orders` is deployed"#]],
    );
    check(
        &UNDEPLOY,
        &[agent("a", true, Some((5, ReportOutcome::Removed)))],
        expect![[r#"
            Removing removed=true
            Accepted True Accepted: the removal of `orders` from `kong-eu` was validated, and an agent is there to carry it out
            Deployed False Removed: `orders` is not in `kong-eu` any more
            InSync Unknown NotDeployed: nothing is known until `orders` is deployed"#]],
    );
    check(
        &UNDEPLOY,
        &[],
        expect![[r#"
        Removing removed=false
        Accepted Unknown AgentOffline: no agent for gateway type `kong` is connected; start one with `gatehouse-agent-kong --control-plane URL --join-token TOKEN`, where `gatehouse agent join-token --type kong` gives the token
        Deployed Unknown AgentOffline: no agent for gateway type `kong` is connected; start one with `gatehouse-agent-kong --control-plane URL --join-token TOKEN`, where `gatehouse agent join-token --type kong` gives the token
        InSync Unknown NotDeployed: nothing is known until `orders` is deployed"#]],
    );
    check(
        &UNDEPLOY,
        &[agent("a", true, Some((5, failed(true))))],
        expect![[r#"
            Removing removed=false
            Accepted True Accepted: the removal of `orders` from `kong-eu` was validated, and an agent is there to carry it out
            Deployed Unknown UpstreamInvalid: upstream `main` cannot be resolved (agent `a`)
            InSync Unknown NotDeployed: nothing is known until `orders` is deployed"#]],
    );
    let replicated = Case {
        replicated: true,
        ..UNDEPLOY
    };
    let removed = agent("a", true, Some((5, ReportOutcome::Removed)));
    check(
        &replicated,
        &[removed.clone(), agent("b", false, Some((4, deployed())))],
        expect![[r#"
            Removing removed=false
            Accepted True Accepted: the removal of `orders` from `kong-eu` was validated, and an agent is there to carry it out
            Deployed Unknown Removing: waiting for the agents that may still serve `orders`: b; revoke an agent that is gone for good
            InSync Unknown NotDeployed: nothing is known until `orders` is deployed"#]],
    );
    assert!(status(&replicated, &[removed.clone(), agent("b", false, None)]).removed);
    let killed_before_it_could_report = AgentReport {
        heard_since: true,
        ..agent("b", false, None)
    };
    assert!(!status(&replicated, &[removed, killed_before_it_could_report]).removed);
}

#[test]
fn what_no_agent_was_ever_given_is_removed_at_once() {
    let case = Case {
        never_handed_out: true,
        ..UNDEPLOY
    };
    check(
        &case,
        &[],
        expect![[r#"
            Removing removed=true
            Accepted Unknown AgentOffline: no agent for gateway type `kong` is connected; start one with `gatehouse-agent-kong --control-plane URL --join-token TOKEN`, where `gatehouse agent join-token --type kong` gives the token
            Deployed False Removed: `orders` never reached a gateway of `kong-eu`
            InSync Unknown NotDeployed: nothing is known until `orders` is deployed"#]],
    );
}

#[test]
fn the_time_of_a_condition_is_that_of_its_last_change() {
    let before = status(&DEPLOY, &[agent("a", true, None)]).conditions;
    let earlier: Vec<Condition> = before
        .into_iter()
        .map(|condition| Condition {
            last_transition_time: Timestamp(1),
            ..condition
        })
        .collect();
    let case = Case {
        previous: &earlier,
        ..DEPLOY
    };
    let times: Vec<i64> = status(&case, &[agent("a", true, Some((5, deployed())))])
        .conditions
        .iter()
        .map(|condition| condition.last_transition_time.0)
        .collect();
    assert_eq!(times, [1, 1_000, 1_000]);
}
