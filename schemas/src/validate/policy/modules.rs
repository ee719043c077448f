//! The rules of policies that a module of the user's own enforces.

use super::{note, within};
use crate::{issue::Issue, policy::ExtWasmPolicy};

pub(super) fn ext_wasm(policy: &ExtWasmPolicy, at: &str, issues: &mut Vec<Issue>) {
    note(issues, format!("{at}/module"), module(&policy.module));
    note(issues, format!("{at}/sha256"), digest(&policy.sha256));
    for (field, number, range) in [
        ("fuel", policy.fuel, ExtWasmPolicy::FUEL),
        ("timeoutMs", policy.timeout_ms.into(), ExtWasmPolicy::TIMEOUT_MS),
        ("memoryMib", policy.memory_mib.into(), ExtWasmPolicy::MEMORY_MIB),
    ] {
        within(issues, format!("{at}/{field}"), number, range);
    }
}

/// A name that is a file name everywhere, and leads to no other folder.
fn module(name: &str) -> Result<(), String> {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.');
    let begins_well = name.starts_with(|it: char| it.is_ascii_lowercase() || it.is_ascii_digit());
    match begins_well && name.len() <= 64 && name.bytes().all(allowed) && !name.ends_with(".wasm") {
        true => Ok(()),
        false => Err(
            "expected the file's name without `.wasm`: 1 to 64 small letters, digits, `-`, `_` and `.`, a letter or digit first"
                .to_owned(),
        ),
    }
}

fn digest(text: &str) -> Result<(), String> {
    match text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(()),
        false => {
            Err("expected the file's SHA-256 in 64 hexadecimal digits, as `sha256sum` prints it".to_owned())
        }
    }
}
