//! Changes in version 2: members that are sent take the place of those that are there.

use crate::control::{AwsError, Call};
use crate::place::Entity;

/// Takes over the named members of the body; an empty text removes.
pub(super) fn merge(call: &Call<'_>, entity: &mut Entity, names: &[&str]) -> Result<(), AwsError> {
    for (name, value) in call.only(names)? {
        if value == "" {
            entity.remove(&name);
        } else {
            entity.insert(name, value);
        }
    }
    Ok(())
}
