//! Base paths and path templates.

use crate::route::{Piece, Segment};

/// A base path in canonical form: `/` or `/a/b`, without a slash at the end.
pub(crate) fn base_path(text: &str) -> Result<String, String> {
    let trimmed = text.strip_suffix('/').unwrap_or(text);
    if !text.starts_with('/') {
        return Err(format!("a base path starts with `/`: `/{text}`"));
    }
    if trimmed.is_empty() {
        return Ok("/".to_owned());
    }
    if trimmed.contains(['{', '}']) {
        return Err("a base path has no parameters; put them into the operations".to_owned());
    }
    trimmed.split('/').skip(1).try_for_each(literal)?;
    Ok(trimmed.to_owned())
}

/// Checks a path template: segments that are literal, `{name}`, a mixture, or, last, `{name...}`.
pub(crate) fn template(text: &str) -> Result<(), String> {
    let Some(rest) = text.strip_prefix('/') else {
        return Err(format!("a path starts with `/`: `/{text}`"));
    };
    let segments: Vec<&str> = rest.split('/').collect();
    let mut names = Vec::new();
    for (position, segment) in segments.iter().enumerate() {
        let last = position + 1 == segments.len();
        match Segment::of(segment) {
            // A slash at the end is a place of its own.
            Segment::Literal("") if last => {}
            Segment::Literal(text) => literal(text)?,
            Segment::Rest(name) if !last => {
                return Err(format!(
                    "`{{{name}...}}` takes everything that is left, so it can only be last"
                ));
            }
            Segment::Parameter(name) | Segment::Rest(name) => parameter(name, &mut names)?,
            Segment::Mixed(pieces) => mixed(&pieces, &mut names)?,
        }
    }
    Ok(())
}

/// The longest regular expression, in bytes.
const REGEX_BYTES_MAX: usize = 1024;

/// Checks a regular expression for whole paths, or whole values. Its engine takes linear time, whatever it is given.
pub(crate) fn regex(text: &str) -> Result<(), String> {
    if text.len() > REGEX_BYTES_MAX {
        return Err(format!(
            "a regular expression has at most {REGEX_BYTES_MAX} bytes"
        ));
    }
    crate::route::whole_regex(text).map(drop)
}

fn parameter<'a>(name: &'a str, names: &mut Vec<&'a str>) -> Result<(), String> {
    let allowed = |character: char| character.is_alphanumeric() || "_-.".contains(character);
    if name.is_empty() || !name.chars().all(allowed) {
        return Err(format!(
            "`{{{name}}}` is not a parameter: its name is made of letters, digits, `_`, `-` and `.`"
        ));
    }
    if names.contains(&name) {
        return Err(format!(
            "parameter `{{{name}}}` is there twice; give each its own name"
        ));
    }
    names.push(name);
    Ok(())
}

fn mixed<'a>(pieces: &[Piece<'a>], names: &mut Vec<&'a str>) -> Result<(), String> {
    pieces.iter().try_for_each(|piece| match piece {
        Piece::Literal(text) => spelling(text),
        Piece::Parameter(name) => parameter(name, names),
    })
}

fn literal(segment: &str) -> Result<(), String> {
    if segment.is_empty() {
        return Err("two slashes in a row; leave one out".to_owned());
    }
    if is_dots(segment) {
        return Err(format!(
            "segment `{segment}` would be resolved away by clients; leave it out"
        ));
    }
    spelling(segment)
}

/// Whether a segment is `.` or `..`, however spelled.
pub(crate) fn is_dots(segment: &str) -> bool {
    matches!(
        segment.to_ascii_lowercase().replace("%2e", ".").as_str(),
        "." | ".."
    )
}

/// Checks that text is written as in a URL, and hides no slash.
pub(crate) fn spelling(text: &str) -> Result<(), String> {
    let lower = text.to_ascii_lowercase();
    if lower.contains("%2f") || lower.contains("%5c") || text.contains('\\') {
        return Err(format!(
            "`{text}` hides a slash; gateways and upstreams would disagree on it"
        ));
    }
    if text.contains(['{', '}']) {
        return Err(format!("in `{text}` the braces do not pair"));
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%".contains(&byte);
    if let Some(byte) = text.bytes().find(|byte| !plain(*byte)) {
        return Err(format!(
            "`{text}` must be written as in a URL: byte {byte:#04x} as `%{byte:02X}`"
        ));
    }
    if !escapes_are_complete(text) {
        return Err(format!(
            "`%` in `{text}` must be followed by two hexadecimal digits"
        ));
    }
    Ok(())
}

fn escapes_are_complete(segment: &str) -> bool {
    segment.split('%').skip(1).all(|rest| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(results: impl IntoIterator<Item = Result<String, String>>, expected: Expect) {
        let lines: Vec<String> = results
            .into_iter()
            .map(|result| result.unwrap_or_else(|error| format!("refused: {error}")))
            .collect();
        expected.assert_eq(&lines.join("\n"));
    }

    #[test]
    fn a_base_path_has_one_spelling() {
        check(
            ["/", "/orders", "/orders/v1/"].map(base_path),
            expect![[r#"
            /
            /orders
            /orders/v1"#]],
        );
    }

    #[test]
    fn base_paths_that_mean_two_things_are_refused() {
        let paths = [
            "", "orders", "/a//b", "/a/../b", "/%2e%2E", "/a%2Fb", "/a?b", "/a#b", "/a b", "/{id}", "//",
            "/%zz", "/a\\b", "/%", "/é",
        ];
        check(
            paths.map(base_path),
            expect![[r#"
                refused: a base path starts with `/`: `/`
                refused: a base path starts with `/`: `/orders`
                refused: two slashes in a row; leave one out
                refused: segment `..` would be resolved away by clients; leave it out
                refused: segment `%2e%2E` would be resolved away by clients; leave it out
                refused: `a%2Fb` hides a slash; gateways and upstreams would disagree on it
                refused: `a?b` must be written as in a URL: byte 0x3f as `%3F`
                refused: `a#b` must be written as in a URL: byte 0x23 as `%23`
                refused: `a b` must be written as in a URL: byte 0x20 as `%20`
                refused: a base path has no parameters; put them into the operations
                refused: two slashes in a row; leave one out
                refused: `%` in `%zz` must be followed by two hexadecimal digits
                refused: `a\b` hides a slash; gateways and upstreams would disagree on it
                refused: `%` in `%` must be followed by two hexadecimal digits
                refused: `é` must be written as in a URL: byte 0xc3 as `%C3`"#]],
        );
    }

    #[test]
    fn a_regular_expression_is_short_and_whole() {
        assert_eq!(regex("/orders/[0-9]+"), Ok(()));
        for refused in ["(", "/a)|(/b", "(a{1000}){1000}", &"a".repeat(1025)] {
            regex(refused).expect_err(refused);
        }
        assert_eq!(
            regex("/("),
            Err("not a regular expression: unclosed group".to_owned())
        );
    }

    #[test]
    fn templates_are_made_of_literals_and_parameters() {
        let paths = [
            "/",
            "/a/{id}",
            "/a/{rest...}",
            "/a/",
            "",
            "/{a}/{a}",
            "/{rest...}/a",
            "/{a}.json",
            "/{base}...{head}",
            "/{a}{a}",
            "/x{a",
            "/{}",
            "/{a b}",
            "/a//b",
            "/..",
        ];
        check(
            paths.map(|path| template(path).map(|()| path.to_owned())),
            expect![[r#"
                /
                /a/{id}
                /a/{rest...}
                /a/
                refused: a path starts with `/`: `/`
                refused: parameter `{a}` is there twice; give each its own name
                refused: `{rest...}` takes everything that is left, so it can only be last
                /{a}.json
                /{base}...{head}
                refused: parameter `{a}` is there twice; give each its own name
                refused: in `x{a` the braces do not pair
                refused: `{}` is not a parameter: its name is made of letters, digits, `_`, `-` and `.`
                refused: `{a b}` is not a parameter: its name is made of letters, digits, `_`, `-` and `.`
                refused: two slashes in a row; leave one out
                refused: segment `..` would be resolved away by clients; leave it out"#]],
        );
    }
}
