//! The regular expressions that expressions give to `matches`.

use std::collections::HashMap;

use cel::{
    IdedExpr, Program,
    common::ast::{Expr, LiteralValue},
};
use regex::{Regex, RegexBuilder};

use super::nodes;
use crate::route::{REGEX_PROGRAM_MAX, regex_reason};

/// How large the program of a regular expression may become that stands in an expression, in bytes. A class such as `\w`, with
/// the letters of all scripts, takes tens of KiB, and as much again each time it is repeated.
const PROGRAM_MAX: usize = 10 * 1024 * 1024;

/// How much memory matching may take at a time, in bytes.
const MATCHING_MAX: usize = 1024 * 1024;

/// The regular expressions that stand in an expression as `matches` is given them, compiled. Matching with them takes linear
/// time, whatever they are given.
///
/// # Errors
///
/// One sentence about the first that is none, or too large a one, with its line and column.
pub fn patterns(program: &Program) -> Result<HashMap<String, Regex>, String> {
    let mut patterns = HashMap::new();
    for (place, text) in constants(program) {
        if !patterns.contains_key(text) {
            let (line, column) = position(program, place);
            let pattern = compiled(text, PROGRAM_MAX)
                .map_err(|reason| format!("line {line}, column {column}: {reason}"))?;
            patterns.insert(text.to_owned(), pattern);
        }
    }
    Ok(patterns)
}

/// A regular expression that a request brings along, if it is one and is small.
pub fn strange_pattern(text: &str) -> Option<Regex> {
    compiled(text, REGEX_PROGRAM_MAX).ok()
}

fn compiled(text: &str, program_max: usize) -> Result<Regex, String> {
    let built = RegexBuilder::new(text)
        .size_limit(program_max)
        .dfa_size_limit(program_max.min(MATCHING_MAX))
        .build();
    built.map_err(|error| regex_reason(&error))
}

/// The patterns of all calls of `matches` that are texts, with the nodes they are.
fn constants(program: &Program) -> impl Iterator<Item = (u64, &str)> {
    nodes(program.expression()).into_iter().filter_map(|node| {
        let Expr::Call(call) = &node.expr else {
            return None;
        };
        // Called of a text, or as a function of two.
        let mut given = call.target.as_deref().into_iter().chain(&call.args);
        let (_, pattern) = (given.next()?, given.next()?);
        text(pattern).filter(|_| call.func_name == "matches")
    })
}

fn text(node: &IdedExpr) -> Option<(u64, &str)> {
    match &node.expr {
        Expr::Literal(LiteralValue::String(text)) => Some((node.id, text.inner())),
        _ => None,
    }
}

/// The line and the column where a node begins, both from 1 on.
fn position(program: &Program, node: u64) -> (usize, usize) {
    let source = program.source_info();
    let start = source.offset_for(node).map_or(0, |(start, _)| start as usize);
    let before = source.source.get(..start).unwrap_or_default();
    before
        .chars()
        .fold((1, 1), |(line, column), character| match character {
            '\n' => (line + 1, 1),
            _ => (line, column + 1),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::condition;

    #[test]
    fn patterns_that_stand_in_an_expression_are_known() {
        let expression = "request.path.matches('^/a') || matches(consumer, r'\\d+') || ['b'].exists(it, it.matches('^/a'))\
                          || consumer.matches(claims.pattern) || consumer.startsWith('(')";
        let program = condition(expression).expect("it is well");
        let patterns = patterns(&program).expect("they are well");
        let mut texts: Vec<&str> = patterns.keys().map(String::as_str).collect();
        texts.sort_unstable();
        assert_eq!(texts, ["\\d+", "^/a"]);
    }

    #[test]
    fn a_pattern_that_is_none_is_told_with_its_place() {
        for (expression, expected) in [
            (
                "request.path.matches('(')",
                "line 1, column 22: not a regular expression: unclosed group",
            ),
            (
                "consumer == 'é' &&\n  matches(request.path, '[')",
                "line 2, column 25: not a regular expression: unclosed character class",
            ),
            // What would have to go back and forth.
            (
                "consumer.matches('(a)\\\\1')",
                "line 1, column 18: not a regular expression: backreferences are not supported",
            ),
        ] {
            assert_eq!(
                condition(expression).err().as_deref(),
                Some(expected),
                "{expression}"
            );
        }
    }

    #[test]
    fn patterns_are_of_a_size() {
        for usual in ["^[\\\\w.-]{1,64}$", "^\\\\p{L}{1,64}$", "^(a|b|c){1,1000}$"] {
            let expression = format!("consumer.matches('{usual}')");
            assert_eq!(condition(&expression).err(), None, "{usual}");
        }
        let large = condition("consumer.matches('(\\\\w{100}){100}')").expect_err("it is refused");
        assert!(large.starts_with("line 1, column 18: "), "{large}");
        assert!(strange_pattern("^[a-z]{1,64}$").is_some());
        assert!(strange_pattern("\\w{1000}").is_none());
        assert!(strange_pattern("(").is_none());
    }
}
