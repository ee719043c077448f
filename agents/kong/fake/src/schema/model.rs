//! A schema in memory: fields with their kinds and rules, and the checks on the whole.

use serde_json::Value;

use super::checks::Check;
use super::rules::Rule;

/// What an entity or a record may hold.
#[derive(Debug, Clone, Default)]
pub(crate) struct Schema {
    pub(crate) fields: Vec<(String, Field)>,
    pub(crate) checks: Vec<Check>,
    pub(crate) shorthands: Vec<(String, Shorthand)>,
}

impl Schema {
    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        self.fields
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, field)| field)
    }

    pub(crate) fn field_mut(&mut self, name: &str) -> Option<&mut Field> {
        self.fields
            .iter_mut()
            .find(|(known, _)| known == name)
            .map(|(_, field)| field)
    }

    /// The field at a path such as `config.redis.host`.
    pub(crate) fn at_mut(&mut self, path: &str) -> Option<&mut Field> {
        let Some((first, rest)) = path.split_once('.') else {
            return self.field_mut(path);
        };
        match &mut self.field_mut(first)?.kind {
            Kind::Record(inner) => inner.at_mut(rest),
            _ => None,
        }
    }
}

/// One field of a schema.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) kind: Kind,
    pub(crate) required: bool,
    pub(crate) default: Option<Value>,
    /// Made by Kong when it is not given.
    pub(crate) auto: bool,
    pub(crate) unique: bool,
    pub(crate) timestamp: bool,
    pub(crate) uuid: bool,
    /// Nothing may be given here.
    pub(crate) must_be_null: bool,
    pub(crate) rules: Vec<Rule>,
    /// What to say whatever rule is broken.
    pub(crate) error: Option<String>,
}

/// The type of a field.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Any,
    Boolean,
    Integer,
    Number,
    Text,
    Array(Box<Field>),
    Set(Box<Field>),
    Map {
        keys: Box<Field>,
        values: Box<Field>,
    },
    Record(Schema),
    /// A record whose schema depends on another field.
    AnyRecord,
    Foreign {
        collection: String,
        cascade: bool,
    },
}

/// A field that clients may send and that stands for others.
#[derive(Debug, Clone)]
pub(crate) struct Shorthand {
    pub(crate) field: Field,
    pub(crate) meaning: Meaning,
}

/// What a shorthand stands for.
#[derive(Debug, Clone)]
pub(crate) enum Meaning {
    /// The field that has taken its place; Kong answers with both.
    Moved(Vec<String>),
    /// `url` of a service: protocol, host, port and path.
    Url,
    /// Taken, and without effect.
    Ignored,
}
