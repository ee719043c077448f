//! The page that people read: matrices of connectors and behaviours, and of connectors and policies.

use std::fmt::Write as _;

use gatehouse_schemas::{descriptor::Fidelity, policy::Policy};

use crate::{
    behaviour::Behaviour,
    behaviours,
    report::{Outcome, Report, Tested},
};

const INTRODUCTION: &str = "# Conformance

What each connector was seen to do by the [conformance suite](../connectors.md#proving-it). ✓ passed, ✗ failed, – skipped,
empty: not tested at that level. Why something was skipped is below the tables. This page is made of the reports beside it.
";

/// The reports of several connectors on one page, in Markdown.
pub fn page(reports: &[Report]) -> String {
    let mut page = INTRODUCTION.to_owned();
    connectors(&mut page, reports);
    matrix(&mut page, reports);
    policies(&mut page, reports);
    skipped(&mut page, reports);
    page
}

/// A line of a table. Writing to a string never fails.
fn row(page: &mut String, cells: &[String]) {
    let cells: Vec<_> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    let _ = writeln!(page, "| {} |", cells.join(" | "));
}

fn heading(page: &mut String, cells: &[String]) {
    page.push('\n');
    row(page, cells);
    let _ = writeln!(page, "|{}", "---|".repeat(cells.len()));
}

fn connectors(page: &mut String, reports: &[Report]) {
    page.push_str("\n## Connectors\n");
    let titles = ["gateway type", "connector", "level", "outcome", "reproduce with"];
    heading(page, &titles.map(str::to_owned));
    for report in reports {
        row(
            page,
            &[
                format!("`{}`", report.title()),
                format!("{} {}", report.display_name, report.version),
                report.level.to_string(),
                report.summary(),
                format!("`{}`", report.reproduce),
            ],
        );
    }
}

fn matrix(page: &mut String, reports: &[Report]) {
    page.push_str("\n## Behaviours\n");
    let mut operation = None;
    for behaviour in behaviours() {
        if operation.replace(behaviour.operation) != Some(behaviour.operation) {
            let titles = [format!("`{}`", behaviour.operation.as_str()), "level".to_owned()];
            heading(
                page,
                &titles.into_iter().chain(names(reports)).collect::<Vec<_>>(),
            );
        }
        let signs = reports
            .iter()
            .map(|report| find(report, &behaviour).map_or("", sign).to_owned());
        let titles = [behaviour.sentence.to_owned(), behaviour.level.to_string()];
        row(page, &titles.into_iter().chain(signs).collect::<Vec<_>>());
    }
}

fn names(reports: &[Report]) -> impl Iterator<Item = String> {
    reports.iter().map(|report| report.title())
}

fn find<'a>(report: &'a Report, behaviour: &Behaviour) -> Option<&'a Tested> {
    report.behaviours.iter().find(|tested| tested.id == behaviour.id)
}

fn sign(tested: &Tested) -> &'static str {
    match tested.outcome {
        Outcome::Passed => "✓",
        Outcome::Skipped { .. } => "–",
        Outcome::Failed { .. } => "✗",
    }
}

fn policies(page: &mut String, reports: &[Report]) {
    page.push_str("\n## Policies, as the connectors declare them\n");
    heading(
        page,
        &["policy".to_owned()]
            .into_iter()
            .chain(names(reports))
            .collect::<Vec<_>>(),
    );
    for policy in Policy::TYPES {
        let cells = reports.iter().map(|report| fidelity(report, policy));
        row(
            page,
            &[format!("`{policy}`")]
                .into_iter()
                .chain(cells)
                .collect::<Vec<_>>(),
        );
    }
}

fn fidelity(report: &Report, policy: &str) -> String {
    let declared = report.policies.iter().find(|entry| entry.policy == policy);
    match declared.map(|entry| &entry.fidelity) {
        Some(Fidelity::Exact) => "exact".to_owned(),
        Some(Fidelity::Approximated { difference }) => format!("approximated: {difference}"),
        Some(Fidelity::Unsupported { reason }) => format!("unsupported: {reason}"),
        None => "unsupported".to_owned(),
    }
}

fn skipped(page: &mut String, reports: &[Report]) {
    page.push_str("\n## Skipped and failed\n");
    for report in reports {
        let _ = writeln!(page, "\n**{}**\n", report.display_name);
        if !tell_skipped(page, report) {
            page.push_str("Nothing.\n");
        }
    }
}

/// What did not pass; whether there was any.
fn tell_skipped(page: &mut String, report: &Report) -> bool {
    let mut any = false;
    for tested in &report.behaviours {
        let (word, reason) = match &tested.outcome {
            Outcome::Passed => continue,
            Outcome::Skipped { reason } => ("skipped", reason),
            Outcome::Failed { reason } => ("failed", reason),
        };
        any = true;
        let (operation, name) = (tested.operation.as_str(), tested.id.replace('_', " "));
        let _ = writeln!(page, "- `{operation}` {name}: {word}, {reason}");
    }
    any
}
