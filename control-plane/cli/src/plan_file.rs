//! Plans in files: what was approved, carried from `plan --out` to `deploy --plan`.
//!
//! The file is the plan as the Admin API tells it. The control plane holds the plan itself; the file's id finds it,
//! and the file's fingerprint makes sure that it is the one people read.

use std::path::Path;

use gatehouse_control_plane_api::admin::Plan;
use gatehouse_schemas::{canonical::Fingerprint, identity::PlanId};

use crate::{documents::sources::read_text, failure::Failure};

/// A plan that somebody chose to carry out: by file, or by id alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChosenPlan {
    /// Which.
    pub(crate) id: PlanId,
    /// What it said when it was written to the file.
    pub(crate) fingerprint: Option<Fingerprint>,
}

/// Writes a plan to a file.
pub(crate) fn write(path: &Path, plan: &Plan) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(plan)? + "\n";
    std::fs::write(path, text).map_err(|error| {
        Failure::invalid(format!(
            "failed to write the plan to `{}`: {error}",
            path.display()
        ))
        .into()
    })
}

/// The plan that a path or an id means.
pub(crate) fn choose(text: &str) -> Result<ChosenPlan, Failure> {
    let path = Path::new(text);
    if !path.exists()
        && let Ok(id) = text.parse()
    {
        return Ok(ChosenPlan {
            id,
            fingerprint: None,
        });
    }
    let plan: Plan = serde_json::from_str(&read_text(path)?).map_err(|error| {
        Failure::invalid(format!(
            "`{text}` is not a plan: {error}; write one with `gatehouse plan … --out {text}`"
        ))
    })?;
    let Some(fingerprint) = plan.fingerprint else {
        return Err(Failure::invalid(format!(
            "the plan in `{text}` was never worked out; make a new one with `gatehouse plan … --out {text}`"
        )));
    };
    Ok(ChosenPlan {
        id: plan.id,
        fingerprint: Some(fingerprint),
    })
}

#[cfg(test)]
mod tests {
    use gatehouse_control_plane_api::admin::{PlanState, PlanStrategy};
    use gatehouse_schemas::time::Timestamp;

    use super::*;

    fn plan() -> Plan {
        Plan {
            id: PlanId(uuid::Uuid::nil()),
            fingerprint: Some(Fingerprint("sha256:00".to_owned())),
            state: PlanState::Ready,
            strategy: PlanStrategy::BestEffort,
            accept_loss: false,
            items: Vec::new(),
            created_at: Timestamp(0),
            created_by: "admin".to_owned(),
            applied_at: None,
            applied_by: None,
        }
    }

    #[test]
    fn an_id_is_a_plan_and_a_file_that_is_none_is_told_so() {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        assert_eq!(choose(id).unwrap().id.to_string(), id);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orders.plan");
        std::fs::write(&path, "{}").unwrap();
        let text = path.display().to_string();
        let failure = choose(&text).unwrap_err();
        let (before, after) = (
            format!("`{text}` is not a plan: "),
            format!("; write one with `gatehouse plan … --out {text}`"),
        );
        let told = &failure.detail;
        assert!(told.starts_with(&before) && told.ends_with(&after), "{told}");
        let mut plan = plan();
        write(&path, &plan).unwrap();
        assert_eq!(choose(&text).unwrap().fingerprint, plan.fingerprint);
        plan.fingerprint = None;
        write(&path, &plan).unwrap();
        assert_eq!(
            choose(&text).unwrap_err().detail,
            format!(
                "the plan in `{text}` was never worked out; make a new one with `gatehouse plan … --out {text}`"
            )
        );
        let failure = write(folder.path(), &plan).unwrap_err().to_string();
        let before = format!("failed to write the plan to `{}`: ", folder.path().display());
        assert!(failure.starts_with(&before), "{failure}");
        let missing = choose("nowhere.plan").unwrap_err();
        assert!(
            missing.detail.contains("no file `nowhere.plan`"),
            "{}",
            missing.detail
        );
    }
}
