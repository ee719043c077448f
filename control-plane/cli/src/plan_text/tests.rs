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
                calls: CreateDeployment 1, PutRoutes 2; about 7 s under the vendor's quotas

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
