//! What `check` must do.

use gatehouse_connector_sdk::{error::ErrorKind, operation::Operation};
use gatehouse_control_plane_api::agent::CheckSeverity;
use gatehouse_schemas::environment::Mode;

use super::behaviours;
use crate::{
    behaviour::Behaviour,
    gateway::{Disturbance, Permission},
    subject::Subject,
    verdict::{Stop, Verdict, ensure},
};

pub(super) fn behaviours() -> Vec<Behaviour> {
    behaviours![
        Check Core a_check_changes_nothing [] "Nothing on the gateway changes.";
        Check Core an_unreachable_gateway_is_no_failed_check [] "A gateway that cannot be reached is an `Unavailable` error, not a failed check.";
        Check Core a_missing_permission_is_named [] "A permission that the mode needs and the credential lacks is a finding of severity `Error` that names it.";
        Check Core a_permission_too_many_is_a_warning [] "A permission to change things that a read-only mode does not need is a `Warning`.";
    ]
}

async fn a_check_changes_nothing(subject: Subject) -> Verdict {
    let before = subject.gateway.holds().await;
    subject.check().await?;
    let after = subject.gateway.holds().await;
    ensure(before == after, || {
        format!("before the check the gateway held {before:?}, after it {after:?}")
    })
}

async fn an_unreachable_gateway_is_no_failed_check(subject: Subject) -> Verdict {
    subject
        .disturb(Operation::Check, Disturbance::Unreachable)
        .await?;
    match subject.check().await {
        Ok(report) => Err(Stop::Fail(format!(
            "nothing answered, and the check told: {:?}",
            report.findings
        ))),
        Err(error) => ensure(error.kind() == ErrorKind::Unavailable, || {
            format!("nothing answered, and the error was {error:?}")
        }),
    }
}

async fn a_missing_permission_is_named(subject: Subject) -> Verdict {
    let without = |permission| subject.gateway.connection_without(permission);
    let lacking: Vec<_> = [Permission::Read, Permission::Write]
        .into_iter()
        .filter_map(without)
        .collect();
    if lacking.is_empty() {
        return Err(without_permissions());
    }
    let report = subject.check().await?;
    ensure(!report.findings.iter().any(is_error), || {
        format!(
            "the credential may do everything, and the check told: {:?}",
            report.findings
        )
    })?;
    for connection in lacking {
        names_what_is_missing(&subject.through(connection)).await?;
    }
    Ok(())
}

async fn names_what_is_missing(subject: &Subject) -> Verdict {
    let report = subject.check().await?;
    let mut errors = report.findings.iter().filter(|finding| is_error(finding));
    let named = errors
        .next()
        .is_some_and(|finding| !finding.message.trim().is_empty());
    ensure(named, || {
        format!(
            "the credential lacks a permission that the mode needs, and the check told: {:?}",
            report.findings
        )
    })
}

async fn a_permission_too_many_is_a_warning(subject: Subject) -> Verdict {
    let fitting = subject.gateway.connection_without(Permission::Write);
    let fitting = fitting.ok_or_else(without_permissions)?;
    let reading = subject.in_mode(Mode::ReadOnly);
    let report = reading.check().await?;
    let warned = report
        .findings
        .iter()
        .any(|finding| finding.severity == CheckSeverity::Warning);
    ensure(warned, || {
        format!(
            "the credential may change APIs, which read-only does not need, and the check told: {:?}",
            report.findings
        )
    })?;
    let reading = reading.through(fitting);
    let report = reading.check().await?;
    let fine = report
        .findings
        .iter()
        .all(|finding| finding.severity == CheckSeverity::Ok);
    ensure(fine, || {
        format!(
            "the credential may do what read-only needs and no more, and the check told: {:?}",
            report.findings
        )
    })
}

fn is_error(finding: &gatehouse_control_plane_api::agent::CheckFinding) -> bool {
    finding.severity == CheckSeverity::Error
}

fn without_permissions() -> Stop {
    Stop::Skip("the gateway under test has no credential with fewer permissions".to_owned())
}
