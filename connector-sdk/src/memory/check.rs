//! Whether an in-memory gateway's credential is good for an environment's mode.

use gatehouse_control_plane_api::agent::{CheckFinding, CheckSeverity};
use gatehouse_schemas::environment::Mode;

use super::MemorySettings;

/// What was looked at, one by one.
pub(super) fn findings(settings: &MemorySettings, mode: Mode) -> Vec<CheckFinding> {
    let reading = finding(
        "look at APIs",
        settings.credential_may_read,
        mode.may_read(),
        "credentialMayRead",
    );
    let writing = finding(
        "change APIs",
        settings.credential_may_write,
        mode.may_write(),
        "credentialMayWrite",
    );
    vec![reading, writing]
}

fn finding(permission: &str, has: bool, needs: bool, setting: &str) -> CheckFinding {
    let (severity, message) = match (has, needs) {
        (true, true) => (
            CheckSeverity::Ok,
            format!("the credential may {permission}, which the mode needs"),
        ),
        (false, false) => (
            CheckSeverity::Ok,
            format!("the credential may not {permission}, and the mode does not need it"),
        ),
        (false, true) => (
            CheckSeverity::Error,
            format!("the credential may not {permission}, which the mode needs; set `{setting}` to true"),
        ),
        (true, false) => (
            CheckSeverity::Warning,
            format!(
                "the credential may {permission}, which the mode does not need; set `{setting}` to false"
            ),
        ),
    };
    CheckFinding { severity, message }
}
