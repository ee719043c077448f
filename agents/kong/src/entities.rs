//! Kong's entities, as its Admin API gives and takes them.
//!
//! They are kept as JSON, so that fields of other versions and editions survive, and what was sent can be compared
//! field by field with what is there.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A collection of the Admin API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are Kong's")]
pub enum Collection {
    Upstreams,
    Targets,
    Services,
    Routes,
    Plugins,
    Consumers,
    KeyAuths,
    BasicAuths,
    Jwts,
    Acls,
}

impl Collection {
    /// Those who may call, with their credentials and groups.
    pub const CALLERS: [Self; 5] = [
        Self::Consumers,
        Self::KeyAuths,
        Self::BasicAuths,
        Self::Jwts,
        Self::Acls,
    ];

    /// Its path below the Admin API, where all of its entities are listed.
    pub fn path(self) -> &'static str {
        match self {
            Self::Upstreams => "upstreams",
            Self::Targets => "targets",
            Self::Services => "services",
            Self::Routes => "routes",
            Self::Plugins => "plugins",
            Self::Consumers => "consumers",
            Self::KeyAuths => "key-auths",
            Self::BasicAuths => "basic-auths",
            Self::Jwts => "jwts",
            Self::Acls => "acls",
        }
    }

    /// Its path below the entity it belongs to, where it cannot be changed on its own: credentials and groups below
    /// their consumer, targets below their upstream.
    pub fn path_below_owner(self) -> Option<(Self, &'static str)> {
        match self {
            Self::KeyAuths => Some((Self::Consumers, "key-auth")),
            Self::BasicAuths => Some((Self::Consumers, "basic-auth")),
            Self::Jwts => Some((Self::Consumers, "jwt")),
            Self::Acls => Some((Self::Consumers, "acls")),
            Self::Targets => Some((Self::Upstreams, "targets")),
            _ => None,
        }
    }

    /// Its name in a declarative configuration.
    pub fn declarative_name(self) -> &'static str {
        match self {
            Self::KeyAuths => "keyauth_credentials",
            Self::BasicAuths => "basicauth_credentials",
            Self::Jwts => "jwt_secrets",
            _ => self.path(),
        }
    }

    /// One entity of it, for people.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Upstreams => "upstream",
            Self::Targets => "target",
            Self::Services => "service",
            Self::Routes => "route",
            Self::Plugins => "plugin",
            Self::Consumers => "consumer",
            Self::KeyAuths => "key-auth credential",
            Self::BasicAuths => "basic-auth credential",
            Self::Jwts => "jwt credential",
            Self::Acls => "group of a consumer",
        }
    }
}

/// One entity.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Entity(pub Map<String, Value>);

/// Credentials are entities too: only what is no secret is written.
impl fmt::Debug for Entity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "Entity({} {:?})",
            self.id(),
            self.name().unwrap_or_default()
        )
    }
}

impl Entity {
    /// What a JSON object says; other JSON is no entity.
    pub fn of(value: Value) -> Self {
        match value {
            Value::Object(fields) => Self(fields),
            _ => Self::default(),
        }
    }

    /// Its identity; empty for one that has none yet.
    pub fn id(&self) -> &str {
        self.text("id").unwrap_or_default()
    }

    /// Its name: of a plugin, which plugin it is.
    pub fn name(&self) -> Option<&str> {
        self.text("name")
    }

    /// What people call it: by name, or else by id. An empty name is none.
    pub fn title(&self) -> &str {
        let name = self.name().filter(|name| !name.trim().is_empty());
        name.unwrap_or_else(|| self.id())
    }

    /// Its tags.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        self.list("tags")
    }

    /// Whether it has a tag.
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tags().any(|other| other == tag)
    }

    /// A field that is text.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.0.get(field)?.as_str()
    }

    /// A field that is a number.
    pub fn number(&self, field: &str) -> Option<u64> {
        self.0.get(field)?.as_u64()
    }

    /// A field that is true or false.
    pub fn flag(&self, field: &str) -> Option<bool> {
        self.0.get(field)?.as_bool()
    }

    /// The texts of a field that is a list; none where it is absent or null.
    pub fn list(&self, field: &str) -> impl Iterator<Item = &str> {
        let values = self.0.get(field).and_then(Value::as_array).into_iter().flatten();
        values.filter_map(Value::as_str)
    }

    /// The id of the entity that a field refers to: `service` of a route, `consumer` of a credential.
    pub fn owner(&self, field: &str) -> Option<&str> {
        self.0.get(field)?.get("id")?.as_str()
    }

    /// A plugin's configuration.
    pub fn config(&self) -> Option<&Map<String, Value>> {
        self.0.get("config")?.as_object()
    }

    /// Whether it takes part; absent means that it does.
    pub fn is_enabled(&self) -> bool {
        self.flag("enabled").unwrap_or(true)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_empty_name_is_none() {
        for (name, expected) in [
            (json!("orders"), "orders"),
            (json!(""), "s1"),
            (json!(" "), "s1"),
            (json!(null), "s1"),
        ] {
            let entity = Entity::of(json!({"id": "s1", "name": name}));
            assert_eq!(entity.title(), expected);
        }
    }
}
