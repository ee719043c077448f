//! The page that people read: a matrix of connectors and behaviours, and one of connectors and policies.

use std::fmt::Write as _;

use gatehouse_schemas::{descriptor::Fidelity, policy::Policy};

use crate::report::{Outcome, Report, Tested};

/// The reports of several connectors on one page, in Markdown.
pub fn page(reports: &[Report]) -> String {
    let mut page = String::from("# Conformance\n\n");
    page.push_str(
        "What each connector was seen to do. ✓ passed, ✗ failed, – skipped; why something was skipped is below the table.\n\n## Behaviours\n",
    );
    behaviours(&mut page, reports);
    skipped(&mut page, reports);
    policies(&mut page, reports);
    page
}

fn behaviours(page: &mut String, reports: &[Report]) {
    let Some(first) = reports.first() else { return };
    let mut operation = None;
    for (row, behaviour) in first.behaviours.iter().enumerate() {
        if operation.replace(behaviour.operation) != Some(behaviour.operation) {
            heading(page, &format!("`{}`", behaviour.operation.as_str()), reports);
        }
        let cells = reports
            .iter()
            .map(|report| report.behaviours.get(row).map_or("", sign));
        let cells: Vec<_> = cells.collect();
        // Writing to a string never fails.
        let _ = writeln!(
            page,
            "| {} | {} | {} |",
            behaviour.sentence,
            behaviour.level,
            cells.join(" | ")
        );
    }
}

fn heading(page: &mut String, first: &str, reports: &[Report]) {
    let names: Vec<_> = reports
        .iter()
        .map(|report| format!("{} {}", report.gateway_type, report.version))
        .collect();
    let _ = write!(
        page,
        "\n| {first} | level | {} |\n|---|---|{}\n",
        names.join(" | "),
        "---|".repeat(names.len())
    );
}

fn sign(tested: &Tested) -> &'static str {
    match tested.outcome {
        Outcome::Passed => "✓",
        Outcome::Skipped { .. } => "–",
        Outcome::Failed { .. } => "✗",
    }
}

fn skipped(page: &mut String, reports: &[Report]) {
    page.push_str("\n## Skipped and failed\n");
    for report in reports {
        let _ = writeln!(page, "\n**{}**\n", report.display_name);
        let mut is_empty = true;
        for tested in &report.behaviours {
            let (word, reason) = match &tested.outcome {
                Outcome::Passed => continue,
                Outcome::Skipped { reason } => ("skipped", reason),
                Outcome::Failed { reason } => ("failed", reason),
            };
            is_empty = false;
            let _ = writeln!(
                page,
                "- `{}` {}: {word}, {reason}",
                tested.operation.as_str(),
                tested.id.replace('_', " ")
            );
        }
        if is_empty {
            page.push_str("Nothing.\n");
        }
    }
}

fn policies(page: &mut String, reports: &[Report]) {
    page.push_str("\n## Policies, as the connectors declare them\n");
    let names: Vec<_> = reports.iter().map(|report| report.gateway_type.clone()).collect();
    let _ = write!(
        page,
        "\n| policy | {} |\n|---|{}\n",
        names.join(" | "),
        "---|".repeat(names.len())
    );
    for policy in Policy::TYPES {
        let cells: Vec<_> = reports.iter().map(|report| fidelity(report, policy)).collect();
        let _ = writeln!(page, "| `{policy}` | {} |", cells.join(" | "));
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
