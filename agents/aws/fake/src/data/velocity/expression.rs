//! Values and conditions.

use std::collections::BTreeMap;

use regex::Regex;

use super::Scope;
use super::reader::Reader;

/// What variables were set to.
pub(super) type Variables = BTreeMap<String, String>;

/// Values by the names of what they are asked for.
pub(super) struct Values<'a> {
    pub(super) scope: &'a dyn Scope,
    pub(super) variables: Variables,
}

impl Values<'_> {
    /// A condition: alternatives of comparisons that all hold.
    pub(super) fn condition(&self, reader: &mut Reader<'_>) -> Option<bool> {
        let mut any = self.conjunction(reader)?;
        loop {
            reader.spaces();
            if !reader.takes("||") {
                return Some(any);
            }
            any |= self.conjunction(reader)?;
        }
    }

    fn conjunction(&self, reader: &mut Reader<'_>) -> Option<bool> {
        let mut all = self.comparison(reader)?;
        loop {
            reader.spaces();
            if !reader.takes("&&") {
                return Some(all);
            }
            all &= self.comparison(reader)?;
        }
    }

    fn comparison(&self, reader: &mut Reader<'_>) -> Option<bool> {
        reader.spaces();
        if reader.rest().starts_with('!') && !reader.rest().starts_with("!=") {
            reader.character();
            return self.comparison(reader).map(|holds| !holds);
        }
        if reader.takes("(") {
            let inside = self.condition(reader)?;
            reader.spaces();
            return reader.takes(")").then_some(inside);
        }
        let left = self.value(reader)?;
        reader.spaces();
        if reader.takes("==") {
            return Some(left == self.value(reader)?);
        }
        if reader.takes("!=") {
            return Some(left != self.value(reader)?);
        }
        Some(left.is_some_and(|left| left != "false"))
    }

    /// A text, a number, a word or a reference; none inside is a reference to nothing.
    pub(super) fn value(&self, reader: &mut Reader<'_>) -> Option<Option<String>> {
        reader.spaces();
        if let Some(text) = reader.quoted() {
            return Some(Some(text.to_owned()));
        }
        if reader.rest().starts_with('$') {
            return self.reference(reader);
        }
        let word = reader.all(|sign| sign.is_ascii_alphanumeric());
        (!word.is_empty()).then(|| Some(word.to_owned()))
    }

    /// A reference with its methods; none where there is none, and none inside where it refers to nothing.
    pub(super) fn reference(&self, reader: &mut Reader<'_>) -> Option<Option<String>> {
        let mut ahead = *reader;
        if !ahead.takes("$") {
            return None;
        }
        ahead.takes("!");
        let braced = ahead.takes("{");
        let name = ahead.name()?;
        let value = if ahead.takes("(") {
            self.called(name, &mut ahead)?
        } else {
            self.named(name)
        };
        if braced && !ahead.takes("}") {
            return None;
        }
        *reader = ahead;
        Some(value)
    }

    fn named(&self, name: &str) -> Option<String> {
        self.variables
            .get(name)
            .cloned()
            .or_else(|| self.scope.value(name))
    }

    /// `input.params("x")`, `name.matches("x")`, `name.contains("x")`, `util.escapeJavaScript($x)`.
    fn called(&self, name: &str, reader: &mut Reader<'_>) -> Option<Option<String>> {
        let argument = self.value(reader)?.unwrap_or_default();
        reader.spaces();
        if !reader.takes(")") {
            return None;
        }
        let (object, method) = name.rsplit_once('.')?;
        let of_object = || self.named(object);
        let said = match (object, method) {
            ("input", "params") => Some(self.scope.parameter(&argument)),
            ("util", "escapeJavaScript") => Some(
                argument
                    .replace('\\', "\\\\")
                    .replace('"', "\\\"")
                    .replace('\n', "\\n"),
            ),
            (_, "matches") => {
                let pattern = Regex::new(&format!("^(?:{argument})$")).ok()?;
                of_object().map(|text| pattern.is_match(&text).to_string())
            }
            (_, "contains") => of_object().map(|text| text.contains(&argument).to_string()),
            (_, "startsWith") => of_object().map(|text| text.starts_with(&argument).to_string()),
            (_, "endsWith") => of_object().map(|text| text.ends_with(&argument).to_string()),
            _ => return None,
        };
        Some(said)
    }
}
