//! The figures in the book: tables between two markers of `benchmarks.md`, plots and raw figures in a folder beside it.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::Context as _;
use serde_json::Value;

use crate::{
    figures::{Comparison, Measured, Outcome, Results, mib, quantile},
    plot, scenarios,
    table::short,
};

const BEGIN: &str = "<!-- begin: figures of gateway-bench -->";
const END: &str = "<!-- end: figures of gateway-bench -->";
/// The folder of plots and raw figures, below the book.
const FOLDER: &str = "benchmarks";

/// Renews everything from these figures, and from those that are there of scenarios which were not measured now.
pub(crate) fn renew(docs: &Path, results: &Results) -> anyhow::Result<()> {
    let folder = docs.join(FOLDER);
    let raw = folder.join("gateway.json");
    results.write(&raw)?;
    let all = results.with_earlier(&raw)?;
    let mut text = String::new();
    for scenario in scenarios::ALL {
        let Some(measured) = all.scenarios.get(scenario.name) else {
            continue;
        };
        let _ = writeln!(text, "### `{}`: {}\n", scenario.name, scenario.about);
        section(&mut text, measured);
        plots(&mut text, &folder, scenario.name, &measured.outcome)?;
    }
    let page = docs.join("benchmarks.md");
    let before = fs::read_to_string(&page)?;
    let (start, rest) = before
        .split_once(BEGIN)
        .with_context(|| format!("{} has no line `{BEGIN}`", page.display()))?;
    let (_, end) = rest
        .split_once(END)
        .with_context(|| format!("{} has no line `{END}`", page.display()))?;
    fs::write(&page, format!("{start}{BEGIN}\n\n{text}{END}{end}"))?;
    Ok(())
}

fn section(text: &mut String, measured: &Measured) {
    let _ = writeln!(text, "{}\n", on_what(&measured.machine));
    let outcome = &measured.outcome;
    if !outcome.figures.is_empty() {
        text.push_str("| | Measured | Wanted |\n|---|---|---|\n");
        for figure in &outcome.figures {
            let value = format!("{} {}", short(figure.value), figure.unit);
            let _ = writeln!(text, "| {} | {} | {} |", figure.name, value.trim(), figure.wanted);
        }
        text.push('\n');
    }
    if !outcome.comparisons.is_empty() {
        text.push_str("| CPU per request | Median | The first beside it | Wanted | Rounds | Resident |\n|---|---|---|---|---|---|\n");
        for comparison in &outcome.comparisons {
            rows(text, comparison);
        }
        text.push('\n');
    }
    for reason in &outcome.left_out {
        let _ = writeln!(text, "Left out: {reason}.\n");
    }
}

fn rows(text: &mut String, comparison: &Comparison) {
    let _ = writeln!(text, "| **{}** | | | | | |", comparison.case);
    for (index, cost) in comparison.candidates.iter().enumerate() {
        let ratio = comparison.ratio(&cost.candidate).filter(|_| index > 0);
        let ratio = ratio
            .map(|ratio| format!("{} ×", short(ratio)))
            .unwrap_or_default();
        let wanted = comparison
            .wanted
            .iter()
            .find(|wanted| wanted.beside == cost.candidate);
        let wanted = wanted
            .map(|wanted| format!("≤ {} ×", wanted.at_most))
            .unwrap_or_default();
        let rounds: Vec<String> = cost.microseconds.iter().copied().map(short).collect();
        let _ = writeln!(
            text,
            "| {} | {} µs | {ratio} | {wanted} | {} | {:.0} MiB |",
            cost.candidate,
            short(quantile(&cost.microseconds, 0.5)),
            rounds.join(" "),
            mib(cost.resident_kib)
        );
    }
}

fn plots(text: &mut String, folder: &Path, name: &str, outcome: &Outcome) -> anyhow::Result<()> {
    let mut drawn = Vec::new();
    if !outcome.comparisons.is_empty() {
        let title = "CPU time per request, median; the line is from the best round to the worst";
        drawn.push((
            name.to_owned(),
            title.to_owned(),
            plot::bars(title, &outcome.comparisons),
        ));
    }
    for (index, series) in outcome.series.iter().enumerate() {
        let title = format!("{name}: {}", series.name);
        drawn.push((
            format!("{name}-{}", index + 1),
            title.clone(),
            plot::line(&title, series),
        ));
    }
    for (file, title, svg) in drawn {
        fs::write(folder.join(format!("{file}.svg")), svg)?;
        let _ = writeln!(text, "![{title}]({FOLDER}/{file}.svg)\n");
    }
    Ok(())
}

/// One line about when and on what this was measured.
fn on_what(machine: &Value) -> String {
    let said = |field: &str| machine[field].as_str().unwrap_or("unknown").to_owned();
    let peers: Vec<String> = machine["peers"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, version)| format!("{name} {}", version.as_str().unwrap_or_default()))
        .collect();
    format!(
        "{}; {} cores of {}, Linux {}; {} build; {}.",
        said("date"),
        machine["cores"],
        said("processor"),
        said("kernel"),
        said("build"),
        peers.join(", ")
    )
}
