//! The methods of an export, one by one, in the order of their paths.

use serde_json::{Map, Value};

/// A method of a resource, or a route.
#[derive(Debug, Clone, Copy)]
pub(super) struct Method<'a> {
    /// The whole export.
    pub(super) document: &'a Value,
    /// The path as AWS writes it: `/orders/{proxy+}`.
    pub(super) template: &'a str,
    /// `GET`, or `*` for every method.
    pub(super) method: &'a str,
    /// What is said of the method.
    pub(super) fields: &'a Map<String, Value>,
    /// What is said of all methods of the path.
    pub(super) path: &'a Map<String, Value>,
}

const METHODS: [(&str, &str); 9] = [
    ("x-amazon-apigateway-any-method", "*"),
    ("delete", "DELETE"),
    ("get", "GET"),
    ("head", "HEAD"),
    ("options", "OPTIONS"),
    ("patch", "PATCH"),
    ("post", "POST"),
    ("put", "PUT"),
    ("trace", "TRACE"),
];

/// All methods of an export.
pub(super) fn methods(document: &Value) -> Vec<Method<'_>> {
    let paths = document
        .get("paths")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    let mut methods = Vec::new();
    for (template, item) in paths {
        let Some(path) = item.as_object() else { continue };
        for (field, method) in METHODS {
            if let Some(fields) = path.get(field).and_then(Value::as_object) {
                methods.push(Method {
                    document,
                    template,
                    method,
                    fields,
                    path,
                });
            }
        }
    }
    methods
}

impl<'a> Method<'a> {
    /// The route for everything that no other route takes.
    pub(super) fn is_default(&self) -> bool {
        self.template.trim_start_matches('/') == "$default"
    }

    /// How people call it: `GET /orders`.
    pub(super) fn title(&self) -> String {
        let method = if self.method == "*" { "ANY" } else { self.method };
        format!("{method} {}", self.template)
    }

    /// The path in canonical words: `/orders/{proxy...}`.
    pub(super) fn canonical_path(&self) -> String {
        if self.is_default() {
            return "/{proxy...}".to_owned();
        }
        let path = self.template.replace("+}", "...}");
        if path.starts_with('/') {
            path
        } else {
            format!("/{path}")
        }
    }

    /// An extension of the method.
    pub(super) fn extension(&self, name: &str) -> Option<&'a Value> {
        self.fields.get(&format!("x-amazon-apigateway-{name}"))
    }

    /// What answers it.
    pub(super) fn integration(&self) -> Option<&'a Map<String, Value>> {
        resolved(self.document, self.extension("integration")?)?.as_object()
    }

    /// Its parameters in one place (`path`, `query`, `header`), those of the path included.
    pub(super) fn parameters(&self, place: &'a str) -> impl Iterator<Item = &'a Value> + use<'a> {
        let document = self.document;
        let lists = [self.fields, self.path]
            .into_iter()
            .filter_map(|fields| fields.get("parameters")?.as_array());
        lists
            .flatten()
            .filter_map(move |parameter| resolved(document, parameter))
            .filter(move |parameter| parameter.get("in").and_then(Value::as_str) == Some(place))
    }

    /// The security schemes that it asks for, each with its scopes. AWS asks for all that are named.
    pub(super) fn security(&self) -> Vec<(&'a str, Vec<&'a str>)> {
        let own = self
            .fields
            .get("security")
            .or_else(|| self.document.get("security"));
        let requirements = own.and_then(Value::as_array).into_iter().flatten();
        let pairs = requirements.filter_map(Value::as_object).flatten();
        pairs
            .map(|(name, scopes)| (name.as_str(), texts(scopes)))
            .collect()
    }

    /// A security scheme by its name.
    pub(super) fn scheme(&self, name: &str) -> Option<&'a Map<String, Value>> {
        self.document
            .get("components")?
            .get("securitySchemes")?
            .get(name)?
            .as_object()
    }
}

/// The texts of a list.
pub(super) fn texts(list: &Value) -> Vec<&str> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// What a value is, or what its `$ref` within the document leads to.
pub(super) fn resolved<'a>(document: &'a Value, value: &'a Value) -> Option<&'a Value> {
    match value.get("$ref").and_then(Value::as_str) {
        None => Some(value),
        Some(target) => document.pointer(target.strip_prefix('#')?),
    }
}
