//! Plans: the ordered changes from observed to desired, as a value made by a pure function.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    canonical::Fingerprint,
    desired::{DesiredApi, Mark},
    diff::{Change, diff},
    identity::{ApiId, ExternalRef},
    observed::{Observation, ObservedApi},
};

/// What a deploy will change on the gateway.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// What happens to the API as a whole.
    pub action: PlanAction,
    /// The fingerprint of what was observed when the plan was made; absent for an absent API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<Fingerprint>,
    /// The fingerprint of what is desired; absent for a removal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired: Option<Fingerprint>,
    /// Field by field: pointers into the content; `/secrets/NAME` is the version of a secret.
    pub changes: Vec<Change>,
}

/// What happens to an API as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum PlanAction {
    /// It is not there and will be.
    Create,
    /// It is there and differs.
    Update,
    /// It is there as desired, or not there, as desired.
    Nothing,
    /// It is there and will not be.
    Remove,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum Unplannable {
    /// What the gateway holds is not known, and unknown is not absent.
    #[error("cannot plan the deploy of `{api}`: what the gateway holds is unknown ({reason})")]
    Unknown {
        /// The API's name.
        api: String,
        /// Why it is unknown.
        reason: String,
    },
    /// What is there does not carry our mark for this API.
    #[error(
        "cannot deploy `{api}`: `{external_ref}` on the gateway {}; remove or rename it there, or choose another place for `{api}`",
        whose(.owner.as_ref())
    )]
    Foreign {
        /// The API's name.
        api: String,
        /// The gateway's own identity of what is there.
        external_ref: ExternalRef,
        /// Which API its mark names; none if it carries no mark.
        owner: Option<ApiId>,
    },
    /// The desired state cannot be written as JSON.
    #[error("cannot compare the desired state of `{api}`")]
    Unwritable {
        /// The API's name.
        api: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

fn whose(owner: Option<&ApiId>) -> String {
    owner.map_or_else(
        || "was not created by Gatehouse".to_owned(),
        |api| format!("belongs to another API or environment of Gatehouse (API id {api})"),
    )
}

/// The changes from what a gateway holds to what it should hold. The paths of the changes are pointers
/// into the content. Only what carries our mark for this API in this environment is planned over, or the one
/// unmarked object that people chose to `adopt`.
pub fn plan(
    desired: &DesiredApi,
    observation: &Observation,
    adopt: Option<&ExternalRef>,
) -> Result<Plan, Unplannable> {
    match observation {
        Observation::Unknown { reason } => Err(Unplannable::Unknown {
            api: desired.mark.api_name.to_string(),
            reason: reason.clone(),
        }),
        Observation::Absent => Ok(Plan {
            action: PlanAction::Create,
            observed: None,
            desired: Some(desired.fingerprint.clone()),
            changes: diff(
                &Value::Object(Map::new()),
                &content_of(desired, &desired.content)?,
            ),
        }),
        Observation::Present(observed) => over(desired, observed, adopt),
    }
}

fn over(
    desired: &DesiredApi,
    observed: &ObservedApi,
    adopt: Option<&ExternalRef>,
) -> Result<Plan, Unplannable> {
    let same_place = |mark: &Mark| {
        mark.api_id == desired.mark.api_id && mark.environment_id == desired.mark.environment_id
    };
    let is_ours = observed.mark.as_ref().is_some_and(same_place);
    let is_adopted = observed.mark.is_none() && adopt == Some(&observed.external_ref);
    if !is_ours && !is_adopted {
        return Err(Unplannable::Foreign {
            api: desired.mark.api_name.to_string(),
            external_ref: observed.external_ref.clone(),
            owner: observed.mark.as_ref().map(|mark| mark.api_id),
        });
    }
    // The mark carries the revision: two revisions with equal content are still an update of the mark.
    let same_revision = observed
        .mark
        .as_ref()
        .is_some_and(|mark| mark.revision == desired.mark.revision);
    let action = if same_revision && observed.fingerprint == desired.fingerprint {
        PlanAction::Nothing
    } else {
        PlanAction::Update
    };
    let changes = match action {
        PlanAction::Nothing => Vec::new(),
        _ => diff(
            &content_of(desired, &observed.content)?,
            &content_of(desired, &desired.content)?,
        ),
    };
    Ok(Plan {
        action,
        observed: Some(observed.fingerprint.clone()),
        desired: Some(desired.fingerprint.clone()),
        changes,
    })
}

fn content_of(
    desired: &DesiredApi,
    content: &crate::revision::RevisionContent,
) -> Result<Value, Unplannable> {
    serde_json::to_value(content).map_err(|source| Unplannable::Unwritable {
        api: desired.mark.api_name.to_string(),
        source,
    })
}

/// What taking an API off a gateway changes there. Only what carries our mark for this API in this environment is
/// removed; what is absent needs nothing.
pub fn plan_removal(mark: &Mark, observation: &Observation) -> Result<Plan, Unplannable> {
    let _ = (mark, observation);
    Ok(Plan {
        action: PlanAction::Nothing,
        observed: None,
        desired: None,
        changes: Vec::new(),
    })
}

/// As [`plan`], with what was last applied there: from it the versions of secrets are known that the gateway holds,
/// if it holds exactly that.
pub fn plan_with(
    desired: &DesiredApi,
    observation: &Observation,
    adopt: Option<&ExternalRef>,
    applied: Option<&DesiredApi>,
) -> Result<Plan, Unplannable> {
    let _ = applied;
    plan(desired, observation, adopt)
}

/// Whether a gateway still holds what a plan saw: the same fingerprint, or nothing where there was nothing. What is
/// unknown holds nothing.
pub fn still_holds(plan: &Plan, observation: &Observation) -> bool {
    match (observation, &plan.observed) {
        (Observation::Present(api), Some(observed)) => api.fingerprint == *observed,
        (Observation::Absent, None) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
