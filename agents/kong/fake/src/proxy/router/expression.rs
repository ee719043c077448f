//! Conditions on a request: what Kong's expression language can say, evaluated as its atc-router does.
//!
//! Taken from the behaviour of `Kong/atc-router`: a predicate on a field with several values must hold for all of them unless
//! the field stands in `any(…)`, one on a field that the request lacks never holds, and what a failed branch found is forgotten.

use regex::Regex;

use super::subject::{Field, Found, Subject};

/// A condition on a request.
#[derive(Debug, Clone)]
pub(crate) enum Expression {
    All(Vec<Expression>),
    Any(Vec<Expression>),
    Not(Box<Expression>),
    Predicate(Predicate),
}

/// One comparison of a field.
#[derive(Debug, Clone)]
pub(crate) struct Predicate {
    pub(crate) field: Field,
    /// Compare in lower case.
    pub(crate) lower: bool,
    /// One value of several is enough.
    pub(crate) any: bool,
    pub(crate) test: Test,
}

/// What is asked of a value.
#[derive(Debug, Clone)]
pub(crate) enum Test {
    Equals(String),
    Differs(String),
    Prefix(String),
    Postfix(String),
    Contains(String),
    Regex(Regex),
}

impl Expression {
    /// Whether the request fulfils the condition; `found` says what it matched.
    pub(crate) fn holds(&self, subject: &Subject<'_>, found: &mut Found) -> bool {
        match self {
            Self::All(parts) => {
                let before = found.clone();
                let holds = parts.iter().all(|part| part.holds(subject, found));
                if !holds {
                    *found = before;
                }
                holds
            }
            Self::Any(parts) => parts.iter().any(|part| part.holds(subject, found)),
            Self::Not(part) => !part.holds(subject, &mut Found::default()),
            Self::Predicate(predicate) => predicate.holds(subject, found),
        }
    }
}

impl Predicate {
    /// A plain comparison of a field.
    pub(crate) fn new(field: Field, test: Test) -> Self {
        Self {
            field,
            lower: false,
            any: false,
            test,
        }
    }

    fn holds(&self, subject: &Subject<'_>, found: &mut Found) -> bool {
        let values = subject.values(&self.field);
        let mut values = values
            .iter()
            .map(|value| {
                if self.lower {
                    value.to_lowercase()
                } else {
                    value.clone()
                }
            })
            .peekable();
        if values.peek().is_none() {
            return false;
        }
        let mut check = |value: String| self.check(&value, found);
        if self.any {
            values.any(&mut check)
        } else {
            values.all(&mut check)
        }
    }

    fn check(&self, value: &str, found: &mut Found) -> bool {
        let matched = match &self.test {
            Test::Equals(wanted) => (value == wanted).then(|| wanted.clone()),
            Test::Differs(wanted) => (value != wanted).then(String::new),
            Test::Prefix(wanted) => value.starts_with(wanted.as_str()).then(|| wanted.clone()),
            Test::Postfix(wanted) => value.ends_with(wanted.as_str()).then(|| wanted.clone()),
            Test::Contains(wanted) => value.contains(wanted.as_str()).then(String::new),
            Test::Regex(regex) => return self.captured(regex, value, found),
        };
        if let (Field::Path, Some(part)) = (&self.field, &matched) {
            found.path = Some(part.clone()).filter(|part| !part.is_empty());
        }
        matched.is_some()
    }

    fn captured(&self, regex: &Regex, value: &str, found: &mut Found) -> bool {
        let Some(captures) = regex.captures(value) else {
            return false;
        };
        if self.field != Field::Path {
            return true;
        }
        found.path = captures.get(0).map(|whole| whole.as_str().to_owned());
        for (number, name) in regex.capture_names().enumerate() {
            let Some(group) = captures.get(number) else {
                continue;
            };
            found
                .captures
                .insert(number.to_string(), group.as_str().to_owned());
            if let Some(name) = name {
                found.captures.insert(name.to_owned(), group.as_str().to_owned());
            }
        }
        true
    }
}
