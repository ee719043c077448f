//! The line on which something stands in a text of YAML or JSON documents.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::Spanned;

/// The line, from 1, of the place a JSON Pointer names, or of the nearest place around it that is there.
pub(super) fn line(text: &str, document: usize, pointer: &str) -> Option<usize> {
    let documents: Vec<Spanned<Node>> = serde_saphyr::from_multiple(text).ok()?;
    let mut node = documents.get(document - 1)?;
    for step in pointer.split('/').skip(1) {
        match node.value.child(&step.replace("~1", "/").replace("~0", "~")) {
            Some(child) => node = child,
            None => break,
        }
    }
    usize::try_from(node.referenced.line())
        .ok()
        .filter(|line| *line > 0)
}

/// The shape of a value: what it contains, without what it says.
enum Node {
    Map(BTreeMap<String, Spanned<Node>>),
    List(Vec<Spanned<Node>>),
    Scalar,
}

impl Node {
    fn child(&self, step: &str) -> Option<&Spanned<Self>> {
        match self {
            Self::Map(fields) => fields.get(step),
            Self::List(items) => items.get(step.parse::<usize>().ok()?),
            Self::Scalar => None,
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

macro_rules! scalars {
    ($($method:ident($type:ty)),+ $(,)?) => {$(
        fn $method<E>(self, _: $type) -> Result<Node, E> {
            Ok(Node::Scalar)
        }
    )+};
}

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    scalars! {
        visit_bool(bool), visit_i64(i64), visit_i128(i128), visit_u64(u64), visit_u128(u128), visit_f64(f64),
        visit_str(&str), visit_bytes(&[u8]),
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut fields = BTreeMap::new();
        while let Some(entry) = map.next_entry()? {
            fields.extend([entry]);
        }
        Ok(Node::Map(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "kind: Api\nmetadata:\n  name: orders\n---\nkind: Api\nspec:\n  upstreams:\n    main:\n      url: x\n  list:\n  - a: 1\n  - {b: 2,\n     'c/d': 3}\n";

    #[test]
    fn finds_the_line_of_a_pointer_or_of_what_is_around_it() {
        for (document, pointer, expected) in [
            (1, "/metadata/name", Some(3)),
            (2, "/kind", Some(5)),
            (2, "/spec/upstreams/main/url", Some(9)),
            (2, "/spec/list/1/c~1d", Some(13)),
            (2, "/spec/list/1/missing", Some(12)),
            (3, "", None),
        ] {
            assert_eq!(line(TEXT, document, pointer), expected, "{document} {pointer}");
        }
    }

    #[test]
    fn finds_lines_in_json_too() {
        assert_eq!(
            line("{\n \"spec\": {\n  \"basePath\": 3\n }\n}", 1, "/spec/basePath"),
            Some(3)
        );
    }
}
