//! Lists whose elements have names: operations are named by what they match, policies by their type. They are compared
//! by name, so that one more element is one difference, wherever it stands.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::canonical::canonical_json;

/// A name within a list. In its order, operations are in theirs: by path, method, headers, query.
pub(crate) type Name = Vec<String>;

/// A list by the names of its elements.
pub(crate) struct Named<'a> {
    names: Vec<Name>,
    elements: BTreeMap<Name, &'a Value>,
}

impl<'a> Named<'a> {
    /// The names with their indexes, in the list's order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Name, usize)> {
        self.names.iter().enumerate().map(|(index, name)| (name, index))
    }

    /// The names in the list's order.
    pub(crate) fn names(&self) -> &[Name] {
        &self.names
    }

    /// The names as people read them: `GET /orders`, `ratelimit`.
    pub(crate) fn titles(&self) -> Vec<String> {
        self.names.iter().map(title).collect()
    }

    /// The element of a name.
    pub(crate) fn get(&self, name: &Name) -> Option<&'a Value> {
        self.elements.get(name).copied()
    }
}

/// A list by names, each of which it has once; none if it is no such list.
pub(crate) fn unique(list: &[Value]) -> Option<Named<'_>> {
    let named = numbered(list)?;
    let repeated = named
        .names
        .iter()
        .any(|name| name.last().is_some_and(|number| number != FIRST));
    (!repeated).then_some(named)
}

const FIRST: &str = "0";

/// A list by names; of several elements of one name, the first is the first. None if an element has no name.
pub(crate) fn numbered(list: &[Value]) -> Option<Named<'_>> {
    let mut counts: BTreeMap<Name, usize> = BTreeMap::new();
    let mut named = Named {
        names: Vec::with_capacity(list.len()),
        elements: BTreeMap::new(),
    };
    for element in list {
        let mut name = name(element)?;
        let count = counts.entry(name.clone()).or_default();
        name.push(count.to_string());
        *count += 1;
        named.names.push(name.clone());
        named.elements.insert(name, element);
    }
    Some(named)
}

fn name(element: &Value) -> Option<Name> {
    if let Some(matched) = element.get("match").filter(|matched| matched.is_object()) {
        let text = |field: &str| {
            let value = matched.get(field);
            value.map(|value| {
                value
                    .as_str()
                    .map_or_else(|| canonical_json(value), str::to_owned)
            })
        };
        let name = ["path", "method", "headers", "query"].map(|field| text(field).unwrap_or_default());
        return Some(name.into());
    }
    let kind = element.get("type")?.as_str()?;
    Some(vec![kind.to_owned()])
}

fn title(name: &Name) -> String {
    match &name[..] {
        [path, method, headers, query, _] => {
            let words = [method, path, headers, query].map(String::as_str);
            let written: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
            written.join(" ")
        }
        [kind, ..] => kind.clone(),
        [] => String::new(),
    }
}
