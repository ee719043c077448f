//! Plans: the ordered changes from observed to desired, as a value made by a pure function.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    canonical::Fingerprint,
    desired::{DesiredApi, Mark},
    diff::{Change, diff},
    identity::{ApiId, ExternalRef, ResourceName, ResourceVersion},
    observed::{Observation, ObservedApi},
    pointer,
    policy::SecretVersion,
    revision::RevisionContent,
};

/// What a deploy will change on the gateway.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
// In the Admin API, a plan is what people ask for and apply; this is the part of it about one gateway.
#[schema(as = PlannedChanges)]
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
    #[error("cannot plan the {work} of `{api}`: what the gateway holds is unknown ({reason})")]
    Unknown {
        /// What was to be planned.
        work: Work,
        /// The API's name.
        api: String,
        /// Why it is unknown.
        reason: String,
    },
    /// What is there does not carry our mark for this API.
    #[error(
        "cannot {} `{api}`: `{external_ref}` on the gateway {}; {}",
        work.verb(),
        whose(.owner.as_ref()),
        work.remedy(api)
    )]
    Foreign {
        /// What was to be planned.
        work: Work,
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

/// What is planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// That an API is there as desired.
    Deploy,
    /// That it is not there.
    Removal,
}

impl Work {
    fn verb(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Removal => "remove",
        }
    }

    fn remedy(self, api: &str) -> String {
        match self {
            Self::Deploy => format!("remove or rename it there, or choose another place for `{api}`"),
            Self::Removal => "if it has to go, whoever made it removes it there".to_owned(),
        }
    }
}

impl fmt::Display for Work {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Deploy => "deploy",
            Self::Removal => "removal",
        })
    }
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
    plan_with(desired, observation, adopt, None)
}

/// As [`plan`], with what was last applied there: from it the versions of secrets are known that the gateway holds,
/// if it holds exactly that.
pub fn plan_with(
    desired: &DesiredApi,
    observation: &Observation,
    adopt: Option<&ExternalRef>,
    applied: Option<&DesiredApi>,
) -> Result<Plan, Unplannable> {
    let Some(observed) = present(Work::Deploy, &desired.mark, observation)? else {
        let nothing = Value::Object(Map::new());
        let mut changes = diff(&nothing, &written(&desired.mark, &desired.content)?);
        changes.extend(secret_changes(&[], &desired.secrets));
        return Ok(Plan {
            action: PlanAction::Create,
            observed: None,
            desired: Some(desired.fingerprint.clone()),
            changes,
        });
    };
    let is_adopted = observed.mark.is_none() && adopt == Some(&observed.external_ref);
    if !is_adopted {
        check_ours(Work::Deploy, &desired.mark, observed)?;
    }
    let action = action_over(desired, observed);
    let changes = match action {
        PlanAction::Nothing => Vec::new(),
        _ => changes(desired, observed, applied)?,
    };
    Ok(Plan {
        action,
        observed: Some(observed.fingerprint.clone()),
        desired: Some(desired.fingerprint.clone()),
        changes,
    })
}

/// What taking an API off a gateway changes there. Only what carries our mark for this API in this environment is
/// removed; what is absent needs nothing.
pub fn plan_removal(mark: &Mark, observation: &Observation) -> Result<Plan, Unplannable> {
    let Some(observed) = present(Work::Removal, mark, observation)? else {
        return Ok(Plan {
            action: PlanAction::Nothing,
            observed: None,
            desired: None,
            changes: Vec::new(),
        });
    };
    check_ours(Work::Removal, mark, observed)?;
    Ok(Plan {
        action: PlanAction::Remove,
        observed: Some(observed.fingerprint.clone()),
        desired: None,
        changes: diff(&written(mark, &observed.content)?, &Value::Object(Map::new())),
    })
}

/// What is there, if it is known what is there.
fn present<'a>(
    work: Work,
    mark: &Mark,
    observation: &'a Observation,
) -> Result<Option<&'a ObservedApi>, Unplannable> {
    match observation {
        Observation::Present(observed) => Ok(Some(observed)),
        Observation::Absent => Ok(None),
        Observation::Unknown { reason } => Err(Unplannable::Unknown {
            work,
            api: mark.api_name.to_string(),
            reason: reason.clone(),
        }),
    }
}

fn check_ours(work: Work, mark: &Mark, observed: &ObservedApi) -> Result<(), Unplannable> {
    let same_place =
        |other: &Mark| other.api_id == mark.api_id && other.environment_id == mark.environment_id;
    if observed.mark.as_ref().is_some_and(same_place) {
        return Ok(());
    }
    Err(Unplannable::Foreign {
        work,
        api: mark.api_name.to_string(),
        external_ref: observed.external_ref.clone(),
        owner: observed.mark.as_ref().map(|mark| mark.api_id),
    })
}

/// The mark carries the revision: two revisions with equal content are still an update of the mark.
fn action_over(desired: &DesiredApi, observed: &ObservedApi) -> PlanAction {
    let same_revision = observed
        .mark
        .as_ref()
        .is_some_and(|mark| mark.revision == desired.mark.revision);
    if same_revision && observed.fingerprint == desired.fingerprint {
        PlanAction::Nothing
    } else {
        PlanAction::Update
    }
}

fn changes(
    desired: &DesiredApi,
    observed: &ObservedApi,
    applied: Option<&DesiredApi>,
) -> Result<Vec<Change>, Unplannable> {
    let mut changes = diff(
        &written(&desired.mark, &observed.content)?,
        &written(&desired.mark, &desired.content)?,
    );
    // Which versions of secrets a gateway holds is known only if it holds what was applied.
    if let Some(held) = applied.filter(|applied| applied.fingerprint == observed.fingerprint) {
        changes.extend(secret_changes(&held.secrets, &desired.secrets));
    }
    Ok(changes)
}

fn secret_changes(before: &[SecretVersion], after: &[SecretVersion]) -> Vec<Change> {
    let by_name = |secrets: &[SecretVersion]| -> BTreeMap<ResourceName, ResourceVersion> {
        secrets
            .iter()
            .map(|secret| (secret.name.clone(), secret.version))
            .collect()
    };
    let (before, after) = (by_name(before), by_name(after));
    let names: BTreeSet<&ResourceName> = before.keys().chain(after.keys()).collect();
    names
        .into_iter()
        .filter(|name| before.get(name) != after.get(name))
        .map(|name| Change {
            path: pointer::join("/secrets", name.as_str()),
            before: before.get(name).map(|version| Value::from(version.0)),
            after: after.get(name).map(|version| Value::from(version.0)),
        })
        .collect()
}

fn written(mark: &Mark, content: &RevisionContent) -> Result<Value, Unplannable> {
    serde_json::to_value(content).map_err(|source| Unplannable::Unwritable {
        api: mark.api_name.to_string(),
        source,
    })
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
