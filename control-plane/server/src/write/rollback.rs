//! Going back: which revision was in an environment before the present one.

use gatehouse_control_plane_api::problem::ProblemKind;
use gatehouse_control_plane_store::{Deployment, Resource, Transaction};
use gatehouse_schemas::identity::RevisionNumber;

use crate::failure::{Answer, Failure};

/// The last revision that a gateway confirmed before the present one; of an API that was taken off, the last one
/// that was there.
pub(super) async fn previous(
    transaction: &mut Transaction,
    api: &Resource,
    environment: &Resource,
    present: Option<&Deployment>,
) -> Answer<RevisionNumber> {
    let current = present.map(|deployment| deployment.revision);
    let found = transaction
        .last_good_revision(api.api_id(), environment.environment_id(), current)
        .await?;
    let (api, environment) = (&api.metadata.name, &environment.metadata.name);
    found.ok_or_else(|| {
        Failure::new(
            ProblemKind::WrongState,
            format!(
                "api `{api}` has no earlier revision in environment `{environment}` to go back to; name one with \
                 `--to-revision` (`revision`), or deploy another revision"
            ),
        )
    })
}
