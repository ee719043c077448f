//! Reading Kong's expression language: predicates on `http.*` and `net.*` fields, `&&`, `||`, `!` and parentheses.
//!
//! The words are those of Kong's reference of the router's expressions language; what is not among them here (networks,
//! `in`, comparisons of numbers) is refused rather than taken for true.

use regex::Regex;

use super::expression::{Expression, Predicate, Test};
use super::subject::Field;

/// Reads a whole expression, or says what it stumbled over.
pub(crate) fn parse(text: &str) -> Result<Expression, String> {
    let mut reader = Reader { rest: text };
    let expression = reader.any()?;
    match reader.peek() {
        "" => Ok(expression),
        rest => Err(format!("cannot read the expression from `{rest}` on")),
    }
}

/// The operators, longest first, so that `==` is not taken for something shorter.
const OPERATORS: [&str; 6] = ["==", "!=", "^=", "=^", "contains", "~"];

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn peek(&mut self) -> &'a str {
        self.rest = self.rest.trim_start();
        self.rest
    }

    fn take(&mut self, word: &str) -> bool {
        let rest = self.peek().strip_prefix(word);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, word: &str) -> Result<(), String> {
        if self.take(word) {
            Ok(())
        } else {
            Err(format!("expected `{word}` at `{}`", self.rest))
        }
    }

    fn any(&mut self) -> Result<Expression, String> {
        let mut parts = vec![self.all()?];
        while self.take("||") {
            parts.push(self.all()?);
        }
        Ok(Expression::Any(parts))
    }

    fn all(&mut self) -> Result<Expression, String> {
        let mut parts = vec![self.one()?];
        while self.take("&&") {
            parts.push(self.one()?);
        }
        Ok(Expression::All(parts))
    }

    fn one(&mut self) -> Result<Expression, String> {
        if self.take("!") {
            return Ok(Expression::Not(Box::new(self.one()?)));
        }
        if self.take("(") {
            let inner = self.any()?;
            self.expect(")")?;
            return Ok(inner);
        }
        self.predicate().map(Expression::Predicate)
    }

    fn predicate(&mut self) -> Result<Predicate, String> {
        let (mut lower, mut any) = (false, false);
        let mut open = 0;
        loop {
            match () {
                () if self.take("lower(") => lower = true,
                () if self.take("any(") => any = true,
                () => break,
            }
            open += 1;
        }
        let field = self.field()?;
        for _ in 0..open {
            self.expect(")")?;
        }
        let test = self.test()?;
        Ok(Predicate {
            field,
            lower,
            any,
            test,
        })
    }

    fn field(&mut self) -> Result<Field, String> {
        let text = self.peek();
        let name_char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let end = text.find(|c| !name_char(c)).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        self.rest = rest;
        field_named(name).ok_or_else(|| format!("unknown field `{name}`"))
    }

    fn test(&mut self) -> Result<Test, String> {
        let operator = OPERATORS.into_iter().find(|operator| self.take(operator));
        let operator = operator.ok_or_else(|| format!("expected an operator at `{}`", self.rest))?;
        let value = self.literal()?;
        Ok(match operator {
            "==" => Test::Equals(value),
            "!=" => Test::Differs(value),
            "^=" => Test::Prefix(value),
            "=^" => Test::Postfix(value),
            "contains" => Test::Contains(value),
            _ => Test::Regex(Regex::new(&value).map_err(|error| error.to_string())?),
        })
    }

    fn literal(&mut self) -> Result<String, String> {
        if self.take("r#\"") {
            let (value, rest) = self.rest.split_once("\"#").ok_or("a raw string has no end")?;
            self.rest = rest;
            return Ok(value.to_owned());
        }
        if self.take("\"") {
            return self.quoted();
        }
        let end = self
            .rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(self.rest.len());
        let (number, rest) = self.rest.split_at(end);
        self.rest = rest;
        if number.is_empty() {
            Err(format!("expected a value at `{rest}`"))
        } else {
            Ok(number.to_owned())
        }
    }

    fn quoted(&mut self) -> Result<String, String> {
        let mut value = String::new();
        let mut characters = self.rest.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(value);
                }
                '\\' => value.push(escaped(characters.next().map(|(_, character)| character))?),
                other => value.push(other),
            }
        }
        Err("a string has no end".to_owned())
    }
}

fn escaped(character: Option<char>) -> Result<char, String> {
    match character {
        Some(same @ ('"' | '\\')) => Ok(same),
        Some('n') => Ok('\n'),
        Some('r') => Ok('\r'),
        Some('t') => Ok('\t'),
        other => Err(format!("unknown escape `{other:?}`")),
    }
}

fn field_named(name: &str) -> Option<Field> {
    if let Some(header) = name.strip_prefix("http.headers.") {
        return Some(Field::Header(header.to_lowercase().replace('-', "_")));
    }
    if let Some(query) = name.strip_prefix("http.queries.") {
        return Some(Field::Query(query.to_owned()));
    }
    match name {
        "http.method" => Some(Field::Method),
        "http.host" => Some(Field::Host),
        "http.path" => Some(Field::Path),
        "net.protocol" => Some(Field::Protocol),
        "net.dst.port" | "net.port" => Some(Field::Port),
        _ => None,
    }
}
