//! Memory of a process, by the kernel's own accounting.

use std::fs;

use anyhow::Context as _;

/// The largest resident memory that a process ever had, in KiB.
pub(crate) fn peak_kib(process: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let line = line.context("no VmHWM in /proc/PID/status")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}
