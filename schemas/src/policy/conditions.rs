//! What must hold of a request, in a language of expressions.

mod patterns;

use std::collections::BTreeSet;

use cel::{
    IdedExpr, Program,
    common::ast::{EntryExpr, Expr, LiteralValue},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use self::patterns::{patterns, strange_pattern};

/// Parameters of `auth.conditions`: expressions in CEL (the Common Expression Language, <https://cel.dev>) about each request.
/// One of which a condition does not hold, or cannot be evaluated, is answered 403.
///
/// | Name | What it is |
/// |---|---|
/// | `request.method`, `request.host` | as the caller sent them |
/// | `request.path` | the path that the request is judged by, without its query: `.`, `..` and doubled slashes resolved, escapes undone where they mean nothing else |
/// | `request.headers`, `request.query` | values by name, names of headers in lower case |
/// | `source.address` | the caller's address |
/// | `consumer` | who calls, as the policies before it found out; empty if they did not |
/// | `claims` | the claims of the token that `auth.jwt` verified; empty without one |
///
/// Where an expression names a header or a query parameter of which a request has several different values, or a header that
/// is not text, the request is answered 403 as well: nobody knows which of them the upstream goes by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConditionsPolicy {
    /// All of these must be true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub require: Vec<String>,
    /// None of these may be true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<String>,
}

/// What expressions may name.
const NAMES: [&str; 4] = ["claims", "consumer", "request", "source"];

/// The functions that expressions may call, beside operators and CEL's macros.
const FUNCTIONS: [&str; 14] = [
    "bool",
    "bytes",
    "contains",
    "double",
    "endsWith",
    "has",
    "int",
    "matches",
    "max",
    "min",
    "size",
    "startsWith",
    "string",
    "uint",
];

/// The longest expression, in bytes.
const LONGEST: usize = 4096;

/// What is wrong with an expression of `auth.conditions`, if anything is.
///
/// # Errors
///
/// One sentence, with the line and the column of a mistake in the syntax, of the expression or of a regular expression in it.
pub fn condition(text: &str) -> Result<Program, String> {
    if text.len() > LONGEST {
        return Err(format!("an expression has at most {LONGEST} bytes"));
    }
    let program = Program::compile(text).map_err(|errors| {
        let first = errors.errors.first();
        let (line, column) = first.map_or((1, 1), |error| error.pos);
        let message = first.map_or("it cannot be read", |error| error.msg.as_str());
        format!("line {line}, column {column}: {message}")
    })?;
    refuse_strangers(&program)?;
    patterns(&program)?;
    Ok(program)
}

/// Refuses names and functions that there are not.
fn refuse_strangers(program: &Program) -> Result<(), String> {
    let (references, bound) = (program.references(), bound(program.expression()));
    let mut names = references.variables().into_iter();
    if let Some(name) = names.find(|name| !NAMES.contains(name) && !bound.contains(*name)) {
        return Err(format!(
            "nothing is called `{name}`; there are {}",
            listed(&NAMES)
        ));
    }
    let is_own = |name: &&str| name.starts_with(|first: char| first.is_ascii_alphabetic());
    let mut functions = references.functions().into_iter().filter(is_own);
    match functions.find(|name| !FUNCTIONS.contains(name)) {
        Some(name) => Err(format!(
            "there is no function `{name}`; there are {}",
            listed(&FUNCTIONS)
        )),
        None => Ok(()),
    }
}

/// The names that macros such as `exists` bind, anywhere in an expression.
fn bound(expression: &IdedExpr) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for node in nodes(expression) {
        if let Expr::Comprehension(comprehension) = &node.expr {
            names.insert(comprehension.iter_var.as_str());
            names.extend(comprehension.iter_var2.as_deref());
        }
    }
    names
}

/// The fields and texts that an expression names, among them the headers and query parameters that it is about.
pub fn mentioned(program: &Program) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for node in nodes(program.expression()) {
        match &node.expr {
            Expr::Select(select) => drop(names.insert(select.field.clone())),
            Expr::Literal(LiteralValue::String(text)) => drop(names.insert(text.inner().to_owned())),
            _ => {}
        }
    }
    names
}

/// An expression and everything in it.
fn nodes(expression: &IdedExpr) -> Vec<&IdedExpr> {
    let (mut nodes, mut open) = (Vec::new(), vec![expression]);
    while let Some(node) = open.pop() {
        nodes.push(node);
        open.extend(parts(&node.expr));
    }
    nodes
}

/// What an expression is made of.
fn parts(expression: &Expr) -> Vec<&IdedExpr> {
    match expression {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => Vec::new(),
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Expr::Comprehension(it) => {
            vec![
                &it.iter_range,
                &it.accu_init,
                &it.loop_cond,
                &it.loop_step,
                &it.result,
            ]
        }
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Select(select) => vec![&select.operand],
        Expr::Map(map) => map
            .entries
            .iter()
            .flat_map(|entry| of_entry(&entry.expr))
            .collect(),
        Expr::Struct(it) => it
            .entries
            .iter()
            .flat_map(|entry| of_entry(&entry.expr))
            .collect(),
    }
}

fn of_entry(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::StructField(field) => vec![&field.value],
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
    }
}

fn listed(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        condition(text).err().unwrap_or_else(|| "well".to_owned())
    }

    #[test]
    fn expressions_are_read_before_they_hold() {
        for text in [
            "request.method == 'GET' || claims.role == 'admin'",
            "request.headers['x-tenant'] in claims.tenants",
            "has(claims.groups) && claims.groups.exists(group, group.startsWith('shop-'))",
            "!request.path.matches('^/private/') && size(consumer) > 0",
            "source.address == '127.0.0.1'",
        ] {
            assert_eq!(told(text), "well", "{text}");
        }
    }

    #[test]
    fn the_headers_and_parameters_that_an_expression_is_about_are_known() {
        let program =
            condition("request.headers['x-tenant'] == 'north' || ['a'].exists(it, request.query.page == it)")
                .expect("it is well");
        let mentioned = mentioned(&program);
        for name in ["x-tenant", "north", "a", "page"] {
            assert!(mentioned.contains(name), "{name}: {mentioned:?}");
        }
        assert!(!mentioned.contains("x-other"));
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_place() {
        assert!(
            told("request.method == ").starts_with("line 1, column 19: "),
            "{}",
            told("request.method == ")
        );
        assert_eq!(
            told("user == 'a'"),
            "nothing is called `user`; there are `claims`, `consumer`, `request`, `source`"
        );
        assert!(told("request.path.lower() == '/a'").starts_with("there is no function `lower`; there are "));
        assert_eq!(told(&"1".repeat(5000)), "an expression has at most 4096 bytes");
    }
}
