//! What a request meets with: the decision, without the network.

use gatehouse_connector_sdk::operation::Operation;
use http::{Method, StatusCode};

use super::{Before, Faults};
use crate::gateway::Disturbance;

/// What a request meets with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meeting {
    /// It reaches the gateway, and its answer comes back.
    Nothing,
    /// The connection ends without an answer; the gateway hears nothing.
    Nobody,
    /// No answer comes; the gateway hears nothing.
    Silence,
    /// An answer that is not the gateway's, which hears nothing; and after how many seconds to come back.
    Answer(StatusCode, Option<u64>),
    /// It reaches the gateway, and the connection ends without an answer.
    LostReply,
}

/// What a request meets with, and what happens on the gateway right before it.
pub(super) fn meets(faults: &mut Faults, method: &Method) -> (Meeting, Option<Before>) {
    if faults.is_hidden {
        return (Meeting::Nobody, None);
    }
    let is_change = !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    let concerns =
        |operation: &Operation| is_change || !matches!(operation, Operation::Deploy | Operation::Undeploy);
    let armed = faults
        .armed
        .iter()
        .find(|(operation, _)| concerns(operation))
        .map(|(operation, disturbance)| (*operation, *disturbance));
    match armed {
        // A reply is lost once. One to a request that changes nothing is no loss.
        Some((operation, Disturbance::LoseReply)) if is_change => {
            faults.armed.remove(&operation);
            faults.has_met = true;
            (Meeting::LostReply, None)
        }
        Some((_, Disturbance::DieBeforeStep(_) | Disturbance::DieAfterStep(_))) if !is_change => {
            (Meeting::Nothing, None)
        }
        Some((_, disturbance)) => {
            faults.changes += u32::from(is_change);
            faults.has_met = true;
            (meeting(disturbance, faults.changes), None)
        }
        None if is_change => (Meeting::Nothing, faults.before_change.take()),
        None => (Meeting::Nothing, None),
    }
}

fn meeting(disturbance: Disturbance, change: u32) -> Meeting {
    match disturbance {
        Disturbance::DieBeforeStep(step) if change >= step => Meeting::Nobody,
        Disturbance::DieAfterStep(step) if change == step => Meeting::LostReply,
        Disturbance::DieAfterStep(step) if change > step => Meeting::Nobody,
        Disturbance::Unreachable => Meeting::Nobody,
        Disturbance::Silence => Meeting::Silence,
        Disturbance::ServerError => Meeting::Answer(StatusCode::INTERNAL_SERVER_ERROR, None),
        Disturbance::TooManyRequests { retry_after } => Meeting::Answer(
            StatusCode::TOO_MANY_REQUESTS,
            // Whole seconds, and never too early.
            retry_after.map(|time| time.as_secs() + u64::from(time.subsec_nanos() > 0)),
        ),
        Disturbance::LoseReply | Disturbance::DieBeforeStep(_) | Disturbance::DieAfterStep(_) => {
            Meeting::Nothing
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn with(operation: Operation, disturbance: Disturbance) -> Faults {
        let mut faults = Faults::default();
        faults.armed.insert(operation, disturbance);
        faults
    }

    #[test]
    fn each_disturbance_meets_the_requests_of_its_operation() {
        use Disturbance::{LoseReply, ServerError, Silence, TooManyRequests, Unreachable};
        let late = TooManyRequests {
            retry_after: Some(Duration::from_millis(1_500)),
        };
        let soon = TooManyRequests { retry_after: None };
        let too_many = StatusCode::TOO_MANY_REQUESTS;
        for (operation, disturbance, method, expected) in [
            (Operation::Deploy, Unreachable, Method::PUT, Meeting::Nobody),
            (Operation::Deploy, Unreachable, Method::GET, Meeting::Nothing),
            (Operation::Undeploy, Silence, Method::DELETE, Meeting::Silence),
            (Operation::Observe, Unreachable, Method::GET, Meeting::Nobody),
            (
                Operation::Discover,
                late,
                Method::GET,
                Meeting::Answer(too_many, Some(2)),
            ),
            (
                Operation::Check,
                soon,
                Method::GET,
                Meeting::Answer(too_many, None),
            ),
            (
                Operation::Deploy,
                ServerError,
                Method::POST,
                Meeting::Answer(StatusCode::INTERNAL_SERVER_ERROR, None),
            ),
            (Operation::Deploy, LoseReply, Method::PATCH, Meeting::LostReply),
        ] {
            let mut faults = with(operation, disturbance);
            let (meeting, _) = meets(&mut faults, &method);
            assert_eq!(meeting, expected, "{operation} {disturbance:?} {method}");
        }
    }

    #[test]
    fn a_reply_is_lost_once_and_the_rest_lasts() {
        let mut faults = with(Operation::Deploy, Disturbance::LoseReply);
        assert_eq!(meets(&mut faults, &Method::PUT).0, Meeting::LostReply);
        assert_eq!(meets(&mut faults, &Method::PUT).0, Meeting::Nothing);
        let mut faults = with(Operation::Deploy, Disturbance::Unreachable);
        for _ in 0..3 {
            assert_eq!(meets(&mut faults, &Method::PUT).0, Meeting::Nobody);
        }
    }

    #[test]
    fn a_process_that_ended_is_not_heard_any_more() {
        use Disturbance::{DieAfterStep, DieBeforeStep};
        for (disturbance, second) in [
            (DieBeforeStep(2), Meeting::Nobody),
            (DieAfterStep(2), Meeting::LostReply),
        ] {
            let mut faults = with(Operation::Deploy, disturbance);
            assert_eq!(meets(&mut faults, &Method::PUT).0, Meeting::Nothing);
            assert_eq!(meets(&mut faults, &Method::GET).0, Meeting::Nothing);
            assert_eq!(meets(&mut faults, &Method::PUT).0, second);
            assert_eq!(meets(&mut faults, &Method::PUT).0, Meeting::Nobody);
        }
    }

    #[test]
    fn something_happens_before_the_next_change_alone() {
        let mut faults = Faults {
            before_change: Some(Box::new(|| Box::pin(async {}))),
            ..Faults::default()
        };
        assert!(meets(&mut faults, &Method::GET).1.is_none());
        assert!(meets(&mut faults, &Method::PUT).1.is_some());
        assert!(meets(&mut faults, &Method::PUT).1.is_none());
    }

    #[test]
    fn what_is_hidden_answers_nothing() {
        let mut faults = with(Operation::Deploy, Disturbance::ServerError);
        faults.is_hidden = true;
        assert_eq!(meets(&mut faults, &Method::GET).0, Meeting::Nobody);
        assert_eq!(meets(&mut faults, &Method::PUT).0, Meeting::Nobody);
    }
}
