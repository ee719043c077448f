//! What an agent must do around its connector, whatever its language.

mod losses;
mod permits;
mod plans;
mod session;
mod trouble;

use gatehouse_control_plane_api::agent::{DeploymentOutcome, DesiredState};
use gatehouse_schemas::{descriptor::Fidelity, desired::DesiredApi};

use super::behaviours;
use crate::{
    behaviour::Behaviour,
    subject::Subject,
    verdict::{Verdict, ensure},
};

pub(super) fn behaviours() -> Vec<Behaviour> {
    behaviours![
        Agent Core permits::a_read_only_environment_is_not_changed [Deploy, Observe] "In a read-only environment nothing on the gateway is changed; a deployment there is reported as failed.";
        Agent Core permits::nothing_is_discovered_in_a_write_only_environment [Discover] "In a write-only environment nothing is discovered; the discovery is completed as failed.";
        Agent Core permits::without_a_lease_nothing_is_done [Deploy] "Without a lease nothing is done; what is desired is done under the next lease.";
        Agent Extended permits::when_the_lease_ran_out_nothing_is_changed [Deploy] "When its lease runs out before a request for work is answered, the agent changes nothing until one is.";
        Agent Core permits::what_is_not_listed_stays [Deploy] "What an answer does not list is not removed.";
        Agent Core plans::a_void_plan_is_not_carried_out [Deploy, Observe] "A deployment whose gateway holds something else than its plan expects is reported as failed with `PlanVoid`, and nothing is changed.";
        Agent Core plans::drift_is_told_and_left [Deploy, Observe] "A confirmed deployment that the gateway differs from is reported as drifted and left as it is.";
        Agent Core plans::drift_is_put_right_where_people_want_it [Deploy, Observe] "Under drift policy `revert`, a confirmed deployment that the gateway differs from is put right.";
        Agent Core losses::no_security_is_lost [Deploy] "A security policy that would not be enforced is reported as failed with `PolicyUnsupported`, whatever was accepted, and nothing is changed.";
        Agent Core losses::nothing_is_lost_that_nobody_accepted [Deploy] "Any other loss is reported as failed with `LossNotAccepted` unless it was accepted, and nothing is changed.";
        Agent Core trouble::what_can_succeed_later_is_tried_again [Deploy] "A failed attempt that can succeed later is reported, and made again by itself.";
        Agent Extended trouble::the_gateway_says_when [Deploy] "A gateway that says when to come back is not asked to change anything before.";
        Agent Extended trouble::reports_are_sent_until_they_are_taken [Deploy] "A report is sent again until the control plane has taken it.";
        Agent Extended trouble::nothing_is_done_twice_after_a_crash [Deploy, Observe] "After a crash between the effect and its report, what is found is reported and nothing is changed again.";
        Agent Core session::a_refused_token_is_replaced [Deploy] "A token that is not accepted any more is replaced, and work goes on.";
        Agent Core session::after_a_position_too_old_everything_is_taken [Deploy] "When its position is too old, the agent asks for everything, and takes it.";
        Agent Extended session::the_newest_desired_state_is_reached [Deploy] "When a desired state is replaced while it is carried out, the newest one is reached; a report that is refused as stale is not sent again.";
    ]
}

/// The desired state with an API in it.
fn present(api: DesiredApi) -> DesiredState {
    DesiredState::Present { api: Box::new(api) }
}

/// Fails unless a deployment failed, for a reason if one is given.
fn ensure_failed(outcome: &DeploymentOutcome, wanted: Option<&str>) -> Verdict {
    let is_so = match outcome {
        DeploymentOutcome::Failed { reason, .. } => wanted.is_none_or(|wanted| wanted == reason),
        _ => false,
    };
    ensure(is_so, || match wanted {
        Some(wanted) => format!("it was to fail with `{wanted}`, and the agent reported {outcome:?}"),
        None => format!("it was to fail, and the agent reported {outcome:?}"),
    })
}

/// Whether the connector says that it expresses a policy at all.
fn is_supported(subject: &Subject, policy: &str) -> bool {
    let policies = &subject.connector.descriptor().policies;
    policies
        .iter()
        .any(|it| it.policy == policy && !matches!(it.fidelity, Fidelity::Unsupported { .. }))
}
