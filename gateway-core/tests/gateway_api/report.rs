//! The page about what came of the cases.

use std::fmt::Write as _;

/// What came of one test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    Failed(String),
    NotApplicable(&'static str),
}

/// One test.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) core: bool,
    pub(crate) outcome: Outcome,
}

/// One line for the README.
pub(crate) fn summary(rows: &[Row]) -> String {
    let count = |core: bool| {
        let served = rows
            .iter()
            .filter(|row| row.core == core && !matches!(row.outcome, Outcome::NotApplicable(_)));
        let passed = served.clone().filter(|row| row.outcome == Outcome::Passed);
        format!("{} of {}", passed.count(), served.count())
    };
    format!(
        "{} core and {} extended tests for HTTP pass",
        count(true),
        count(false)
    )
}

/// The whole page.
pub(crate) fn page(rows: &[Row]) -> String {
    let mut page = format!(
        "# The Gateway API's conformance cases

The HTTP cases of the [Kubernetes Gateway API](https://gateway-api.sigs.k8s.io), against the native gateway: {}.

There is no Kubernetes here. The project's manifests are translated into what this gateway serves, and its requests
are sent over real sockets to backends that answer with what they saw. Conditions of Kubernetes objects are not looked
at. Requests to a listener at another port than 80 or 443 name that port in `Host`, as clients do. Certificates are made
for each run, as the suite makes them; where a gateway allows any caller in (`AllowInsecureFallback`), this one asks for no
certificate, and where what it is to trust cannot be had, its listener is not opened. This page is written
by `UPDATE_EXPECT=1 cargo test -p gatehouse-gateway-core --test gateway_api`, and a test holds it.

| Test | Level | Passed |
|---|---|---|
",
        summary(rows)
    );
    for row in rows {
        let level = if row.core { "core" } else { "extended" };
        let outcome = match &row.outcome {
            Outcome::Passed => "yes".to_owned(),
            Outcome::Failed(reason) => format!("no: {}", reason.replace('|', "\\|")),
            Outcome::NotApplicable(_) => continue,
        };
        let _ = writeln!(page, "| `{}` | {level} | {outcome} |", row.name);
    }
    page.push_str("\n## Not applicable\n\n| Test | Why |\n|---|---|\n");
    for row in rows {
        if let Outcome::NotApplicable(reason) = row.outcome {
            let _ = writeln!(page, "| `{}` | {reason} |", row.name);
        }
    }
    page
}
