//! What Kong answers when it refuses: status and body.

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use crate::lua_text::{flat, pretty};

/// A refusal.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum AdminError {
    /// The entity is not what its schema says.
    Schema(Map<String, Value>),
    /// The id is taken.
    PrimaryKey(String),
    /// It refers to an entity that is not there: the field, the collection, the id.
    NoSuchReference {
        field: String,
        collection: String,
        id: String,
    },
    /// It is referred to by entities of another collection.
    Referenced { collection: String, by: String },
    /// Another entity has these values.
    Unique(Map<String, Value>),
    /// There is no entity with these values.
    NoSuchEntity(Map<String, Value>),
    /// The size of a page is none.
    Size(&'static str),
    /// The offset is none.
    Offset(String),
    /// An option in the query is none.
    Options {
        option: &'static str,
        said: &'static str,
    },
    /// Refused without a database.
    Unsupported(String),
    /// It refers by name to an entity that is not there.
    Unresolved(Map<String, Value>),
    /// The declarative configuration is wrong.
    Declarative {
        errors: Value,
        flattened: Option<Vec<Value>>,
    },
    /// A status with a message alone.
    Message(StatusCode, String),
    /// The page that nginx answers for a body it cannot read.
    UnsupportedMedia,
}

impl AdminError {
    pub(crate) fn not_found() -> Self {
        Self::Message(StatusCode::NOT_FOUND, "Not found".to_owned())
    }

    pub(crate) fn bad_request(message: &str) -> Self {
        Self::Message(StatusCode::BAD_REQUEST, message.to_owned())
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::Message(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed".to_owned())
    }

    pub(crate) fn unexpected() -> Self {
        Self::Message(
            StatusCode::INTERNAL_SERVER_ERROR,
            "An unexpected error occurred".to_owned(),
        )
    }

    /// The status and the body.
    pub(crate) fn answer(&self) -> (StatusCode, Value) {
        match self {
            Self::Message(status, message) => (*status, json!({ "message": message })),
            Self::UnsupportedMedia => (StatusCode::UNSUPPORTED_MEDIA_TYPE, Value::Null),
            Self::Unique(_) => (StatusCode::CONFLICT, self.coded()),
            Self::NoSuchEntity(_) => (StatusCode::NOT_FOUND, self.coded()),
            Self::Unsupported(_) => (StatusCode::METHOD_NOT_ALLOWED, self.coded()),
            _ => (StatusCode::BAD_REQUEST, self.coded()),
        }
    }

    fn coded(&self) -> Value {
        match self {
            Self::Schema(fields) => body(
                2,
                "schema violation",
                violations("schema violation", fields),
                fields,
            ),
            Self::PrimaryKey(id) => {
                let fields = one("id", id);
                body(
                    3,
                    "primary key violation",
                    format!("primary key violation on key '{}'", of(&fields)),
                    &fields,
                )
            }
            Self::NoSuchReference {
                field,
                collection,
                id,
            } => no_such_reference(field, collection, id),
            Self::Referenced { collection, by } => {
                let message = format!("an existing '{by}' entity references this '{collection}' entity");
                body(4, "foreign key violation", message, &one("@referenced_by", by))
            }
            Self::Unique(fields) => body(
                5,
                "unique constraint violation",
                format!("UNIQUE violation detected on '{}'", of(fields)),
                fields,
            ),
            Self::NoSuchEntity(fields) => body(
                6,
                "not found",
                format!("could not find the entity with '{}'", of(fields)),
                fields,
            ),
            Self::Unresolved(fields) => body(
                13,
                "foreign keys unresolved",
                violations("foreign key unresolved", fields),
                fields,
            ),
            Self::Declarative { errors, flattened } => declarative(errors, flattened.as_deref()),
            plain => plain.without_fields(),
        }
    }

    fn without_fields(&self) -> Value {
        match self {
            Self::Size(said) => json!({ "code": 9, "name": "invalid size", "message": said }),
            Self::Offset(offset) => {
                let message = format!("'{offset}' is not a valid offset: bad json encoding");
                json!({ "code": 7, "name": "invalid offset", "message": message })
            }
            Self::Options { option, said } => {
                let message = format!("invalid option ({option}: {said})");
                let options = Map::from_iter([((*option).to_owned(), Value::from(*said))]);
                json!({ "code": 11, "name": "invalid options", "message": message, "options": options })
            }
            Self::Unsupported(message) => {
                json!({ "code": 12, "name": "operation unsupported", "message": message })
            }
            _ => Value::Null,
        }
    }
}

fn body(code: u8, name: &str, message: String, fields: &Map<String, Value>) -> Value {
    json!({ "code": code, "name": name, "message": message, "fields": fields })
}

fn one(name: &str, value: &str) -> Map<String, Value> {
    Map::from_iter([(name.to_owned(), Value::from(value))])
}

fn of(fields: &Map<String, Value>) -> String {
    flat(&Value::Object(fields.clone()))
}

fn no_such_reference(field: &str, collection: &str, id: &str) -> Value {
    let key = of(&one("id", id));
    let message = format!("the foreign key '{key}' does not reference an existing '{collection}' entity.");
    let fields = Map::from_iter([(field.to_owned(), Value::Object(one("id", id)))]);
    body(4, "foreign key violation", message, &fields)
}

fn declarative(errors: &Value, flattened: Option<&[Value]>) -> Value {
    let name = "invalid declarative configuration";
    match flattened {
        None => {
            let message = format!("declarative config is invalid: {}", flat(errors));
            json!({ "code": 14, "name": name, "message": message, "fields": errors })
        }
        Some(list) => json!({ "code": 14, "name": name, "message": "declarative config is invalid: {}",
            "fields": {}, "flattened_errors": list }),
    }
}

/// All violations in one line: first those of the whole, then by field and by its parts.
fn violations(what: &str, errors: &Map<String, Value>) -> String {
    let mut said: Vec<String> = Vec::new();
    let whole = errors
        .get("@entity")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    said.extend(whole.filter_map(Value::as_str).map(str::to_owned));
    let mut names: Vec<&String> = errors.keys().filter(|name| *name != "@entity").collect();
    names.sort();
    for name in names {
        said.extend(said_of(name, &errors[name.as_str()]));
    }
    let several = if said.len() == 1 {
        what.to_owned()
    } else {
        format!("{} {what}s", said.len())
    };
    format!("{several} ({})", said.join("; "))
}

fn said_of(name: &str, error: &Value) -> Vec<String> {
    match error {
        Value::Object(inner) => {
            let mut parts: Vec<(&String, &Value)> = inner.iter().collect();
            parts.sort_by(|one, other| one.0.cmp(other.0));
            parts
                .into_iter()
                .map(|(part, error)| format!("{name}.{part}: {}", pretty(error)))
                .collect()
        }
        Value::Array(list) => {
            let numbered = list.iter().enumerate().filter(|(_, error)| !error.is_null());
            numbered
                .map(|(at, error)| format!("{name}.{}: {}", at + 1, pretty(error)))
                .collect()
        }
        plain => vec![format!("{name}: {}", pretty(plain))],
    }
}
