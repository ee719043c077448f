//! Statements about many rows at once: what is one statement per row takes seconds of the single writer.

use std::fmt::Write as _;

use gatehouse_schemas::identity::ExternalRef;

/// How many parameters one statement has. SQLite looks each up by its name among all others, so that many more are
/// slower, not faster.
const PARAMETERS: usize = 400;

/// How many rows of so many parameters one statement writes.
pub(crate) const fn size(width: usize) -> usize {
    PARAMETERS / width
}

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

/// References in pieces of one statement each.
pub(crate) fn pieces(references: &[ExternalRef]) -> impl Iterator<Item = &[ExternalRef]> {
    references.chunks(size(1))
}

/// Keys of an environment (`$1`) and a reference each, to look rows up with: `(…) IN (VALUES …)`, for so many references
/// after `before` parameters. With the environment outside of the list, PostgreSQL would compare every row of it with
/// every reference for as long as it knows little about a table.
pub(crate) fn keys(before: usize, count: usize) -> String {
    let keys: Vec<String> = (1..=count)
        .map(|number| format!("($1, ${})", before + number))
        .collect();
    format!("(VALUES {})", keys.join(", "))
}

#[cfg(test)]
mod tests {
    use super::{keys, rows};

    #[test]
    fn numbers_the_parameters_of_all_rows() {
        assert_eq!(rows(0, 2, 2), "($1, $2), ($3, $4)");
        assert_eq!(keys(1, 2), "(VALUES ($1, $2), ($1, $3))");
    }
}
