//! Which part of the Admin API a path means.

use crate::collections::Collection;
use crate::kong::Kong;

/// What a path means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Root,
    Status,
    Timers,
    Endpoints,
    EnabledPlugins,
    Schema(String),
    Validation(String),
    Configuration,
    Tags(Option<String>),
    Collection(&'static Collection),
    Entity(&'static Collection, String),
    /// The entities that refer to one, and one of them.
    Children(Place),
    Child(Place, String),
    /// The entity that a field of one refers to.
    Referenced(&'static Collection, String, String),
    Health(String),
    SetHealth(String),
}

/// A collection beneath an entity of another.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) parent: &'static Collection,
    pub(crate) parent_key: String,
    pub(crate) children: &'static Collection,
    /// The field of the children that refers to the parent.
    pub(crate) field: String,
}

impl Target {
    /// What the parts of a path mean, if anything.
    pub(crate) fn of(kong: &Kong, segments: &[String]) -> Option<Self> {
        let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
        match parts.as_slice() {
            [] => Some(Self::Root),
            ["status"] => Some(Self::Status),
            ["timers"] => Some(Self::Timers),
            ["endpoints"] => Some(Self::Endpoints),
            ["config"] => Some(Self::Configuration),
            ["plugins", "enabled"] => Some(Self::EnabledPlugins),
            ["tags"] => Some(Self::Tags(None)),
            ["tags", tag] => Some(Self::Tags(Some((*tag).to_owned()))),
            ["schemas", rest @ .., "validate"] if !rest.is_empty() => Some(Self::Validation(rest.join("/"))),
            ["schemas", rest @ ..] if !rest.is_empty() => Some(Self::Schema(rest.join("/"))),
            ["plugins", "schema", name] => Some(Self::Schema(format!("plugins/{name}"))),
            ["upstreams", upstream, "health"] => Some(Self::Health((*upstream).to_owned())),
            ["upstreams", upstream, "targets", _, "healthy" | "unhealthy"] => {
                Some(Self::SetHealth((*upstream).to_owned()))
            }
            [collection] => Some(Self::Collection(Collection::at(collection)?)),
            [collection, key] => Some(Self::Entity(Collection::at(collection)?, (*key).to_owned())),
            [parent, key, rest @ ..] => Self::beneath(kong, Collection::at(parent)?, key, rest),
        }
    }

    fn beneath(kong: &Kong, parent: &'static Collection, key: &str, rest: &[&str]) -> Option<Self> {
        let (name, rest) = rest.split_first()?;
        let fields = kong.foreign_fields(parent.name);
        if rest.is_empty() && fields.iter().any(|(field, _)| field == name) {
            return Some(Self::Referenced(parent, key.to_owned(), (*name).to_owned()));
        }
        let children = Collection::beneath(name)?;
        let refers = kong
            .foreign_fields(children.name)
            .into_iter()
            .find(|(_, target)| target == parent.name);
        let place = Place {
            parent,
            parent_key: key.to_owned(),
            children,
            field: refers?.0,
        };
        match rest {
            [] => Some(Self::Children(place)),
            ["all"] if children.name == "targets" => Some(Self::Children(place)),
            [child] => Some(Self::Child(place, (*child).to_owned())),
            _ => None,
        }
    }

    /// The methods that it takes, apart from HEAD and OPTIONS.
    pub(crate) fn methods(&self) -> &'static [&'static str] {
        match self {
            Self::Collection(_) | Self::Children(_) | Self::Configuration => &["GET", "POST"],
            Self::Entity(..) | Self::Child(..) => &["DELETE", "GET", "PATCH", "PUT"],
            Self::Referenced(..) => &["GET", "PATCH", "PUT"],
            Self::Validation(_) => &["POST"],
            Self::SetHealth(_) => &["PUT"],
            _ => &["GET"],
        }
    }
}
