//! Columns of text.

use glimpsed_base::leaving;

/// Rows as wide as their widest cells, two spaces apart; the first row is the heading. A line break in a cell, as in a file's name, makes
/// no other row.
pub(super) fn render(rows: &[Vec<String>]) -> String {
    let clean = |cell: &String| leaving::clean_line(cell).into_owned();
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(clean).collect()).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in &rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        out.push_str(cells.join("  ").trim_end());
        out.push('\n');
    }
    out
}

/// `3 504 872`, with thin groups that are easy to count.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_have_no_trailing_spaces() {
        let rows = [vec!["name".into(), "size".into()], vec!["x".into(), "1".into()]];
        assert_eq!(render(&rows), "name  size\nx     1\n");
        assert_eq!(render(&[vec!["x\n1 %  cat".into()]]), "x\\n1 %  cat\n");
    }

    #[test]
    fn digits_are_grouped_in_threes() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(123), "123");
        assert_eq!(grouped(1234567), "1 234 567");
    }
}
