//! Tables for people: columns as wide as their widest cell.

/// What is between two columns.
const GAP: usize = 3;

/// Lines of text, each with its cells below those of the line before.
pub fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or_default() + GAP).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        format!("{}\n", cells.collect::<String>().trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::aligned;

    #[test]
    fn columns_begin_below_each_other() {
        let rows =
            [["NAME", "SIZE"], ["a-long-name", "1"], ["ä", ""]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(aligned(&rows), "NAME          SIZE\na-long-name   1\nä\n");
    }
}
