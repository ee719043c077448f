//! The figures: as a table for people, as JSON for comparison.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::nginx;

/// Everything that was measured.
#[derive(Debug)]
pub(crate) struct Report {
    machine: Value,
    pub(crate) starts: Option<Starts>,
    pub(crate) deploys: Option<Deploys>,
    pub(crate) proxying: Vec<Proxying>,
}

/// Starts of `gatehouse serve` on SQLite.
#[derive(Debug)]
pub(crate) struct Starts {
    /// The first, which makes the database.
    pub(crate) first_ms: f64,
    /// The others.
    pub(crate) start_ms: Vec<f64>,
    /// The largest of all.
    pub(crate) resident_kib: u64,
}

/// From sending a deploy to the first answer of the new revision.
#[derive(Debug)]
pub(crate) struct Deploys {
    pub(crate) routes: usize,
    pub(crate) milliseconds: Vec<f64>,
}

/// CPU time per request of one candidate, round by round.
#[derive(Debug)]
pub(crate) struct Proxying {
    pub(crate) name: &'static str,
    pub(crate) microseconds: Vec<f64>,
}

impl Proxying {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            microseconds: Vec::new(),
        }
    }
}

impl Report {
    pub(crate) fn begin() -> anyhow::Result<Self> {
        Ok(Self {
            machine: machine()?,
            starts: None,
            deploys: None,
            proxying: Vec::new(),
        })
    }

    pub(crate) fn print(&self) {
        println!("\n{}", self.machine);
        if let Some(starts) = &self.starts {
            println!("\n`gatehouse serve` on SQLite           median      worst");
            println!(
                "  start                          {:>8.0} ms {:>8.0} ms   ({} starts; the very first {:.0} ms)",
                quantile(&starts.start_ms, 0.5),
                quantile(&starts.start_ms, 1.0),
                starts.start_ms.len(),
                starts.first_ms
            );
            println!(
                "  resident memory                                {:>5} MiB",
                mib(starts.resident_kib)
            );
        }
        if let Some(deploys) = &self.deploys {
            println!("\nFrom deploy to first served request     mean       p50       p99");
            println!(
                "  {} deploys, {} routes present  {:>8.1} ms {:>6.1} ms {:>6.1} ms",
                deploys.milliseconds.len(),
                deploys.routes,
                mean(&deploys.milliseconds),
                quantile(&deploys.milliseconds, 0.5),
                quantile(&deploys.milliseconds, 0.99)
            );
        }
        println!("\nCPU per request                       median µs   beside nginx   rounds");
        for candidate in &self.proxying {
            println!(
                "  {:<34} {:>8.1} {:>11.2} ×     {}",
                candidate.name,
                quantile(&candidate.microseconds, 0.5),
                self.ratio(candidate),
                candidate
                    .microseconds
                    .iter()
                    .map(|cost| format!("{cost:.1}"))
                    .collect::<Vec<_>>()
                    .join(" ")
            );
        }
    }

    /// Beside the first candidate, which is nginx.
    fn ratio(&self, candidate: &Proxying) -> f64 {
        let base = self
            .proxying
            .first()
            .map_or(0.0, |nginx| quantile(&nginx.microseconds, 0.5));
        quantile(&candidate.microseconds, 0.5) / base
    }

    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let proxying: Vec<Value> = self
            .proxying
            .iter()
            .map(|candidate| {
                json!({
                    "candidate": candidate.name,
                    "medianMicroseconds": quantile(&candidate.microseconds, 0.5),
                    "besideNginx": self.ratio(candidate),
                    "rounds": candidate.microseconds,
                })
            })
            .collect();
        let starts = self.starts.as_ref().map(|starts| {
            json!({
                "firstMs": starts.first_ms,
                "medianMs": quantile(&starts.start_ms, 0.5),
                "worstMs": quantile(&starts.start_ms, 1.0),
                "residentKib": starts.resident_kib,
            })
        });
        let deploys = self.deploys.as_ref().map(|deploys| {
            json!({
                "routes": deploys.routes,
                "deploys": deploys.milliseconds.len(),
                "meanMs": mean(&deploys.milliseconds),
                "p50Ms": quantile(&deploys.milliseconds, 0.5),
                "p99Ms": quantile(&deploys.milliseconds, 0.99),
            })
        });
        let all = json!({"machine": self.machine, "serve": starts, "deploy": deploys, "proxying": proxying});
        fs::write(path, format!("{all:#}\n"))?;
        Ok(())
    }
}

fn machine() -> anyhow::Result<Value> {
    let processors = fs::read_to_string("/proc/cpuinfo")?;
    let model = processors
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map(|rest| rest.trim_start_matches([' ', '\t', ':']).to_owned());
    Ok(json!({
        "cores": std::thread::available_parallelism()?.get(),
        "processor": model,
        "kernel": fs::read_to_string("/proc/sys/kernel/osrelease")?.trim(),
        "nginx": nginx::version()?,
        "gatehouse": env!("CARGO_PKG_VERSION"),
    }))
}

fn mib(kib: u64) -> u64 {
    kib.div_ceil(1_024)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / f64::from(u32::try_from(values.len().max(1)).unwrap_or(u32::MAX))
}

/// The smallest value that at least this share of all values does not exceed.
fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (1..=sorted.len()).find(|rank| {
        let reached = f64::from(u32::try_from(*rank).unwrap_or(u32::MAX));
        reached >= share * f64::from(u32::try_from(sorted.len()).unwrap_or(u32::MAX))
    });
    rank.and_then(|rank| sorted.get(rank - 1))
        .copied()
        .unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::quantile;

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let values = [3.0, 1.0, 2.0, 4.0];
        assert_eq!(quantile(&values, 0.5).total_cmp(&2.0), std::cmp::Ordering::Equal);
        assert_eq!(quantile(&values, 0.99).total_cmp(&4.0), std::cmp::Ordering::Equal);
        assert!(quantile(&[], 0.5).is_nan());
    }
}
