//! On what was measured.

use std::{fs, process::Command};

use serde_json::{Value, json};

use crate::peers;

/// The machine, and the versions of everything that is compared.
pub(crate) fn describe() -> anyhow::Result<Value> {
    let processors = fs::read_to_string("/proc/cpuinfo")?;
    let model = processors
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map(|rest| rest.trim_start_matches([' ', '\t', ':']).to_owned());
    Ok(json!({
        "date": date(),
        "cores": std::thread::available_parallelism()?.get(),
        "processor": model,
        "kernel": fs::read_to_string("/proc/sys/kernel/osrelease")?.trim(),
        "build": if cfg!(debug_assertions) { "debug" } else { "release" },
        "gatehouse": env!("CARGO_PKG_VERSION"),
        "peers": peers::versions(),
    }))
}

fn date() -> Option<String> {
    let output = Command::new("date").arg("+%F").output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
