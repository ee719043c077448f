//! Aligned columns of text.

/// Rows below a line of headings, in columns as wide as their longest cell. Never wrapped.
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = headings
        .iter()
        .enumerate()
        .map(|(column, heading)| {
            let cells = rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count());
            cells.chain([heading.chars().count()]).max().unwrap_or_default()
        })
        .collect();
    let headings: Vec<String> = headings.iter().map(ToString::to_string).collect();
    std::iter::once(&headings)
        .chain(rows)
        .map(|row| line(row, &widths))
        .collect()
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let padded: String = cells
        .iter()
        .zip(widths)
        .map(|(cell, width)| {
            format!(
                "{}{}",
                one_line(cell),
                " ".repeat(width - cell.chars().count() + 3)
            )
        })
        .collect();
    format!("{}\n", padded.trim_end())
}

/// A cell stays on its line, whatever it contains; control characters must not reach the terminal.
fn one_line(cell: &str) -> String {
    cell.chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_longest_cell() {
        let rows = vec![
            vec!["orders".to_owned(), "v1".to_owned(), "local".to_owned()],
            vec![
                "a-much-longer-name".to_owned(),
                String::new(),
                "kong\neu".to_owned(),
            ],
        ];
        expect![[r#"
            NAME                 VERSION   DEPLOYED
            orders               v1        local
            a-much-longer-name             kong eu
        "#]]
        .assert_eq(&table(&["NAME", "VERSION", "DEPLOYED"], &rows));
    }
}
