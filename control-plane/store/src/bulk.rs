//! Statements about many rows at once: what is one statement per row takes seconds of the single writer.

use std::fmt::Write as _;

use gatehouse_schemas::identity::ExternalRef;

/// How many rows one statement writes.
pub(crate) const ROWS: usize = 250;

/// `($1, …), …`: so many rows of so many parameters, after `before` parameters that stand alone.
pub(crate) fn rows(before: usize, width: usize, count: usize) -> String {
    let mut text = String::with_capacity(count * width * 6);
    for row in 0..count {
        text.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..width {
            let separator = if column == 0 { "" } else { ", " };
            let number = before + row * width + column + 1;
            // Writing to a string never fails.
            let _ = write!(text, "{separator}${number}");
        }
        text.push(')');
    }
    text
}

/// References as one engine and the other can hold them, in pieces of one statement each.
pub(crate) fn pieces(references: &[ExternalRef]) -> impl Iterator<Item = &[ExternalRef]> {
    references.chunks(ROWS)
}

#[cfg(test)]
mod tests {
    use super::rows;

    #[test]
    fn numbers_the_parameters_of_all_rows() {
        assert_eq!(rows(0, 2, 2), "($1, $2), ($3, $4)");
        assert_eq!(rows(1, 1, 3), "($2), ($3), ($4)");
    }
}
