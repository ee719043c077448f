//! Any object as indented text for people, its fields in their own order.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, SeqAccess, Visitor},
};

use crate::table::table;

/// An object as `Field Name: value` lines, nested ones indented, lists of flat objects as tables.
pub(crate) fn describe<T: Serialize>(value: &T) -> anyhow::Result<String> {
    // Through text, because a JSON value does not keep the order of fields.
    let tree: Tree = serde_json::from_str(&serde_json::to_string(value)?)?;
    let mut text = String::new();
    write_tree(&tree, title, 0, &mut text);
    Ok(text)
}

enum Tree {
    Scalar(String),
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

impl Tree {
    fn is_flat(&self) -> bool {
        match self {
            Self::Scalar(_) => true,
            Self::List(items) => items.is_empty(),
            Self::Object(fields) => fields.is_empty(),
        }
    }

    fn scalar(&self) -> &str {
        match self {
            Self::Scalar(text) => text,
            Self::List(_) | Self::Object(_) => "none",
        }
    }
}

/// Objects whose keys people chose; those stay as they are.
const CHOSEN_KEYS: [&str; 8] = [
    "labels",
    "upstreams",
    "settings",
    "credentials",
    "headers",
    "query",
    "set",
    "add",
];

fn write_tree(tree: &Tree, name: fn(&str) -> String, depth: usize, text: &mut String) {
    match tree {
        Tree::Object(fields) => {
            let width = fields
                .iter()
                .filter(|(_, value)| value.is_flat())
                .map(|(key, _)| name(key).len())
                .max();
            for (key, value) in fields {
                write_field(key, &name(key), value, width.unwrap_or_default(), depth, text);
            }
        }
        Tree::List(items) => write_list(items, depth, text),
        Tree::Scalar(value) => line(depth, value, text),
    }
}

fn write_field(key: &str, name: &str, value: &Tree, width: usize, depth: usize, text: &mut String) {
    let name = format!("{name}:");
    if value.is_flat() {
        line(
            depth,
            &format!("{name:<width$}  {}", value.scalar(), width = width + 1),
            text,
        );
    } else {
        line(depth, &name, text);
        let names = if CHOSEN_KEYS.contains(&key) {
            str::to_owned
        } else {
            title
        };
        write_tree(value, names, depth + 1, text);
    }
}

fn write_list(items: &[Tree], depth: usize, text: &mut String) {
    if let Some(table) = as_table(items) {
        for row in table.lines() {
            line(depth, row, text);
        }
        return;
    }
    for item in items {
        match item {
            Tree::Scalar(value) => line(depth, value, text),
            nested => {
                line(depth, "-", text);
                write_tree(nested, title, depth + 1, text);
            }
        }
    }
}

/// A list of objects without anything nested is easier to read as a table.
fn as_table(items: &[Tree]) -> Option<String> {
    let mut headings: Vec<&str> = Vec::new();
    for item in items {
        let Tree::Object(fields) = item else { return None };
        for (key, value) in fields {
            if !value.is_flat() {
                return None;
            }
            if !headings.contains(&key.as_str()) {
                headings.push(key);
            }
        }
    }
    let cell = |item: &Tree, heading: &str| match item {
        Tree::Object(fields) => fields
            .iter()
            .find(|(key, _)| key == heading)
            .map(|(_, value)| value.scalar().to_owned()),
        _ => None,
    };
    let row = |item: &Tree| {
        headings
            .iter()
            .map(|heading| cell(item, heading).unwrap_or_default())
            .collect()
    };
    let rows: Vec<Vec<String>> = items.iter().map(row).collect();
    let titles: Vec<String> = headings.iter().map(|heading| title(heading)).collect();
    let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
    Some(table(&titles, &rows))
}

fn line(depth: usize, content: &str, text: &mut String) {
    // Values come from gateways, too; they must not steer the terminal.
    let clean = content
        .chars()
        .map(|character| if character.is_control() { ' ' } else { character });
    text.push_str(&"  ".repeat(depth));
    text.extend(clean);
    text.truncate(text.trim_end_matches(' ').len());
    text.push('\n');
}

/// `lastTransitionTime` as `Last Transition Time`.
fn title(key: &str) -> String {
    let mut title = String::with_capacity(key.len() + 4);
    for (position, character) in key.chars().enumerate() {
        match position {
            0 => title.push(character.to_ascii_uppercase()),
            _ if character.is_ascii_uppercase() => title.extend([' ', character]),
            _ => title.push(character),
        }
    }
    title
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

macro_rules! scalars {
    ($($method:ident($type:ty)),+ $(,)?) => {$(
        fn $method<E>(self, value: $type) -> Result<Tree, E> {
            Ok(Tree::Scalar(value.to_string()))
        }
    )+};
}

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    scalars! { visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64), visit_str(&str) }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Scalar("none".to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element()? {
            items.push(item);
        }
        Ok(Tree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut fields = Vec::new();
        while let Some(entry) = map.next_entry()? {
            fields.push(entry);
        }
        Ok(Tree::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    use super::*;

    #[test]
    fn nested_objects_are_indented_and_flat_lists_are_tables() {
        let value = json!({
            "kind": "Api",
            "metadata": {"name": "orders", "labels": {"team/owner": "a", "tier": "b"}},
            "conditions": [
                {"type": "Accepted", "status": "True", "lastTransitionTime": "2026-01-31T12:00:00Z"},
                {"type": "Deployed", "status": "Unknown"},
            ],
            "policies": [{"type": "cors", "with": {"allowOrigins": ["https://a.example", "https://b.example"]}}],
            "hostnames": [],
        });
        expect![[r#"
            Conditions:
              Last Transition Time   Status    Type
              2026-01-31T12:00:00Z   True      Accepted
                                     Unknown   Deployed
            Hostnames:  none
            Kind:       Api
            Metadata:
              Labels:
                team/owner:  a
                tier:        b
              Name:  orders
            Policies:
              -
                Type:  cors
                With:
                  Allow Origins:
                    https://a.example
                    https://b.example
        "#]]
        .assert_eq(&describe(&value).unwrap());
    }
}
