//! Routes of the expressions flavour: simple conjunctions of method, path, host and headers, in the words of the
//! other flavours.

use std::collections::BTreeMap;

use super::conditions::PathPattern;

/// What an expression asks of requests.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Expressed {
    pub(super) methods: Vec<String>,
    pub(super) hosts: Vec<String>,
    pub(super) paths: Vec<PathPattern>,
    pub(super) headers: BTreeMap<String, Vec<String>>,
    pub(super) protocols: Vec<String>,
}

/// One comparison: field, operator, value.
type Comparison = (String, String, String);

/// Reads `a == "x" && (b == "y" || b == "z")`; all comparisons within one bracket are about the same field.
pub(super) fn read(text: &str) -> Result<Expressed, String> {
    let mut words = words(text)?.into_iter().peekable();
    let mut expressed = Expressed::default();
    loop {
        let mut any_of = Vec::new();
        if words.next_if(|word| *word == Word::Sign("(")).is_some() {
            loop {
                any_of.push(comparison(&mut words)?);
                match words.next() {
                    Some(Word::Sign("||")) => {}
                    Some(Word::Sign(")")) => break,
                    _ => return Err("a bracket holds more than alternatives".to_owned()),
                }
            }
        } else {
            any_of.push(comparison(&mut words)?);
        }
        expressed.take(any_of)?;
        match words.next() {
            None => return Ok(expressed),
            Some(Word::Sign("&&")) => {}
            Some(_) => return Err("it is more than a conjunction".to_owned()),
        }
    }
}

fn comparison(words: &mut impl Iterator<Item = Word>) -> Result<Comparison, String> {
    match (field(words)?, words.next(), words.next()) {
        (field, Some(Word::Sign(operator)), Some(Word::Text(value))) => {
            Ok((field, operator.to_owned(), value))
        }
        _ => Err("a part of it is no comparison of a field with a text".to_owned()),
    }
}

/// A field by its name. Headers are compared as the other flavours do it: any of several values, in small letters.
fn field(words: &mut impl Iterator<Item = Word>) -> Result<String, String> {
    let mut brackets = 0;
    loop {
        let Some(Word::Name(name)) = words.next() else {
            return Err("a part of it names no field".to_owned());
        };
        if !matches!(name.as_str(), "any" | "lower") {
            let closing = words.by_ref().take(brackets);
            let is_closed = closing.filter(|word| *word == Word::Sign(")")).count() == brackets;
            let is_known = brackets == 0 || name.starts_with("http.headers.");
            return match is_closed && is_known {
                true => Ok(name),
                false => Err(format!("what it does with `{name}` is not understood")),
            };
        }
        match words.next() {
            Some(Word::Sign("(")) => brackets += 1,
            _ => return Err(format!("`{name}` has no bracket")),
        }
    }
}

impl Expressed {
    fn take(&mut self, any_of: Vec<Comparison>) -> Result<(), String> {
        let field = any_of
            .first()
            .map(|(field, ..)| field.clone())
            .unwrap_or_default();
        if any_of.iter().any(|(other, ..)| *other != field) || self.knows(&field) {
            return Err(format!("it says more than one thing of `{field}`"));
        }
        any_of
            .into_iter()
            .try_for_each(|(field, operator, value)| self.add(&field, &operator, value))
    }

    fn knows(&self, field: &str) -> bool {
        match field {
            "http.method" => !self.methods.is_empty(),
            "http.host" => !self.hosts.is_empty(),
            "http.path" => !self.paths.is_empty(),
            "net.protocol" => !self.protocols.is_empty(),
            field => self.headers.contains_key(&header(field)),
        }
    }

    fn add(&mut self, field: &str, operator: &str, value: String) -> Result<(), String> {
        match (field, operator) {
            ("http.method", "==") => self.methods.push(value),
            ("net.protocol", "==") => self.protocols.push(value),
            ("http.host", "==") => self.hosts.push(value),
            ("http.host", "=^") if value.starts_with('.') => self.hosts.push(format!("*{value}")),
            ("http.path", "==") => self.paths.push(PathPattern::Exact(value)),
            ("http.path", "^=") => self.paths.push(PathPattern::Prefix(value)),
            ("http.path", "~") if value.starts_with('^') => self.paths.push(PathPattern::Expression(value)),
            (field, "==") if field.starts_with("http.headers.") => {
                self.headers.entry(header(field)).or_default().push(value);
            }
            _ => return Err(format!("`{field} {operator}` is not understood")),
        }
        Ok(())
    }
}

/// Kong writes `-` of a header's name as `_`.
fn header(field: &str) -> String {
    field
        .trim_start_matches("http.headers.")
        .replace('_', "-")
        .to_ascii_lowercase()
}

#[derive(Debug, PartialEq, Eq)]
enum Word {
    Name(String),
    Sign(&'static str),
    Text(String),
}

const SIGNS: [&str; 10] = ["&&", "||", "==", "!=", "^=", "=^", "~", "(", ")", "!"];

fn words(text: &str) -> Result<Vec<Word>, String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
        let (word, after) = if let Some(sign) = sign {
            (Word::Sign(sign), &rest[sign.len()..])
        } else if rest.starts_with("r#\"") {
            raw_text(rest)?
        } else if first == '"' {
            quoted(rest)?
        } else {
            name(rest)?
        };
        words.push(word);
        rest = after.trim_start();
    }
    Ok(words)
}

fn name(rest: &str) -> Result<(Word, &str), String> {
    let end = rest
        .find(|it: char| !(it.is_ascii_alphanumeric() || "._".contains(it)))
        .unwrap_or(rest.len());
    if end == 0 {
        return Err("it has a sign that is not understood".to_owned());
    }
    Ok((Word::Name(rest[..end].to_owned()), &rest[end..]))
}

fn raw_text(rest: &str) -> Result<(Word, &str), String> {
    let inner = rest.get(3..).unwrap_or_default();
    let (text, after) = inner.split_once("\"#").ok_or("a text in it has no end")?;
    Ok((Word::Text(text.to_owned()), after))
}

fn quoted(rest: &str) -> Result<(Word, &str), String> {
    let mut text = String::new();
    let mut characters = rest.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((Word::Text(text), &rest[at + 1..])),
            '\\' => match characters.next() {
                Some((_, escaped @ ('"' | '\\'))) => text.push(escaped),
                _ => return Err("an escape in it is not understood".to_owned()),
            },
            other => text.push(other),
        }
    }
    Err("a text in it has no end".to_owned())
}
