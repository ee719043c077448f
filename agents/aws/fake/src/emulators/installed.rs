//! Where `./test tools` has installed what others wrote in Python.

use std::path::PathBuf;

/// The Python that has boto3 and botocore, the official client and the official model; none, with a line that says so,
/// where they are not installed.
#[expect(
    clippy::print_stdout,
    reason = "a test says what it could not check, and `./test` repeats it"
)]
pub fn boto() -> Option<PathBuf> {
    let found = python("boto");
    if found.is_none() {
        println!(
            "SKIPPED: boto3 was not asked; `./test tools` installs it, or set GATEHOUSE_TEST_BOTO to its Python"
        );
    }
    found
}

/// AWS's own command line; none, with a line that says so, where it is not installed.
#[expect(
    clippy::print_stdout,
    reason = "a test says what it could not check, and `./test` repeats it"
)]
pub fn command_line() -> Option<PathBuf> {
    let beside = |python: PathBuf| python.with_file_name("aws");
    let found = python("awscli").map(beside).filter(|path| path.is_file());
    if found.is_none() {
        println!(
            "SKIPPED: AWS's command line was not used; `./test tools` installs it, or set GATEHOUSE_TEST_AWSCLI to its Python"
        );
    }
    found
}

/// The Python of a tool: what the variable says, or what lies in `test-tools` beside the built binaries.
pub(super) fn python(name: &str) -> Option<PathBuf> {
    let said = std::env::var_os(variable(name)).map(PathBuf::from);
    said.or_else(|| beside_the_binaries(name))
        .filter(|path| path.is_file())
}

/// The variable that names the Python of a tool.
pub(super) fn variable(name: &str) -> String {
    format!("GATEHOUSE_TEST_{}", name.to_uppercase())
}

fn beside_the_binaries(name: &str) -> Option<PathBuf> {
    let binary = std::env::current_exe().ok()?;
    let python = |folder: &std::path::Path| folder.join("test-tools").join(name).join("bin/python");
    binary.ancestors().map(python).find(|path| path.is_file())
}
