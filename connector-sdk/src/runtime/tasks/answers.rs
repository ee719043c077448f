//! Answers that take one look: plans, inspections, checks.

use gatehouse_control_plane_api::agent::{CheckFinding, CheckSeverity, DesiredState, TaskResult};
use gatehouse_schemas::{
    descriptor::Capabilities,
    desired::Mark,
    environment::Mode,
    identity::{ApiId, ExternalRef, RevisionNumber},
    observed::{Observation, ObservedApi},
    plan::{PlanAction, plan},
    quota::{VendorCalls, shortest_ms},
};
use uuid::Uuid;

use crate::{
    connector::{ApiReference, CheckReport, Connector, Remarks},
    context::Context,
    error::{Error, ErrorKind, Result},
    layers::PureFunctions,
};

/// What bringing a deployment to this state would change and cost.
pub(super) async fn planned(
    (connector, pure): (&dyn Connector, &PureFunctions),
    context: &Context,
    desired: &DesiredState,
    known: Option<&ExternalRef>,
    adopt: Option<&ExternalRef>,
) -> Result<TaskResult> {
    if !connector.descriptor().capabilities.observe {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "the connector of environment `{}` cannot look at what the gateway holds, so there is no plan; deploy without one",
                context.environment.name
            ),
        ));
    }
    if let DesiredState::Present { api } = desired {
        pure.allow(&context.environment, api).await?;
    }
    let mark = match desired {
        DesiredState::Present { api } => &api.mark,
        DesiredState::Absent { mark } => mark,
    };
    let api = ApiReference {
        external_ref: known.cloned(),
        mark: mark.clone(),
    };
    let observation = connector.observe(context, &api).await?;
    let environment = &context.environment;
    let (fidelity, remarks, calls) = match desired {
        DesiredState::Present { api } => {
            let calls = match plan(api, &observation, adopt) {
                Ok(plan) if plan.action != PlanAction::Nothing => {
                    pure.estimate(environment, Some(api), Some(&plan)).await?
                }
                // Nothing to do, or nothing that may be done: the control plane says so from the same observation.
                _ => VendorCalls::new(),
            };
            let remarks = pure.remarks(environment, api, &observation).await?;
            let fidelity = pure.translate(environment, api).await?.fidelity;
            (fidelity, remarks, calls)
        }
        DesiredState::Absent { .. } => {
            let calls = match observation {
                Observation::Present(_) => pure.estimate(environment, None, None).await?,
                _ => VendorCalls::new(),
            };
            (Vec::new(), Remarks::default(), calls)
        }
    };
    Ok(TaskResult::Planned {
        eta_ms: eta_ms(connector, context, &calls),
        observation,
        fidelity,
        notes: remarks.notes,
        warnings: remarks.warnings,
        calls,
    })
}

/// Never less than the quotas' own floor, and more if other work waits for them.
fn eta_ms(connector: &dyn Connector, context: &Context, calls: &VendorCalls) -> u64 {
    if calls.is_empty() {
        return 0;
    }
    let floor = shortest_ms(calls, &connector.descriptor().quotas);
    floor.max(context.quotas.eta_ms(calls))
}

/// What the gateway holds under this identity, ours or not.
pub(super) async fn inspect(
    connector: &dyn Connector,
    context: &Context,
    external_ref: &ExternalRef,
) -> Result<TaskResult> {
    let environment = &context.environment;
    let api = ApiReference {
        external_ref: Some(external_ref.clone()),
        // A mark that nothing carries: only the identity counts.
        mark: Mark {
            environment_id: environment.id,
            api_id: ApiId(Uuid::nil()),
            api_name: environment.name.clone(),
            revision: RevisionNumber(0),
        },
    };
    let observation = connector.observe(context, &api).await?;
    let is_another = |observed: &ObservedApi| observed.external_ref != *external_ref;
    Ok(TaskResult::Inspected {
        observation: match observation {
            Observation::Present(observed) if is_another(&observed) => Observation::Absent,
            observation => observation,
        },
    })
}

/// What the connector found, and whether it serves the environment's mode at all.
pub(super) async fn check(connector: &dyn Connector, context: &Context) -> Result<TaskResult> {
    let capabilities = &connector.descriptor().capabilities;
    let mut report = match capabilities.check {
        true => connector.check(context).await?,
        false => CheckReport {
            gateway_version: None,
            findings: vec![finding(
                CheckSeverity::Warning,
                "the connector cannot check gateway and credential beforehand; the first deploy or discovery shows whether they are good",
            )],
        },
    };
    report
        .findings
        .extend(served(capabilities, context.environment.mode));
    Ok(TaskResult::Checked {
        gateway_version: report.gateway_version,
        findings: report.findings,
    })
}

/// What the mode needs of the connector, and whether it is there.
fn served(capabilities: &Capabilities, mode: Mode) -> Vec<CheckFinding> {
    let needs = [
        (mode.may_write(), capabilities.deploy, "deploy", "read-only"),
        (mode.may_write(), capabilities.undeploy, "undeploy", "read-only"),
        (mode.may_read(), capabilities.discover, "discover", "write-only"),
    ];
    let missing = needs.iter().filter(|(needed, present, ..)| *needed && !present);
    let mut findings: Vec<_> = missing
        .map(|(_, _, operation, other)| {
            finding(
                CheckSeverity::Error,
                format!(
                    "the environment's mode needs `{operation}`, which its connector cannot do; set the mode to `{other}`, or use a connector that can"
                ),
            )
        })
        .collect();
    if !capabilities.observe {
        findings.push(finding(
            CheckSeverity::Warning,
            "the connector cannot look at single APIs, so there are no plans and no drift for this environment",
        ));
    }
    if findings.is_empty() {
        findings.push(finding(
            CheckSeverity::Ok,
            "the connector can do what the environment's mode needs",
        ));
    }
    findings
}

fn finding(severity: CheckSeverity, message: impl Into<String>) -> CheckFinding {
    CheckFinding {
        severity,
        message: message.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_that_the_connector_does_not_serve_is_an_error_that_names_the_operation() {
        let capabilities = Capabilities {
            deploy: true,
            undeploy: true,
            observe: true,
            ..Capabilities::default()
        };
        let of = |mode| {
            let findings = served(&capabilities, mode);
            let message = findings[0].message.clone();
            (findings[0].severity, message)
        };
        assert_eq!(of(Mode::WriteOnly).0, CheckSeverity::Ok);
        for mode in [Mode::ReadOnly, Mode::ReadWrite] {
            let (severity, message) = of(mode);
            assert_eq!(severity, CheckSeverity::Error);
            assert!(
                message.contains("`discover`") && message.contains("`write-only`"),
                "{message}"
            );
        }
        let blind = served(
            &Capabilities {
                observe: false,
                ..capabilities.clone()
            },
            Mode::WriteOnly,
        );
        assert_eq!(blind[0].severity, CheckSeverity::Warning);
    }
}
