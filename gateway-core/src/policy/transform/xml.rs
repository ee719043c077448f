//! XML as JSON values, and back.
//!
//! An element is an object of its attributes (`@name`) and its elements by name; of several with one name it has a list.
//! Its text is `#text`; an element that has nothing else is that text. The document is an object with its one element.
//! Namespaces are left out, and so are comments and instructions. A document type is refused, so there are no entities
//! but the five that XML has.

use std::collections::BTreeSet;

use roxmltree::{Document, Node, ParsingOptions};
use serde_json::{Map, Value};

/// The deepest elements.
const DEPTH_MAX: usize = 64;

/// The most elements, attributes and texts of a document.
const NODES_MAX: u32 = 100_000;

/// The most attributes of one element: each is compared with all others.
const ATTRIBUTES_MAX: usize = 256;

/// The most prefixes that stand for namespaces: each element that declares one goes through all that hold for it.
const PREFIXES_MAX: usize = 32;

/// The longest such prefix.
const PREFIX_BYTES_MAX: usize = 64;

/// The most declarations of namespaces.
const DECLARATIONS_MAX: usize = 10_000;

/// The field that is an element's text.
const TEXT: &str = "#text";

/// Reads a document.
pub(super) fn read(body: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(body).map_err(|_| "it is not UTF-8".to_owned())?;
    check_effort(text)?;
    let options = ParsingOptions {
        allow_dtd: false,
        nodes_limit: NODES_MAX,
        ..ParsingOptions::default()
    };
    let document = Document::parse_with_options(text, options).map_err(|error| error.to_string())?;
    let root = document.root_element();
    let mut fields = Map::new();
    fields.insert(root.tag_name().name().to_owned(), element(root, DEPTH_MAX)?);
    Ok(Value::Object(fields))
}

/// Refuses what would keep the parser busy for long. Counted are all places that may be attributes or declarations,
/// those of the latter in texts as well: what follows a `<` up to the `>` holds the attributes of one element at most.
fn check_effort(text: &str) -> Result<(), String> {
    if text.split('<').any(|part| quoted(part) > ATTRIBUTES_MAX) {
        return Err(format!("an element has more than {ATTRIBUTES_MAX} attributes"));
    }
    let mut prefixes = BTreeSet::new();
    for (number, (at, name)) in text.match_indices("xmlns").enumerate() {
        if let Some(rest) = text.as_bytes()[at + name.len()..].strip_prefix(b":") {
            let ends = |byte: &u8| byte.is_ascii_whitespace() || b"=<>\"'".contains(byte);
            let end = rest.iter().take(PREFIX_BYTES_MAX).position(ends);
            let end = end.ok_or("a prefix of a namespace is too long")?;
            prefixes.insert(&rest[..end]);
        }
        if number >= DECLARATIONS_MAX || prefixes.len() > PREFIXES_MAX {
            return Err("it declares too many namespaces".to_owned());
        }
    }
    Ok(())
}

/// How many values in quotes a tag has, up to its end. Comments, instructions and texts in CDATA have no attributes.
fn quoted(tag: &str) -> usize {
    if tag.starts_with(['!', '?']) {
        return 0;
    }
    let mut open = None;
    let mut count = 0;
    for byte in tag.bytes() {
        match (open, byte) {
            (Some(quote), _) if quote == byte => open = None,
            (None, b'"' | b'\'') => {
                open = Some(byte);
                count += 1;
            }
            (None, b'>') => break,
            _ => {}
        }
    }
    count
}

fn element(node: Node<'_, '_>, depth: usize) -> Result<Value, String> {
    let depth = depth
        .checked_sub(1)
        .ok_or_else(|| format!("its elements are more than {DEPTH_MAX} deep"))?;
    let mut fields = Map::new();
    for attribute in node.attributes() {
        let value = Value::String(attribute.value().to_owned());
        if fields.insert(format!("@{}", attribute.name()), value).is_some() {
            let name = attribute.name();
            return Err(format!(
                "an element has the attribute `{name}` in several namespaces"
            ));
        }
    }
    let mut text = String::new();
    for child in node.children() {
        if child.is_text() {
            text.push_str(child.text().unwrap_or_default());
        } else if child.is_element() {
            let value = element(child, depth)?;
            add(&mut fields, child.tag_name().name(), value);
        }
    }
    if fields.is_empty() {
        return Ok(Value::String(text));
    }
    // Between elements, white space is how the document is laid out.
    if !text.trim().is_empty() {
        fields.insert(TEXT.to_owned(), Value::String(text));
    }
    Ok(Value::Object(fields))
}

/// What is there several times is a list.
fn add(fields: &mut Map<String, Value>, name: &str, value: Value) {
    match fields.get_mut(name) {
        None => {
            fields.insert(name.to_owned(), value);
        }
        // Nothing else makes lists.
        Some(Value::Array(items)) => items.push(value),
        Some(first) => *first = Value::Array(vec![first.take(), value]),
    }
}

/// Writes a document, whose element is the value's only field, or has this name.
pub(super) fn write(value: &Value, root: &str, max: usize) -> Result<Vec<u8>, String> {
    let mut writing = Writing {
        text: String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>"),
        max,
    };
    match value {
        Value::Object(fields) if fields.len() == 1 => {
            for (name, value) in fields {
                match value.is_array() || name.starts_with('@') || name == TEXT {
                    true => writing.element(root, &Value::Object(fields.clone()), DEPTH_MAX)?,
                    false => writing.element(name, value, DEPTH_MAX)?,
                }
            }
        }
        Value::Array(items) => {
            let mut fields = Map::new();
            fields.insert("item".to_owned(), Value::Array(items.clone()));
            writing.element(root, &Value::Object(fields), DEPTH_MAX)?;
        }
        value => writing.element(root, value, DEPTH_MAX)?,
    }
    Ok(writing.text.into_bytes())
}

struct Writing {
    text: String,
    max: usize,
}

impl Writing {
    fn element(&mut self, name: &str, value: &Value, depth: usize) -> Result<(), String> {
        let depth = depth
            .checked_sub(1)
            .ok_or_else(|| format!("it is more than {DEPTH_MAX} deep"))?;
        if !is_name(name) {
            return Err(format!("`{name}` is not the name of an XML element"));
        }
        if self.text.len() > self.max {
            return Err(super::too_large());
        }
        match value {
            Value::Array(items) => {
                for item in items {
                    // A list in a list has no name of its own.
                    match item {
                        Value::Array(inner) => {
                            let mut fields = Map::new();
                            fields.insert("item".to_owned(), Value::Array(inner.clone()));
                            self.element(name, &Value::Object(fields), depth)?;
                        }
                        item => self.element(name, item, depth)?,
                    }
                }
                return Ok(());
            }
            Value::Object(fields) => self.fields(name, fields, depth)?,
            scalar => {
                self.open(name);
                self.scalar(scalar, false)?;
            }
        }
        self.text.push_str("</");
        self.text.push_str(name);
        self.text.push('>');
        Ok(())
    }

    fn open(&mut self, name: &str) {
        self.text.push('<');
        self.text.push_str(name);
        self.text.push('>');
    }

    fn fields(&mut self, name: &str, fields: &Map<String, Value>, depth: usize) -> Result<(), String> {
        self.text.push('<');
        self.text.push_str(name);
        for (field, value) in fields {
            let Some(attribute) = field.strip_prefix('@') else {
                continue;
            };
            if !is_name(attribute) {
                return Err(format!("`{attribute}` is not the name of an XML attribute"));
            }
            self.text.push(' ');
            self.text.push_str(attribute);
            self.text.push_str("=\"");
            self.scalar(value, true)?;
            self.text.push('"');
        }
        self.text.push('>');
        for (field, value) in fields.iter().filter(|(field, _)| !field.starts_with('@')) {
            match field == TEXT {
                true => self.scalar(value, false)?,
                false => self.element(field, value, depth)?,
            }
        }
        Ok(())
    }

    fn scalar(&mut self, value: &Value, in_attribute: bool) -> Result<(), String> {
        let number;
        let text = match value {
            Value::Null => "",
            Value::Bool(true) => "true",
            Value::Bool(false) => "false",
            Value::Number(written) => {
                number = written.to_string();
                &number
            }
            Value::String(text) => text,
            Value::Array(_) | Value::Object(_) => {
                return Err("an attribute or text of XML cannot be a list or an object".to_owned());
            }
        };
        for character in text.chars() {
            match character {
                '&' => self.text.push_str("&amp;"),
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                '"' if in_attribute => self.text.push_str("&quot;"),
                // Otherwise readers would make a space or a line feed of it.
                '\t' | '\n' if in_attribute => self.reference(character),
                '\r' => self.reference(character),
                '\t' | '\n' => self.text.push(character),
                '\0'..' ' | '\u{fffe}' | '\u{ffff}' => {
                    return Err("it has a character that XML cannot have".to_owned());
                }
                plain => self.text.push(plain),
            }
        }
        Ok(())
    }

    fn reference(&mut self, character: char) {
        self.text.push_str(&format!("&#{};", u32::from(character)));
    }
}

/// A name of an element or attribute, without a namespace.
pub(super) fn is_name(text: &str) -> bool {
    let mut characters = text.chars();
    let begins = characters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
    begins && characters.all(|character| character.is_ascii_alphanumeric() || "-_.".contains(character))
}
