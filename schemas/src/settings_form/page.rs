//! The reference page of a gateway type.

use super::fields::{Field, fields, plain};
use crate::{
    descriptor::{
        Capabilities, ConformanceNote, ConformanceSummary, DerivedWord, Descriptor, Fidelity,
        PermissionAddition,
    },
    environment::Mode,
};

/// The page of a gateway type, in Markdown: settings, credentials, capabilities, policies, quotas, permissions, and what the
/// conformance suite saw.
pub fn page(descriptor: &Descriptor) -> String {
    let mut page = Page::default();
    let Descriptor {
        gateway_type,
        display_name,
        ..
    } = descriptor;
    page.line(&format!("# {display_name}\n"));
    page.line(&format!(
        "What an environment of gateway type `{gateway_type}` takes, and what can be done with it. `gatehouse env form \
         {gateway_type}` prints an environment to fill in."
    ));
    page.settings(descriptor);
    page.credentials(descriptor);
    page.capabilities(&descriptor.capabilities);
    page.policies(descriptor);
    page.quotas(descriptor);
    page.permissions(descriptor);
    page.conformance(descriptor.conformance.as_ref());
    page.text
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn heading(&mut self, title: &str) {
        self.line(&format!("\n## {title}\n"));
    }

    fn table(&mut self, columns: &[&str], rows: &[Vec<String>]) {
        self.line(&format!("| {} |", columns.join(" | ")));
        self.line(&format!("|{}", "---|".repeat(columns.len())));
        for row in rows {
            let cells: Vec<String> = row.iter().map(|cell| cell.replace('\n', " ")).collect();
            self.line(&format!("| {} |", cells.join(" | ")));
        }
    }

    fn settings(&mut self, descriptor: &Descriptor) {
        self.heading("Settings");
        let mut rows = Vec::new();
        add(&mut rows, "", &fields(&descriptor.settings_schema));
        match rows.is_empty() {
            true => self.line("There are none."),
            false => {
                self.line("`spec.settings` of the environment:\n");
                self.table(&["Setting", "Type", "Default", "Allowed", "Meaning"], &rows);
            }
        }
    }

    fn credentials(&mut self, descriptor: &Descriptor) {
        self.heading("Credentials");
        if descriptor.credentials.is_empty() {
            return self.line("It takes none.");
        }
        self.line("`spec.credentials` of the environment:\n");
        let row = |credential: &crate::descriptor::CredentialDescription| {
            let required = if credential.required { "yes" } else { "no" };
            vec![
                format!("`{}`", credential.name),
                required.to_owned(),
                escaped(&credential.description),
            ]
        };
        let rows: Vec<_> = descriptor.credentials.iter().map(row).collect();
        self.table(&["Credential", "Required", "Meaning"], &rows);
    }

    fn capabilities(&mut self, capabilities: &Capabilities) {
        self.heading("Capabilities");
        let rows: Vec<_> = told(capabilities)
            .into_iter()
            .map(|(name, value)| vec![format!("`{name}`"), value])
            .collect();
        self.table(&["Capability", ""], &rows);
    }

    fn policies(&mut self, descriptor: &Descriptor) {
        self.heading("Policies");
        if descriptor.policies.is_empty() {
            return self.line("No policy can be expressed.");
        }
        self.line("A policy that is not listed cannot be expressed. At best, it is expressed\n");
        let rows: Vec<_> = descriptor
            .policies
            .iter()
            .map(|support| {
                let (level, note) = match &support.fidelity {
                    Fidelity::Exact => ("exactly", ""),
                    Fidelity::Approximated { difference } => ("nearly", difference.as_str()),
                    Fidelity::Unsupported { reason } => ("not at all", reason.as_str()),
                };
                vec![format!("`{}`", support.policy), level.to_owned(), escaped(note)]
            })
            .collect();
        self.table(&["Policy", "Expressed", "What differs"], &rows);
    }

    fn quotas(&mut self, descriptor: &Descriptor) {
        if descriptor.quotas.is_empty() {
            return;
        }
        self.heading("Quotas");
        let account: Vec<String> = descriptor
            .account_settings
            .iter()
            .map(|it| format!("`{it}`"))
            .collect();
        self.line(&format!(
            "The vendor's published ones; environments with the same {} share them.\n",
            account.join(" and ")
        ));
        let rows: Vec<_> = descriptor
            .quotas
            .iter()
            .map(|quota| {
                let operation = match quota.operation.as_str() {
                    "*" => "all together".to_owned(),
                    name => format!("`{name}`"),
                };
                vec![
                    operation,
                    quota.burst.to_string(),
                    format!("{} ms", quota.interval_ms),
                ]
            })
            .collect();
        self.table(&["Operation", "At once", "Then one every"], &rows);
    }

    fn permissions(&mut self, descriptor: &Descriptor) {
        if descriptor.permissions.is_empty() {
            return;
        }
        self.heading("Permissions");
        self.line("What the vendor's access control has to allow; `gatehouse env permissions` fills in an environment's settings.");
        for set in &descriptor.permissions {
            let document = serde_json::to_string_pretty(&set.document).unwrap_or_default();
            self.line(&format!(
                "\n### {} ({})\n\n{}\n\n```json\n{document}\n```",
                mode(set.mode),
                set.language,
                set.instructions
            ));
            for PermissionAddition { setting, document } in &set.additions {
                let document = serde_json::to_string_pretty(document).unwrap_or_default();
                self.line(&format!(
                    "\nWith the setting `{setting}`, also:\n\n```json\n{document}\n```"
                ));
            }
            for word in &set.derived {
                self.line(&format!("\n{}", followed(word)));
            }
        }
    }

    fn conformance(&mut self, seen: Option<&ConformanceSummary>) {
        let Some(seen) = seen else { return };
        self.heading("Conformance");
        self.line(&format!(
            "Suite {}, level {}: {} passed, {} skipped, {} failed.",
            seen.suite,
            seen.level.as_str(),
            seen.passed,
            seen.skipped.len(),
            seen.failed.len()
        ));
        self.notes("Skipped", &seen.skipped);
        self.notes("Failed", &seen.failed);
    }

    fn notes(&mut self, title: &str, notes: &[ConformanceNote]) {
        if notes.is_empty() {
            return;
        }
        let row = |note: &ConformanceNote| vec![escaped(&note.behaviour), escaped(&note.reason)];
        let rows: Vec<_> = notes.iter().map(row).collect();
        self.line("");
        self.table(&[title, "Why"], &rows);
    }
}

/// Settings with those within them, as `outer.inner`.
fn add(rows: &mut Vec<Vec<String>>, before: &str, fields: &[Field]) {
    for field in fields {
        let name = format!("{before}{}", field.name);
        let default = match (&field.default, field.required) {
            (Some(default), _) => format!("`{}`", plain(default)),
            (None, true) => "**required**".to_owned(),
            (None, false) => "–".to_owned(),
        };
        rows.push(vec![
            format!("`{name}`"),
            field.kind.clone(),
            default,
            escaped(&field.allowed),
            field.meaning.clone(),
        ]);
        add(rows, &format!("{name}."), &field.inner);
    }
}

fn escaped(text: &str) -> String {
    text.replace('|', "\\|")
}

/// What a word of a policy is, by the setting that it follows from.
fn followed(word: &DerivedWord) -> String {
    let cases = word.by_beginning.iter();
    let cases = cases.map(|(beginning, word)| format!("`{word}` where that begins with `{beginning}`"));
    let cases: Vec<String> = cases.chain([format!("else `{}`", word.otherwise)]).collect();
    format!(
        "`{{derived.{}}}` follows from the setting `{}`: {}.",
        word.name,
        word.setting,
        cases.join(", ")
    )
}

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::ReadOnly => "read-only",
        Mode::WriteOnly => "write-only",
        Mode::ReadWrite => "read-write",
    }
}

/// Capabilities by the names that they have in the descriptor, in words.
pub(super) fn told(capabilities: &Capabilities) -> Vec<(&'static str, String)> {
    let yes = |does: bool| if does { "yes" } else { "no" }.to_owned();
    let list = |items: &[String]| match items {
        [] => "none".to_owned(),
        items => items.join(", "),
    };
    let limit = |limit: Option<u32>| limit.map_or("none known".to_owned(), |limit| limit.to_string());
    vec![
        ("deploy", yes(capabilities.deploy)),
        ("undeploy", yes(capabilities.undeploy)),
        ("observe", yes(capabilities.observe)),
        ("discover", yes(capabilities.discover)),
        ("check", yes(capabilities.check)),
        ("hints", yes(capabilities.hints)),
        ("adopt", yes(capabilities.adopt)),
        ("replicated", yes(capabilities.replicated)),
        ("steps", yes(capabilities.steps)),
        ("versions", yes(capabilities.versions)),
        ("definitionsRead", list(&capabilities.definitions_read)),
        ("definitionsWritten", list(&capabilities.definitions_written)),
        ("largestPage", limit(capabilities.largest_page)),
        ("gatewayVersions", list(&capabilities.gateway_versions)),
        (
            "limits.operationsPerApi",
            limit(capabilities.limits.operations_per_api),
        ),
        ("limits.apis", limit(capabilities.limits.apis)),
    ]
}
