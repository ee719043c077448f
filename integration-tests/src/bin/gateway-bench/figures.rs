//! What was measured, in one form for all scenarios: single figures, comparisons round by round, and series over time.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::machine;

/// Everything that was measured, by scenario.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Results {
    pub(crate) scenarios: BTreeMap<String, Measured>,
    #[serde(skip)]
    machine: Value,
}

/// One scenario's outcome, and on what it was measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) machine: Value,
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
}

/// What one scenario measured.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Outcome {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) figures: Vec<Figure>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) comparisons: Vec<Comparison>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) series: Vec<Series>,
    /// What was left out, and what to do about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) left_out: Vec<String>,
}

/// One number.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) unit: String,
    /// What is wanted of it; empty if nothing.
    pub(crate) wanted: String,
}

/// The CPU time per request of several candidates under the same load.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Comparison {
    /// The load.
    pub(crate) case: String,
    pub(crate) candidates: Vec<Cost>,
    /// What is wanted of the first candidate.
    pub(crate) wanted: Vec<Wanted>,
}

/// What one candidate cost.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Cost {
    pub(crate) candidate: String,
    /// CPU time per request in each round, in microseconds.
    pub(crate) microseconds: Vec<f64>,
    /// Requests per second in each round; on a shared machine this says little.
    pub(crate) requests_per_second: Vec<f64>,
    /// Resident memory of all its processes after the load, in KiB.
    pub(crate) resident_kib: u64,
}

/// At most so many times what another candidate costs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Wanted {
    pub(crate) beside: String,
    pub(crate) at_most: f64,
}

/// Points over time or number.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) x: String,
    pub(crate) y: String,
    pub(crate) points: Vec<(f64, f64)>,
}

impl Outcome {
    pub(crate) fn figure(&mut self, name: &str, value: f64, unit: &str, wanted: &str) {
        self.figures.push(Figure {
            name: name.to_owned(),
            value,
            unit: unit.to_owned(),
            wanted: wanted.to_owned(),
        });
    }

    pub(crate) fn series(&mut self, name: &str, x: &str, y: &str, points: Vec<(f64, f64)>) {
        self.series.push(Series {
            name: name.to_owned(),
            x: x.to_owned(),
            y: y.to_owned(),
            points,
        });
    }
}

impl Comparison {
    /// The median cost of a candidate.
    pub(crate) fn median(&self, candidate: &str) -> Option<f64> {
        let cost = self.candidates.iter().find(|cost| cost.candidate == candidate)?;
        Some(quantile(&cost.microseconds, 0.5))
    }

    /// The first candidate's cost as a multiple of another's.
    pub(crate) fn ratio(&self, beside: &str) -> Option<f64> {
        let first = self.candidates.first()?;
        Some(quantile(&first.microseconds, 0.5) / self.median(beside)?)
    }
}

impl Results {
    pub(crate) fn begin() -> anyhow::Result<Self> {
        Ok(Self {
            scenarios: BTreeMap::new(),
            machine: machine::describe()?,
        })
    }

    pub(crate) fn add(&mut self, scenario: &str, outcome: Outcome) {
        let machine = self.machine.clone();
        self.scenarios
            .insert(scenario.to_owned(), Measured { machine, outcome });
    }

    /// These results, and those of a file for scenarios that were not measured now.
    pub(crate) fn with_earlier(&self, path: &Path) -> anyhow::Result<Self> {
        let mut all = self.clone();
        if let Ok(text) = fs::read_to_string(path) {
            let earlier: Self = serde_json::from_str(&text)
                .with_context(|| format!("{} holds other figures; remove it", path.display()))?;
            for (name, measured) in earlier.scenarios {
                all.scenarios.entry(name).or_insert(measured);
            }
        }
        Ok(all)
    }

    /// Writes them as JSON.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let all = self.with_earlier(path)?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, serde_json::to_string_pretty(&all)? + "\n")?;
        Ok(())
    }
}

pub(crate) fn mib(kib: u64) -> f64 {
    f64::from(u32::try_from(kib).unwrap_or(u32::MAX)) / 1_024.0
}

pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / number(values.len().max(1))
}

/// A count as a number to calculate with.
pub(crate) fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// The smallest value that at least this share of all values does not exceed.
pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (1..=sorted.len()).find(|rank| number(*rank) >= share * number(sorted.len()));
    rank.and_then(|rank| sorted.get(rank - 1))
        .copied()
        .unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::{Comparison, Cost, quantile};

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let values = [3.0, 1.0, 2.0, 4.0];
        assert_eq!(quantile(&values, 0.5).total_cmp(&2.0), std::cmp::Ordering::Equal);
        assert_eq!(quantile(&values, 0.99).total_cmp(&4.0), std::cmp::Ordering::Equal);
        assert!(quantile(&[], 0.5).is_nan());
    }

    #[test]
    fn a_ratio_compares_the_medians_of_the_first_candidate_and_another() {
        let cost = |candidate: &str, microseconds: &[f64]| Cost {
            candidate: candidate.to_owned(),
            microseconds: microseconds.to_vec(),
            requests_per_second: Vec::new(),
            resident_kib: 0,
        };
        let comparison = Comparison {
            case: "1 KiB".to_owned(),
            candidates: vec![cost("gateway", &[9.0, 3.0, 4.0]), cost("nginx", &[1.0, 2.0, 8.0])],
            wanted: Vec::new(),
        };
        assert_eq!(comparison.ratio("nginx"), Some(2.0));
        assert_eq!(comparison.ratio("Envoy"), None);
    }
}
