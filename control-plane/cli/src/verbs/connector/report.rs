//! `gatehouse connector report`: what the conformance suite found, from its reports.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::Args;
use gatehouse_connector_conformance::{Outcome, Report, page};

use crate::{
    exit::Exit,
    failure::Failure,
    screen::{Color, Screen},
};

/// Which reports.
#[derive(Debug, Args)]
#[command(
    after_help = "Reports come from `gatehouse connector test --report FILE`, and from tests with the suite as a library.\n\n\
                  Example: gatehouse connector report docs/conformance --page docs/conformance/README.md"
)]
pub(crate) struct ReportArguments {
    /// Reports, or folders of them [default: conformance.yaml]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Where to write the page with all of them, in Markdown
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
    /// Where to write the summary of one report that the connector's descriptor carries, in JSON
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
}

pub(super) fn run(options: &ReportArguments, screen: Screen) -> anyhow::Result<Exit> {
    let usual = [PathBuf::from("conformance.yaml")];
    let given = if options.files.is_empty() {
        &usual
    } else {
        options.files.as_slice()
    };
    let mut reports = Vec::new();
    for path in files(given)? {
        reports.push(read(&path)?);
    }
    if let Some(path) = &options.page {
        fs::write(path, page(&reports))
            .with_context(|| format!("the page cannot be written to `{}`", path.display()))?;
    }
    if let Some(path) = &options.summary {
        write_summary(path, &reports)?;
    }
    let names: Vec<_> = reports.iter().map(|report| report.gateway_type.clone()).collect();
    screen.show_list(&reports, &names, || {
        let texts: Vec<_> = reports.iter().map(|report| text(screen, report)).collect();
        texts.join("\n")
    })?;
    let all_passed = reports.iter().all(Report::passed);
    Ok(if all_passed { Exit::Ok } else { Exit::Error })
}

fn write_summary(path: &Path, reports: &[Report]) -> anyhow::Result<()> {
    let [report] = reports else {
        return Err(Failure::usage("`--summary` takes one report; name its file").into());
    };
    let text = serde_json::to_string_pretty(&report.for_descriptor())? + "\n";
    fs::write(path, text).with_context(|| format!("the summary cannot be written to `{}`", path.display()))
}

/// The files, with those of folders in the order of their names.
fn files(given: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in given {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let entries = fs::read_dir(path).with_context(|| format!("`{}` cannot be read", path.display()))?;
        let mut inside: Vec<PathBuf> = entries
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
            .collect();
        if inside.is_empty() {
            return Err(not_found(path, "holds no reports (`*.yaml`)"));
        }
        inside.sort();
        files.extend(inside);
    }
    Ok(files)
}

fn read(path: &Path) -> anyhow::Result<Report> {
    let text = fs::read_to_string(path).map_err(|error| {
        not_found(
            path,
            &format!("cannot be read ({error}); make it with `gatehouse connector test --report FILE`"),
        )
    })?;
    Report::from_yaml(&text)
        .map_err(|error| Failure::new(Exit::Invalid, format!("`{}`: {error}", path.display())).into())
}

fn not_found(path: &Path, why: &str) -> anyhow::Error {
    Failure::new(Exit::NotFound, format!("`{}` {why}", path.display())).into()
}

/// A report for people: what was claimed, what did not pass, and how to see it again.
fn text(screen: Screen, report: &Report) -> String {
    let title = format!(
        "{} {} (`{}`)",
        report.display_name,
        report.version,
        report.title()
    );
    let mut text = format!("{}\n", screen.paint(Color::Bold, &title));
    let claims = serde_json::to_value(&report.capabilities).unwrap_or_default();
    let claims = claims.as_object().into_iter().flatten();
    let claimed: Vec<_> = claims
        .filter(|(_, value)| **value == true)
        .map(|(name, _)| name.as_str())
        .collect();
    text.push_str(&format!(
        "  level      {}, suite {}\n",
        report.level, report.suite
    ));
    text.push_str(&format!("  outcome    {}\n", report.summary()));
    text.push_str(&format!("  claims     {}\n", claimed.join(", ")));
    text.push_str(&format!("  reproduce  {}\n", report.reproduce));
    for tested in &report.behaviours {
        let (sign, color, reason) = match &tested.outcome {
            Outcome::Passed => ("✓", Color::Green, String::new()),
            Outcome::Skipped { reason } => ("–", Color::Cyan, format!("\n               {reason}")),
            Outcome::Failed { reason } => ("✗", Color::Red, format!("\n               {reason}")),
        };
        let operation = tested.operation.as_str();
        text.push_str(&format!(
            "  {} {operation:10} {}{reason}\n",
            screen.paint(color, sign),
            tested.sentence
        ));
    }
    text
}
