//! The kinds of objects that can be listed, and the words people use for them.

use std::str::FromStr;

use gatehouse_schemas::resource::Kind;

use crate::failure::Failure;

/// A kind of object that can be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listing {
    /// One of the kinds people write documents of.
    Resource(Kind),
    Revision,
    Deployment,
    Plan,
    Agent,
    Discovery,
    Import,
    Token,
    AuditEvent,
}

/// Every kind with its singular, its plural (also the collection's name in the Admin API), and short forms.
const WORDS: [(Listing, &str, &str, &[&str]); 13] = [
    (Listing::Resource(Kind::Api), "api", "apis", &[]),
    (
        Listing::Resource(Kind::Environment),
        "environment",
        "environments",
        &["env", "envs"],
    ),
    (Listing::Resource(Kind::Policy), "policy", "policies", &[]),
    (Listing::Resource(Kind::Project), "project", "projects", &[]),
    (Listing::Resource(Kind::Secret), "secret", "secrets", &[]),
    (Listing::Revision, "revision", "revisions", &["rev", "revs"]),
    (
        Listing::Deployment,
        "deployment",
        "deployments",
        &["deploy", "deploys"],
    ),
    (Listing::Plan, "plan", "plans", &[]),
    (Listing::Agent, "agent", "agents", &[]),
    (Listing::Discovery, "discovery", "discoveries", &[]),
    (Listing::Import, "import", "imports", &[]),
    (Listing::Token, "token", "tokens", &[]),
    (
        Listing::AuditEvent,
        "audit-event",
        "audit-events",
        &["audit", "events", "event"],
    ),
];

impl Listing {
    /// The word for one.
    pub(crate) fn singular(self) -> &'static str {
        self.words().0
    }

    /// The word for many; also the collection's name in the Admin API.
    pub(crate) fn plural(self) -> &'static str {
        self.words().1
    }

    fn words(self) -> (&'static str, &'static str) {
        let found = WORDS.iter().find(|(listing, ..)| *listing == self);
        found.map_or(("object", "objects"), |(_, singular, plural, _)| {
            (singular, plural)
        })
    }
}

impl FromStr for Listing {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let lower = word.to_ascii_lowercase();
        let is = |singular: &str, plural: &str, short: &[&str]| {
            lower == singular || lower == plural || short.contains(&lower.as_str())
        };
        let found = WORDS
            .iter()
            .find(|(_, singular, plural, short)| is(singular, plural, short));
        let all = || {
            WORDS
                .iter()
                .map(|(_, _, plural, _)| *plural)
                .collect::<Vec<_>>()
                .join(", ")
        };
        found
            .map(|(listing, ..)| *listing)
            .ok_or_else(|| format!("there is no kind `{word}`; the kinds are {}", all()))
    }
}

/// A kind and, where given, a name: `api orders` or `api/orders`.
pub(crate) fn kind_and_names(kind: &str, names: &[String]) -> Result<(Listing, Vec<String>), Failure> {
    let (kind, from_kind) = match kind.split_once('/') {
        Some((kind, name)) => (kind, Some(name.to_owned())),
        None => (kind, None),
    };
    let listing = kind.parse().map_err(Failure::usage)?;
    if from_kind.is_some() && !names.is_empty() {
        return Err(Failure::usage("give the name once: `KIND/NAME` or `KIND NAME`"));
    }
    Ok((
        listing,
        from_kind.into_iter().chain(names.iter().cloned()).collect(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_singular_plural_and_short_forms_in_any_case() {
        for (word, expected) in [
            ("api", Listing::Resource(Kind::Api)),
            ("APIs", Listing::Resource(Kind::Api)),
            ("Environment", Listing::Resource(Kind::Environment)),
            ("env", Listing::Resource(Kind::Environment)),
            ("policies", Listing::Resource(Kind::Policy)),
            ("audit-events", Listing::AuditEvent),
            ("discoveries", Listing::Discovery),
        ] {
            assert_eq!(word.parse(), Ok(expected), "{word}");
        }
        assert!(
            "gateways"
                .parse::<Listing>()
                .unwrap_err()
                .contains("apis, environments")
        );
    }

    #[test]
    fn the_plural_of_a_resource_is_the_collection_of_the_admin_api() {
        for kind in Kind::ALL {
            assert_eq!(Listing::Resource(kind).plural(), kind.plural());
        }
    }

    #[test]
    fn a_name_may_stand_behind_a_slash_but_only_once() {
        let (listing, names) = kind_and_names("deployment/orders/local", &[]).unwrap();
        assert_eq!(
            (listing, names),
            (Listing::Deployment, vec!["orders/local".to_owned()])
        );
        assert!(kind_and_names("api/orders", &["users".to_owned()]).is_err());
    }
}
