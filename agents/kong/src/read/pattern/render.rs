//! Tokens of a path as a template.

use std::collections::BTreeMap;

use gatehouse_connector_sdk::schemas::route::Segment;

use super::{Variant, parse::Token};

/// One way to match an expression, and whether it says by itself where the path ends.
pub(super) fn render(tokens: &[Token]) -> Result<(Variant, bool), String> {
    let mut writer = Writer::default();
    let last = tokens
        .iter()
        .rposition(|it| !matches!(it, Token::Close(_) | Token::Inexact));
    for (position, token) in tokens.iter().enumerate() {
        let is_last = last == Some(position);
        writer.write(token, tokens.get(position + 1), is_last)?;
    }
    let ends = writer.ends;
    check(&writer.text)?;
    let variant = Variant {
        path: writer.text,
        after: String::new(),
        captures: writer.captures,
        inexact: writer.inexact,
    };
    Ok((variant, ends))
}

#[derive(Default)]
struct Writer {
    text: String,
    captures: BTreeMap<String, String>,
    /// Groups that are open: number, name, and where they begin.
    open: Vec<(usize, Option<String>, usize)>,
    names: Vec<String>,
    inexact: bool,
    ends: bool,
    /// Whether a parameter was written last.
    in_parameter: bool,
    /// Whether the last token opened a group.
    just_opened: bool,
}

impl Writer {
    fn write(&mut self, token: &Token, next: Option<&Token>, is_last: bool) -> Result<(), String> {
        let opened = matches!(token, Token::Open(..));
        match token {
            Token::Literal(text) => self.literal(text),
            Token::Parameter { exact } => self.parameter(*exact, next),
            Token::Rest | Token::End if !is_last => {
                return Err("what takes everything that is left is not at its end".to_owned());
            }
            Token::Rest => self.rest(next),
            Token::End => self.ends = true,
            Token::Open(number, name) => self.open.push((*number, name.clone(), self.text.len())),
            Token::Close(number) => self.close(*number),
            Token::Inexact => self.inexact = true,
        }
        self.just_opened = opened;
        Ok(())
    }

    fn literal(&mut self, text: &str) {
        self.text.push_str(&literal(text));
        self.in_parameter = false;
    }

    /// Two in a row are one.
    fn parameter(&mut self, exact: bool, next: Option<&Token>) {
        self.inexact |= !exact || self.in_parameter;
        if !self.in_parameter {
            let name = self.name(next, "p");
            self.text.push_str(&format!("{{{name}}}"));
        }
        self.in_parameter = true;
    }

    /// `/x.*` is `/x` and what is below it; only the latter is said by a template that ends in the rest.
    fn rest(&mut self, next: Option<&Token>) {
        if !self.text.ends_with('/') {
            self.inexact = true;
            self.text.push('/');
        }
        let name = self.name(next, "rest");
        self.text.push_str(&format!("{{{name}...}}"));
        self.ends = true;
    }

    /// The name of the group that holds nothing else, or else one that is free.
    fn name(&mut self, next: Option<&Token>, otherwise: &str) -> String {
        let alone = self.just_opened && matches!(next, Some(Token::Close(_)));
        let named = self
            .open
            .last()
            .filter(|_| alone)
            .and_then(|(_, name, _)| name.clone());
        let mut name = named.unwrap_or_else(|| match otherwise {
            "rest" => "rest".to_owned(),
            _ => format!("p{}", self.names.len() + 1),
        });
        while self.names.contains(&name) {
            name.push('_');
        }
        self.names.push(name.clone());
        name
    }

    fn close(&mut self, number: usize) {
        if let Some((_, name, begin)) = self.open.pop() {
            let held = self.text.get(begin..).unwrap_or_default().to_owned();
            if let Some(name) = name {
                self.captures.insert(name, held.clone());
            }
            self.captures.insert(number.to_string(), held);
        }
    }
}

/// Text of a path as it stands in a template: what may not stand in a URL is escaped.
pub(in crate::read) fn literal(text: &str) -> String {
    use std::fmt::Write as _;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@%".contains(&byte);
    text.bytes()
        .fold(String::with_capacity(text.len()), |mut escaped, byte| {
            if allowed(byte) {
                escaped.push(char::from(byte));
            } else {
                // Writing to a string cannot fail.
                let _ = write!(escaped, "%{byte:02X}");
            }
            escaped
        })
}

/// Whether a template is one that an operation can have.
pub(in crate::read) fn check(path: &str) -> Result<(), String> {
    if path.is_empty() {
        return Ok(());
    }
    let Some(rest) = path.strip_prefix('/') else {
        return Err("it does not begin with `/`".to_owned());
    };
    let segments: Vec<&str> = rest.split('/').collect();
    let last = segments.len() - 1;
    let wrong = segments
        .iter()
        .enumerate()
        .any(|(position, segment)| match Segment::of(segment) {
            Segment::Literal("") => position != last,
            Segment::Literal(text) => !is_plain(text),
            _ => false,
        });
    if wrong {
        Err("it has `//`, a segment of dots or an escape that is none".to_owned())
    } else {
        Ok(())
    }
}

fn is_plain(segment: &str) -> bool {
    let lower = segment.to_ascii_lowercase();
    let dots = matches!(lower.replace("%2e", ".").as_str(), "." | "..");
    let hidden = lower.contains("%2f") || lower.contains("%5c");
    let complete = segment.split('%').skip(1).all(|rest| {
        rest.as_bytes()
            .get(..2)
            .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    !dots && !hidden && complete
}
