//! Plans as people read them: what changes where, field by field, and what is lost on the way.

use gatehouse_control_plane_api::admin::{Plan, PlanItem, PlanItemAction, PlanItemState, PlanState};
use gatehouse_schemas::{descriptor::Fidelity, diff::Change, fidelity::PolicyFidelity, plan::PlanAction};
use serde_json::Value;

use crate::{
    listed::word,
    moment::span,
    screen::{Color, Screen},
};

/// How long a value may be before it is shortened: a line of text.
const VALUE_MAX: usize = 100;
/// How many fields of one item are shown; the rest is counted, and `-o json` shows it.
const FIELDS_MAX: usize = 60;

/// A plan as text.
pub(crate) fn text(plan: &Plan, screen: Screen) -> String {
    let mut lines = vec![headline(plan)];
    for item in &plan.items {
        lines.extend(item_lines(item, screen));
    }
    lines.push(String::new());
    lines.push(summary(plan));
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn headline(plan: &Plan) -> String {
    let fingerprint = plan.fingerprint.as_ref().map(|fingerprint| {
        let short: String = fingerprint.0.chars().take("sha256:".len() + 12).collect();
        format!(", {short}")
    });
    format!(
        "Plan {}: {}{}",
        plan.id,
        word(&plan.state),
        fingerprint.unwrap_or_default()
    )
}

/// Everything about one item.
pub(crate) fn item_lines(item: &PlanItem, screen: Screen) -> Vec<String> {
    let (sign, color) = sign(item);
    let mut lines = vec![
        String::new(),
        screen.paint(color, &format!("{sign} {}", what(item))),
    ];
    if let Some(message) = &item.message {
        lines.push(screen.paint(Color::Red, &format!("    {}: {message}", word(&item.state))));
    }
    if let Some(reference) = &item.adopt {
        lines.push(format!(
            "    takes over `{reference}`, which is not marked as ours yet"
        ));
    }
    lines.extend(field_lines(item, screen));
    lines.extend(fidelity_lines(&item.fidelity, screen));
    lines.extend(item.notes.iter().map(|note| format!("    note: {note}")));
    lines.extend(cost_line(item));
    lines.extend(
        item.warnings
            .iter()
            .map(|warning| format!("    warning: {warning}")),
    );
    if let Some(progress) = &item.progress {
        lines.push(format!("    {}", progress_text(progress)));
    }
    lines
}

/// How far an agent is, on one line.
pub(crate) fn progress_text(progress: &gatehouse_control_plane_api::admin::Progress) -> String {
    let step = &progress.step;
    let of = step.of.map(|of| format!(" of {of}")).unwrap_or_default();
    let rest = progress
        .remaining_ms
        .map(|remaining| format!(", {} to go", span(remaining)))
        .unwrap_or_default();
    format!("step {}{of}: {}{rest}", step.number, step.description)
}

fn what(item: &PlanItem) -> String {
    let place = format!("{} in {}", item.api, item.environment);
    let revisions = match (item.from_revision, item.to_revision) {
        (None, Some(to)) => format!("revision {to}"),
        (Some(from), Some(to)) if from == to => format!("revision {to}"),
        (Some(from), Some(to)) => format!("revision {from} -> {to}"),
        (Some(from), None) => format!("revision {from} -> none"),
        (None, None) => "nothing".to_owned(),
    };
    format!("{} {place}: {revisions}", word(&item.action))
}

fn sign(item: &PlanItem) -> (char, Color) {
    let refused = matches!(
        item.state,
        PlanItemState::Refused | PlanItemState::Void | PlanItemState::Failed
    );
    match (refused, action(item)) {
        (true, _) => ('!', Color::Red),
        (_, Some(PlanAction::Create)) => ('+', Color::Green),
        (_, Some(PlanAction::Update)) => ('~', Color::Cyan),
        (_, Some(PlanAction::Remove)) => ('-', Color::Red),
        (_, Some(PlanAction::Nothing)) => ('=', Color::Bold),
        (_, None) => ('?', Color::Bold),
    }
}

fn action(item: &PlanItem) -> Option<PlanAction> {
    item.plan.as_ref().map(|plan| plan.action)
}

fn field_lines(item: &PlanItem, screen: Screen) -> Vec<String> {
    let Some(plan) = &item.plan else {
        return Vec::new();
    };
    if plan.action == PlanAction::Nothing {
        return vec!["    the gateway holds exactly this already; nothing changes".to_owned()];
    }
    let mut lines: Vec<String> = plan
        .changes
        .iter()
        .take(FIELDS_MAX)
        .map(|change| format!("    {}", change_line(change, screen)))
        .collect();
    if plan.changes.len() > FIELDS_MAX {
        let more = plan.changes.len() - FIELDS_MAX;
        lines.push(format!("    … and {more} fields more; `-o json` shows all"));
    }
    lines
}

/// One changed field on one line.
pub(crate) fn change_line(change: &Change, screen: Screen) -> String {
    let path = if change.path.is_empty() { "/" } else { &change.path };
    match (&change.before, &change.after) {
        (None, Some(after)) => screen.paint(Color::Green, &format!("+ {path}: {}", short(after))),
        (Some(before), None) => screen.paint(Color::Red, &format!("- {path}: {}", short(before))),
        (Some(before), Some(after)) => screen.paint(
            Color::Cyan,
            &format!("~ {path}: {} -> {}", short(before), short(after)),
        ),
        (None, None) => format!("~ {path}"),
    }
}

/// A value on one line, shortened.
pub(crate) fn short(value: &Value) -> String {
    let text: String = value
        .to_string()
        .chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect();
    if text.chars().count() <= VALUE_MAX {
        return text;
    }
    let head: String = text.chars().take(VALUE_MAX).collect();
    format!("{head}…")
}

/// What each policy becomes on the gateway; the exact ones are only counted.
pub(crate) fn fidelity_lines(fidelity: &[PolicyFidelity], screen: Screen) -> Vec<String> {
    if fidelity.is_empty() {
        return Vec::new();
    }
    let exact = fidelity
        .iter()
        .filter(|entry| entry.fidelity == Fidelity::Exact)
        .count();
    let mut lines = vec![format!("    policies: {exact} of {} exact", fidelity.len())];
    lines.extend(fidelity.iter().filter_map(|entry| loss_line(entry, screen)));
    lines
}

fn loss_line(entry: &PolicyFidelity, screen: Screen) -> Option<String> {
    let place = entry.operation.as_ref().map_or_else(
        || "the whole API".to_owned(),
        |operation| format!("{} {}", operation.method, operation.path),
    );
    let said = match &entry.fidelity {
        Fidelity::Exact => return None,
        Fidelity::Approximated { difference } => format!("is approximated: {difference}"),
        Fidelity::Unsupported { reason } => format!("is unsupported: {reason}"),
    };
    let line = format!("      ! {} for {place} ({}) {said}", entry.policy, entry.pointer);
    Some(screen.paint(Color::Red, &line))
}

fn cost_line(item: &PlanItem) -> Option<String> {
    if item.calls.is_empty() {
        return None;
    }
    let calls: Vec<String> = item
        .calls
        .iter()
        .map(|(operation, count)| format!("{operation} {count}"))
        .collect();
    let time = item
        .eta_ms
        .map(|eta| format!("; {} under the vendor's quotas", span(eta)))
        .unwrap_or_default();
    Some(format!("    calls: {}{time}", calls.join(", ")))
}

fn summary(plan: &Plan) -> String {
    let count = |wanted: PlanAction| {
        plan.items
            .iter()
            .filter(|item| action(item) == Some(wanted))
            .count()
    };
    let counts = format!(
        "{} to create, {} to change, {} to remove, {} as they are.",
        count(PlanAction::Create),
        count(PlanAction::Update),
        count(PlanAction::Remove),
        count(PlanAction::Nothing)
    );
    let longest = plan.items.iter().filter_map(|item| item.eta_ms).max();
    let eta = longest
        .filter(|eta| *eta > 0)
        .map(|eta| format!(" It takes {}.", span(eta)))
        .unwrap_or_default();
    format!("{counts}{eta}{}", advice(plan))
}

fn advice(plan: &Plan) -> String {
    match plan.state {
        PlanState::Ready => format!(" Apply it with `gatehouse deploy --plan {}`.", plan.id),
        PlanState::Refused => " It cannot be applied; the lines with `!` say why.".to_owned(),
        PlanState::Void => " The world moved since it was made; make a new plan.".to_owned(),
        PlanState::Incomplete => " Some of it failed; the lines with `!` say why.".to_owned(),
        PlanState::Compensated => " It failed, and everything was put back.".to_owned(),
        PlanState::Pending | PlanState::Applying | PlanState::Applied | PlanState::Compensating => {
            String::new()
        }
    }
}

/// What an item does, for one line of progress.
pub(crate) fn verb(action: PlanItemAction) -> &'static str {
    match action {
        PlanItemAction::Deploy => "deploying",
        PlanItemAction::Undeploy => "undeploying",
        PlanItemAction::Rollback => "rolling back",
        PlanItemAction::Revert => "reverting",
        PlanItemAction::Adopt => "adopting",
    }
}

#[cfg(test)]
mod tests;
