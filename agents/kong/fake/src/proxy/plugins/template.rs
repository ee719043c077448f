//! Templates of the transformers: text with `$(uri_captures.name)`, `$(headers.name)` and `$(query_params.name)`.
//!
//! Kong runs what stands in the parentheses as Lua; here only these look-ups are known, and anything else fails the
//! request, as Lua that cannot run does.

use crate::proxy::answer::text;
use crate::proxy::exchange::Exchange;
use crate::proxy::query;

/// The text with every look-up replaced by what it finds, nothing for what is not there.
pub(super) fn rendered(template: &str, exchange: &Exchange) -> Result<String, String> {
    let mut result = String::new();
    let mut rest = template;
    while let Some((before, expression)) = rest.split_once("$(") {
        let (expression, after) = expression
            .split_once(')')
            .ok_or_else(|| format!("`{template}` has no `)`"))?;
        result.push_str(before);
        result.push_str(&looked_up(expression.trim(), exchange)?.unwrap_or_default());
        rest = after;
    }
    result.push_str(rest);
    Ok(result)
}

fn looked_up(expression: &str, exchange: &Exchange) -> Result<Option<String>, String> {
    let unknown = || format!("cannot run `{expression}`");
    let (table, name) = split(expression).ok_or_else(unknown)?;
    let asked = exchange.asked_query.as_deref().unwrap_or_default();
    match table {
        "uri_captures" => Ok(exchange.captures.get(name).cloned()),
        "headers" => {
            let value = text(&exchange.asked_headers, name);
            Ok(value
                .or_else(|| text(&exchange.asked_headers, &name.replace('_', "-")))
                .map(str::to_owned))
        }
        "query_params" => Ok(query::value(asked, name)),
        _ => Err(unknown()),
    }
}

/// `table.name`, `table["name"]`, `table['name']` or `table[1]`.
fn split(expression: &str) -> Option<(&str, &str)> {
    let end = expression.find(['.', '['])?;
    let (table, key) = expression.split_at(end);
    let name = match key.strip_prefix('.') {
        Some(name) => name,
        None => key
            .strip_prefix('[')?
            .strip_suffix(']')?
            .trim_matches(['"', '\'']),
    };
    let plain = name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    (plain && !name.is_empty()).then_some((table, name))
}
