//! How plans read.

use expect_test::{Expect, expect};
use gatehouse_control_plane_api::admin::{Plan, PlanState, PlanStrategy};
use gatehouse_schemas::{
    api::OperationMatch, canonical::Fingerprint, identity::PlanId, plan, time::Timestamp,
};
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::screen::Format;

fn item(action: PlanAction, state: PlanItemState) -> PlanItem {
    let change = |path: &str, before, after| Change {
        path: path.to_owned(),
        before,
        after,
    };
    let changes = match action {
        PlanAction::Nothing => Vec::new(),
        _ => vec![
            change("/basePath", Some(json!("/orders/v1")), Some(json!("/orders/v2"))),
            change("/hostnames/0", None, Some(json!("api.example.com"))),
        ],
    };
    serde_json::from_value(json!({
        "action": "deploy", "api": "orders", "environment": "local", "fromRevision": 1, "toRevision": 2,
        "plan": plan::Plan {
            action,
            observed: None,
            desired: Some(Fingerprint("sha256:00".to_owned())),
            changes,
        },
        "state": state,
    }))
    .unwrap()
}

fn check(items: Vec<PlanItem>, state: PlanState, expected: Expect) {
    let plan = Plan {
        id: PlanId(Uuid::nil()),
        fingerprint: Some(Fingerprint("sha256:0123456789abcdef0123".to_owned())),
        state,
        strategy: PlanStrategy::BestEffort,
        accept_loss: false,
        items,
        created_at: Timestamp(0),
        created_by: "admin".to_owned(),
        applied_at: None,
        applied_by: None,
    };
    expected.assert_eq(&text(&plan, Screen::new(Format::Table)));
}

#[test]
fn a_plan_tells_every_field_the_losses_and_the_time_it_takes() {
    let mut item = item(PlanAction::Update, PlanItemState::Ready);
    let operation: OperationMatch =
        serde_json::from_value(json!({"method": "GET", "path": "/{id}"})).unwrap();
    item.fidelity = vec![
        PolicyFidelity {
            pointer: "/policies/0".to_owned(),
            policy: "auth.jwt".to_owned(),
            operation: None,
            fidelity: Fidelity::Exact,
        },
        PolicyFidelity {
            pointer: "/operations/0/policies/0".to_owned(),
            policy: "cache".to_owned(),
            operation: Some(operation),
            fidelity: Fidelity::Unsupported {
                reason: "this gateway keeps no responses".to_owned(),
            },
        },
    ];
    item.calls = [("CreateDeployment".to_owned(), 1), ("PutRoutes".to_owned(), 2)].into();
    item.eta_ms = Some(6_200);
    item.notes = vec!["It becomes a REST API, as the environment's `kind` says.".to_owned()];
    item.warnings = vec!["it is an HTTP API now and gets another address".to_owned()];
    check(
        vec![item],
        PlanState::Ready,
        expect![[r#"
            Plan 00000000-0000-0000-0000-000000000000: Ready, sha256:0123456789ab

            ~ deploy orders in local: revision 1 -> 2
                ~ /basePath: "/orders/v1" -> "/orders/v2"
                + /hostnames/0: "api.example.com"
                policies: 1 of 2 exact
                  ! cache for GET /{id} (/operations/0/policies/0) is unsupported: this gateway keeps no responses
                note: It becomes a REST API, as the environment's `kind` says.
                calls: CreateDeployment 1, PutRoutes 2; about 7 s under the vendor's quotas
                warning: it is an HTTP API now and gets another address

            0 to create, 1 to change, 0 to remove, 0 as they are. It takes about 7 s. Apply it with `gatehouse deploy --plan 00000000-0000-0000-0000-000000000000`.
        "#]],
    );
}

#[test]
fn a_refused_item_says_why_and_nothing_can_be_applied() {
    let mut refused = item(PlanAction::Update, PlanItemState::Refused);
    refused.message = Some("environment `local` is read-only".to_owned());
    refused.plan = None;
    check(
        vec![refused, item(PlanAction::Nothing, PlanItemState::Ready)],
        PlanState::Refused,
        expect![[r#"
            Plan 00000000-0000-0000-0000-000000000000: Refused, sha256:0123456789ab

            ! deploy orders in local: revision 1 -> 2
                Refused: environment `local` is read-only

            = deploy orders in local: revision 1 -> 2
                the gateway holds exactly this already; nothing changes

            0 to create, 0 to change, 0 to remove, 1 as they are. It cannot be applied; the lines with `!` say why.
        "#]],
    );
}

#[test]
fn what_a_gateway_says_cannot_write_to_the_terminal() {
    let line = short(&json!("\u{1b}[31mred"));
    assert!(!line.contains('\u{1b}'), "{line:?}");
}

/// The end of a plan with one item, and what `gatehouse` makes of it.
fn ended(state: PlanState, item_state: PlanItemState, message: Option<&str>) -> Plan {
    let mut item = item(PlanAction::Update, item_state);
    item.message = message.map(str::to_owned);
    Plan {
        id: PlanId(Uuid::nil()),
        fingerprint: None,
        state,
        strategy: PlanStrategy::BestEffort,
        accept_loss: false,
        items: vec![item],
        created_at: Timestamp(0),
        created_by: "admin".to_owned(),
        applied_at: None,
        applied_by: None,
    }
}

#[test]
fn the_last_line_says_what_became_of_it() {
    for (state, advice) in [
        (
            PlanState::Void,
            " The world moved since it was made; make a new plan.",
        ),
        (
            PlanState::Incomplete,
            " Some of it failed; the lines with `!` say why.",
        ),
        (PlanState::Compensated, " It failed, and everything was put back."),
        (PlanState::Applied, ""),
    ] {
        let text = text(
            &ended(state, PlanItemState::Failed, None),
            Screen::new(Format::Table),
        );
        assert!(
            text.ends_with(&format!("0 as they are.{advice}\n")),
            "{state:?}: {text}"
        );
    }
}

#[test]
fn many_fields_are_counted_and_what_is_taken_over_is_named() {
    let mut item = item(PlanAction::Update, PlanItemState::Ready);
    let change = |number: usize| Change {
        path: format!("/hostnames/{number}"),
        before: None,
        after: Some(json!("x.example")),
    };
    if let Some(plan) = &mut item.plan {
        plan.changes = (0..62).map(change).collect();
    }
    item.adopt = Some(gatehouse_schemas::identity::ExternalRef("svc-1".to_owned()));
    let lines = item_lines(&item, Screen::new(Format::Table));
    assert_eq!(
        lines[2],
        "    takes over `svc-1`, which is not marked as ours yet"
    );
    assert_eq!(
        lines.last().unwrap(),
        "    … and 2 fields more; `-o json` shows all"
    );
}

#[test]
fn why_a_plan_cannot_be_applied_is_said_for_every_item() {
    use crate::{exit::Exit, verbs::plan::refusal};

    let refused = ended(
        PlanState::Refused,
        PlanItemState::Refused,
        Some("environment `local` is read-only"),
    );
    let told = refusal(&refused).unwrap();
    assert_eq!(told.exit, Exit::Conflict);
    assert_eq!(
        told.detail,
        "the plan cannot be applied: orders in local: environment `local` is read-only"
    );
    let void = ended(
        PlanState::Void,
        PlanItemState::Void,
        Some("somebody deployed meanwhile"),
    );
    assert_eq!(
        refusal(&void).unwrap().detail,
        "the world moved since plan 00000000-0000-0000-0000-000000000000 was made: orders in local: somebody deployed \
         meanwhile; make a new one"
    );
    assert!(refusal(&ended(PlanState::Ready, PlanItemState::Ready, None)).is_none());
}

#[test]
fn how_a_plan_ended_decides_the_exit_code() {
    use crate::{exit::Exit, planning::verdict};

    let failed = verdict(&ended(PlanState::Incomplete, PlanItemState::Failed, None)).unwrap_err();
    assert_eq!(failed.exit, Exit::Error);
    assert_eq!(
        failed.detail,
        "plan 00000000-0000-0000-0000-000000000000 is Incomplete: orders in local is Failed: it was not carried out"
    );
    let void = verdict(&ended(PlanState::Incomplete, PlanItemState::Void, None)).unwrap_err();
    assert_eq!(void.exit, Exit::Conflict);
    assert!(verdict(&ended(PlanState::Applied, PlanItemState::Applied, None)).is_ok());
}
