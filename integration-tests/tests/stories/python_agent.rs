//! The example of an agent in another language does what the Agent API asks, against the built control plane.

use std::process::Command;

use gatehouse_integration_tests::{binaries::binary, documents::repository};

#[test]
fn an_agent_written_in_python_does_all_that_is_asked() {
    let output = Command::new("python3")
        .args(["-m", "unittest", "discover", "-s"])
        .arg(repository().join("docs/examples/python-agent"))
        .env("GATEHOUSE_BIN", binary("gatehouse"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
