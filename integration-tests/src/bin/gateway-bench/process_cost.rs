//! What processes have cost so far, by the kernel's own accounting in `/proc`.

use std::{fs, time::Duration};

use anyhow::Context as _;

/// Linux reports times in `/proc` in hundredths of a second, whatever the kernel's own tick is.
const TICKS_PER_SECOND: u64 = 100;

/// CPU time, in user and kernel mode, of a process and all its descendants, ended threads included.
pub(crate) fn cpu_time(root: u32) -> anyhow::Result<Duration> {
    let mut ticks = 0;
    let mut pending = vec![root];
    while let Some(process) = pending.pop() {
        ticks += own_ticks(process)?;
        pending.extend(children(process));
    }
    Ok(Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND))
}

fn own_ticks(process: u32) -> anyhow::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))
        .with_context(|| format!("process {process} has ended"))?;
    // The name in parentheses may hold anything; what follows it are numbers: utime and stime are 14 and 15.
    let (_, rest) = stat
        .rsplit_once(')')
        .context("unknown format of /proc/PID/stat")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let field = |index: usize| -> anyhow::Result<u64> {
        Ok(fields.get(index).context("/proc/PID/stat is short")?.parse()?)
    };
    Ok(field(11)? + field(12)?)
}

pub(crate) fn children(process: u32) -> Vec<u32> {
    let listed = fs::read_to_string(format!("/proc/{process}/task/{process}/children"));
    listed
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|child| child.parse().ok())
        .collect()
}

/// Resident memory of one process, in KiB.
pub(crate) fn resident_kib(process: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("no VmRSS in /proc/PID/status")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}
