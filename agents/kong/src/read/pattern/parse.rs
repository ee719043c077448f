//! Reads the regular expressions that people write for paths; says what it does not know.

use std::{iter::Peekable, str::Chars};

use super::VARIANTS_MAX;

/// A piece of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// Text.
    Literal(String),
    /// Something without a slash; `exact` if it is anything at all.
    Parameter { exact: bool },
    /// Everything that is left.
    Rest,
    /// A group begins: its number, and its name.
    Open(usize, Option<String>),
    /// A group ends.
    Close(usize),
    /// The template will not match quite what the expression does.
    Inexact,
    /// Nothing may follow, whatever is behind the expression: `(/|$)`.
    End,
}

/// A regular expression.
#[derive(Debug)]
pub(super) struct Parsed {
    /// The ways to match it.
    pub(super) variants: Vec<Vec<Token>>,
    /// Whether nothing may follow.
    pub(super) anchored: bool,
}

/// The most groups within groups.
const DEPTH_MAX: usize = 16;

pub(super) fn parse(text: &str) -> Result<Parsed, String> {
    let text = text.strip_prefix('^').unwrap_or(text);
    let body = text.strip_suffix('$').filter(|body| !body.ends_with('\\'));
    let mut parser = Parser {
        rest: body.unwrap_or(text).chars().peekable(),
        groups: 0,
        depth: 0,
    };
    let variants = parser.alternatives()?;
    match parser.rest.next() {
        Some(_) => Err("a bracket is closed that was not opened".to_owned()),
        None => Ok(Parsed {
            variants,
            anchored: body.is_some(),
        }),
    }
}

struct Parser<'a> {
    rest: Peekable<Chars<'a>>,
    groups: usize,
    depth: usize,
}

type Variants = Vec<Vec<Token>>;

impl Parser<'_> {
    /// `a|b`, up to the end of the group or of the text.
    fn alternatives(&mut self) -> Result<Variants, String> {
        let mut variants = self.sequence()?;
        while self.rest.next_if_eq(&'|').is_some() {
            variants.extend(self.sequence()?);
        }
        limited(variants)
    }

    fn sequence(&mut self) -> Result<Variants, String> {
        let mut variants = vec![Vec::new()];
        while let Some(next) = self
            .rest
            .peek()
            .copied()
            .filter(|next| !matches!(next, '|' | ')'))
        {
            self.rest.next();
            let found = self.item(next)?;
            variants = match &found[..] {
                [only] => followed_by(variants, only),
                found => limited(product(&variants, found))?,
            };
        }
        Ok(variants)
    }

    fn item(&mut self, first: char) -> Result<Variants, String> {
        match first {
            '(' => self.group(),
            '[' => self.class(),
            '.' => self.anything(),
            '\\' => self.escape(),
            '$' => Ok(vec![vec![Token::End]]),
            '^' | '*' | '+' | '?' | '{' | ']' => Err(format!("`{first}` is not understood where it stands")),
            literal => self.literal(literal),
        }
    }

    fn literal(&mut self, literal: char) -> Result<Variants, String> {
        let token = vec![Token::Literal(literal.to_string())];
        match self.quantifier()? {
            Quantifier::One => Ok(vec![token]),
            Quantifier::Optional => Ok(vec![token, Vec::new()]),
            _ => Err(format!("`{literal}` is repeated")),
        }
    }

    fn escape(&mut self) -> Result<Variants, String> {
        match self.rest.next() {
            Some('d' | 'w') => self.parameter(false),
            Some(escaped) if !escaped.is_ascii_alphanumeric() => self.literal(escaped),
            Some(other) => Err(format!("`\\{other}` is not understood")),
            None => Err("it ends in `\\`".to_owned()),
        }
    }

    /// `.` alone is taken for a dot that somebody forgot to escape.
    fn anything(&mut self) -> Result<Variants, String> {
        match self.quantifier()? {
            Quantifier::One => Ok(vec![vec![Token::Inexact, Token::Literal(".".to_owned())]]),
            Quantifier::Any | Quantifier::AtLeastOne => Ok(vec![vec![Token::Rest]]),
            _ => Err("`.` is repeated in a way that is not understood".to_owned()),
        }
    }

    fn parameter(&mut self, exact: bool) -> Result<Variants, String> {
        let token = |exact| vec![vec![Token::Parameter { exact }]];
        Ok(match self.quantifier()? {
            Quantifier::AtLeastOne => token(exact),
            _ => token(false),
        })
    }

    fn class(&mut self) -> Result<Variants, String> {
        let negated = self.rest.next_if_eq(&'^').is_some();
        let members = self.members()?;
        let slash = members
            .iter()
            .any(|(from, to)| ('/'..='/').any(|it| (*from..=*to).contains(&it)));
        if slash != negated {
            return Err("a class of characters takes slashes, too".to_owned());
        }
        match members[..] {
            [(one, same)] if !negated && one == same => self.literal(one),
            // A path never has a `?` or `#`.
            _ => self.parameter(negated && members.iter().all(|it| matches!(it, ('/' | '?' | '#', _)))),
        }
    }

    /// The ranges of a class, up to its end.
    fn members(&mut self) -> Result<Vec<(char, char)>, String> {
        let mut members = Vec::new();
        loop {
            let from = match self.rest.next() {
                None => return Err("a class of characters has no end".to_owned()),
                Some(']') if !members.is_empty() => return Ok(members),
                Some('[') if self.rest.peek() == Some(&':') => {
                    return Err("`[:` is not understood".to_owned());
                }
                Some('\\') => match self.rest.next() {
                    Some('d') => {
                        members.push(('0', '9'));
                        continue;
                    }
                    Some('w') => {
                        members.extend([('a', 'z'), ('A', 'Z'), ('0', '9'), ('_', '_')]);
                        continue;
                    }
                    Some(escaped) if !escaped.is_ascii_alphanumeric() => escaped,
                    _ => return Err("an escape in a class of characters is not understood".to_owned()),
                },
                Some(other) => other,
            };
            members.push((from, self.range_end(from)));
        }
    }

    /// `a-z`; a `-` at the end of a class is itself.
    fn range_end(&mut self, from: char) -> char {
        let mut ahead = self.rest.clone();
        match (ahead.next(), ahead.next()) {
            (Some('-'), Some(to)) if to != ']' && to != '\\' => {
                self.rest = ahead;
                to
            }
            _ => from,
        }
    }

    fn group(&mut self) -> Result<Variants, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("it has too many groups within groups".to_owned());
        }
        let opened = self.opening()?;
        let inner = self.alternatives()?;
        self.rest.next_if_eq(&')').ok_or("a group has no end")?;
        self.depth -= 1;
        let wrapped = inner.into_iter().map(|tokens| wrap(&opened, tokens)).collect();
        match self.quantifier()? {
            Quantifier::One => Ok(wrapped),
            Quantifier::Optional => Ok([wrapped, vec![wrap(&opened, Vec::new())]].concat()),
            _ => Err("a group is repeated".to_owned()),
        }
    }

    /// The number and the name of a group; none for one that only groups.
    fn opening(&mut self) -> Result<Option<(usize, Option<String>)>, String> {
        let mut name = None;
        if self.rest.next_if_eq(&'?').is_some() {
            if self.rest.next_if_eq(&':').is_some() {
                return Ok(None);
            }
            self.rest.next_if_eq(&'P');
            self.rest
                .next_if_eq(&'<')
                .ok_or("`(?` is followed by what is not understood")?;
            name = Some(self.name()?);
        }
        self.groups += 1;
        Ok(Some((self.groups, name)))
    }

    fn name(&mut self) -> Result<String, String> {
        let mut name = String::new();
        while let Some(next) = self
            .rest
            .next_if(|next| next.is_ascii_alphanumeric() || *next == '_')
        {
            name.push(next);
        }
        match self.rest.next() {
            Some('>') if !name.is_empty() => Ok(name),
            _ => Err("`(?<` is followed by what is no name".to_owned()),
        }
    }

    fn quantifier(&mut self) -> Result<Quantifier, String> {
        let quantifier = match self.rest.peek() {
            Some('+') => Quantifier::AtLeastOne,
            Some('*') => Quantifier::Any,
            Some('?') => Quantifier::Optional,
            Some('{') => return self.counted(),
            _ => return Ok(Quantifier::One),
        };
        self.rest.next();
        self.greed();
        Ok(quantifier)
    }

    /// `{2}`, `{1,5}`.
    fn counted(&mut self) -> Result<Quantifier, String> {
        let ends = self.rest.by_ref().any(|next| next == '}');
        self.greed();
        if ends {
            Ok(Quantifier::Counted)
        } else {
            Err("`{` has no end".to_owned())
        }
    }

    /// Lazy or possessive: the same paths match.
    fn greed(&mut self) {
        self.rest.next_if(|next| matches!(next, '?' | '+'));
    }
}

enum Quantifier {
    One,
    Optional,
    Any,
    AtLeastOne,
    Counted,
}

fn wrap(opened: &Option<(usize, Option<String>)>, tokens: Vec<Token>) -> Vec<Token> {
    let Some((number, name)) = opened else {
        return tokens;
    };
    let mut wrapped = vec![Token::Open(*number, name.clone())];
    wrapped.extend(tokens);
    wrapped.push(Token::Close(*number));
    wrapped
}

fn followed_by(mut variants: Variants, tokens: &[Token]) -> Variants {
    for variant in &mut variants {
        variant.extend_from_slice(tokens);
    }
    variants
}

fn product(before: &Variants, after: &[Vec<Token>]) -> Variants {
    let with = |more: &Vec<Token>, tokens: &Vec<Token>| [tokens.clone(), more.clone()].concat();
    before
        .iter()
        .flat_map(|tokens| after.iter().map(move |more| with(more, tokens)))
        .collect()
}

fn limited(variants: Variants) -> Result<Variants, String> {
    if variants.len() > VARIANTS_MAX {
        return Err(format!("it has more than {VARIANTS_MAX} variants"));
    }
    Ok(variants)
}
