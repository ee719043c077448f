//! REST API or HTTP API: which of the two an API becomes, and why.

use std::collections::BTreeSet;

use gatehouse_connector_sdk::{
    error::{Error, ErrorKind, Result},
    schemas::{
        descriptor::Fidelity, desired::DesiredApi, fidelity::PolicyFidelity, policy::Policy,
        revision::RevisionContent,
    },
};
use serde::{Deserialize, Serialize};

use super::{fidelity::report, obstacles::obstacles, scene::Scene};
use crate::config::AwsSettings;

/// The two products of API Gateway that serve HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// A REST API, version 1 of AWS's interface.
    Rest,
    /// An HTTP API, version 2 of it.
    Http,
}

impl Kind {
    /// As people say it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Rest => "REST API",
            Self::Http => "HTTP API",
        }
    }

    /// As people say it of one.
    pub(crate) fn one(self) -> &'static str {
        match self {
            Self::Rest => "a REST API",
            Self::Http => "an HTTP API",
        }
    }

    /// The other one.
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Rest => Self::Http,
            Self::Http => Self::Rest,
        }
    }
}

/// What an API becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    /// The kind.
    pub(crate) kind: Kind,
    /// Why, as a sentence for people.
    pub(crate) reason: String,
}

/// What an API becomes: what the environment says or, where that is `auto`, what expresses its policies best.
///
/// Refuses what is no policy and cannot be expressed: nobody can accept that an API answers other requests than it says.
pub(crate) fn kind(desired: &DesiredApi, settings: &AwsSettings) -> Result<Choice> {
    let choice = chosen(&desired.content, settings);
    let obstacles = obstacles(scene(&desired.content, settings, choice.kind));
    if obstacles.is_empty() {
        return Ok(choice);
    }
    Err(Error::new(
        ErrorKind::Unsupported,
        format!(
            "Amazon API Gateway cannot serve `{}` as {}: it does not know {}; deploy it to another gateway, or change the API",
            desired.mark.api_name,
            choice.kind.one(),
            obstacles.join(", ")
        ),
    ))
}

/// As [`kind`], whether it can be expressed or not.
pub(super) fn chosen(content: &RevisionContent, settings: &AwsSettings) -> Choice {
    let said = |kind: Kind| Choice {
        kind,
        reason: format!("It becomes {}, as the environment's `kind` says.", kind.one()),
    };
    match settings.kind.as_str() {
        "rest" => said(Kind::Rest),
        "http" => said(Kind::Http),
        _ => best(content, settings),
    }
}

/// What is lost, the worst first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cost {
    cannot_be_served: bool,
    open: usize,
    unsupported: usize,
    approximated: usize,
}

fn best(content: &RevisionContent, settings: &AwsSettings) -> Choice {
    let cost = |kind| cost(scene(content, settings, kind));
    let (rest, http) = (cost(Kind::Rest), cost(Kind::Http));
    if rest == http {
        let reason = "It becomes a REST API, which expresses its policies as well as an HTTP API does.";
        return Choice {
            kind: Kind::Rest,
            reason: reason.to_owned(),
        };
    }
    let kind = if rest < http { Kind::Rest } else { Kind::Http };
    Choice {
        kind,
        reason: reason(content, settings, kind),
    }
}

fn cost(scene: Scene<'_>) -> Cost {
    let report = report(scene);
    let count = |is: fn(&PolicyFidelity) -> bool| report.iter().filter(|entry| is(entry)).count();
    let open = |entry: &PolicyFidelity| is_unsupported(entry) && Policy::is_security_type(&entry.policy);
    Cost {
        cannot_be_served: !obstacles(scene).is_empty(),
        open: count(open),
        unsupported: count(is_unsupported),
        approximated: count(|entry| matches!(entry.fidelity, Fidelity::Approximated { .. })),
    }
}

fn is_unsupported(entry: &PolicyFidelity) -> bool {
    matches!(entry.fidelity, Fidelity::Unsupported { .. })
}

fn reason(content: &RevisionContent, settings: &AwsSettings, kind: Kind) -> String {
    let (own, other) = (kind.one(), kind.other().one());
    if let Some(obstacle) = obstacles(scene(content, settings, kind.other())).first() {
        return format!("It becomes {own}, since {other} does not know {obstacle}.");
    }
    let better = better(content, settings, kind);
    format!(
        "It becomes {own}, which expresses {} better than {other} does.",
        better.join(", ")
    )
}

/// The policy types that a kind expresses better than the other one.
fn better(content: &RevisionContent, settings: &AwsSettings, kind: Kind) -> Vec<String> {
    let ours = report(scene(content, settings, kind));
    let theirs = report(scene(content, settings, kind.other()));
    let both = ours.iter().zip(&theirs);
    let better = both.filter(|(own, other)| level(&own.fidelity) < level(&other.fidelity));
    let types: BTreeSet<&str> = better.map(|(own, _)| own.policy.as_str()).collect();
    types.into_iter().map(|policy| format!("`{policy}`")).collect()
}

fn level(fidelity: &Fidelity) -> u8 {
    match fidelity {
        Fidelity::Exact => 0,
        Fidelity::Approximated { .. } => 1,
        Fidelity::Unsupported { .. } => 2,
    }
}

fn scene<'a>(content: &'a RevisionContent, settings: &'a AwsSettings, kind: Kind) -> Scene<'a> {
    Scene {
        content,
        settings,
        kind,
    }
}
