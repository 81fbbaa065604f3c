//! The results as tables: for a terminal, and for the book.

use std::fmt::Write;

use super::results::{Group, Results, Row, Target, Unit};

/// All of it for a terminal.
pub fn text(results: &Results) -> String {
    let mut page = String::new();
    for (name, value) in about(results) {
        line(&mut page, &format!("{name:16} {value}"));
    }
    for absent in &results.absent {
        line(&mut page, &format!("left out: {}: {}", absent.name, absent.why));
    }
    line(&mut page, "");
    line(&mut page, &format!("{:58} {:>10} {:>10} {:>8}", "", "p50", "p90", "× ours"));
    for group in &results.groups {
        line(&mut page, &group.title.replace('`', ""));
        for row in shown(results, group) {
            let ratio = row.ratio.map(number).unwrap_or_default();
            let (p50, p90) = (number(row.p50), number(row.p90));
            let (name, unit) = (row.name.replace('`', ""), row.unit.name());
            let text = format!("  {name:56} {p50:>10} {p90:>10} {ratio:>8}  {unit}");
            line(&mut page, text.trim_end());
        }
        line(&mut page, "");
    }
    for Target { text, measured, met } in &results.targets {
        let measured = measured.map_or("-".to_owned(), number);
        line(&mut page, &format!("target: {:58} {measured:>8}  {}", text.replace('`', ""), verdict(*met)));
    }
    for warning in &results.warnings {
        line(&mut page, &format!("warning: {warning}"));
    }
    page
}

/// One group as a table of Markdown.
pub fn group(results: &Results, group: &Group) -> String {
    let rows = shown(results, group);
    let compared = rows.iter().any(|row| row.ratio.is_some());
    let unit = if rows.iter().all(|row| row.unit == Unit::ASecond) { ["rate", ""] } else { ["p50", "p90"] };
    let [mut page, mut rule] = [format!("| | {} |", unit[0]), "|---|--:|".to_owned()];
    let mut add = |title: &str| {
        write!(page, " {title} |").expect("a string takes all");
        rule.push_str("--:|");
    };
    if !unit[1].is_empty() {
        add(unit[1]);
    }
    if compared {
        add("× ours");
    }
    line(&mut page, "");
    line(&mut page, &rule);
    for row in rows {
        let figure = |value| format!("{} {}", number(value), row.unit.name());
        let mut cells = vec![cell(&row.name), figure(row.p50)];
        if !unit[1].is_empty() {
            cells.push(figure(row.p90));
        }
        if compared {
            cells.push(row.ratio.map(number).unwrap_or_default());
        }
        line(&mut page, &format!("| {} |", cells.join(" | ")));
    }
    page
}

/// What was aimed at, as a table of Markdown.
pub fn targets(results: &Results) -> String {
    let mut page = "| target | measured | |\n|---|--:|---|\n".to_owned();
    for Target { text, measured, met } in &results.targets {
        let measured = measured.map_or("–".to_owned(), number);
        line(&mut page, &format!("| {text} | {measured} | {} |", verdict(*met)));
    }
    page
}

/// What the figures depend on, and who is missing, as tables of Markdown.
pub fn surroundings(results: &Results) -> String {
    let mut page = "| | |\n|---|---|\n".to_owned();
    for (name, value) in about(results) {
        line(&mut page, &format!("| {name} | {} |", cell(&value)));
    }
    for absent in &results.absent {
        line(&mut page, &format!("| left out: {} | {} |", cell(&absent.name), cell(&absent.why)));
    }
    page
}

/// One figure for a sentence: `step07` gives `2.41 ms`.
pub fn figure(row: &Row) -> String {
    format!("{} {}", number(row.p50), row.unit.name())
}

/// A group's rows, and before them those of other groups that they are beside.
fn shown<'a>(results: &'a Results, group: &'a Group) -> Vec<&'a Row> {
    let mut rows: Vec<&Row> = Vec::new();
    for other in group.rows.iter().filter_map(|row| results.row(row.beside.as_ref()?)) {
        if !rows.iter().chain(&group.rows.iter().collect::<Vec<_>>()).any(|row| row.id == other.id) {
            rows.push(other);
        }
    }
    rows.extend(&group.rows);
    rows
}

fn about(results: &Results) -> Vec<(String, String)> {
    let about = &results.about;
    let processor = format!("{}, {} CPUs", about.processor, about.processors);
    let runs = if about.quick { ", few runs (--quick)" } else { "" };
    let took = format!("{} s, {} ms between two runs{runs}", about.seconds, about.gap_ms);
    let facts = [
        ("measured on", &about.date),
        ("commit", &about.commit),
        ("kernel", &about.kernel),
        ("cgroups", &about.cgroups),
        ("processor", &processor),
        ("data on", &about.data),
        ("load before", &about.load),
        ("took", &took),
    ];
    let facts = facts.iter().map(|(name, value)| ((*name).to_owned(), (*value).clone()));
    facts.chain(about.versions.iter().map(|(name, version)| (name.clone(), version.clone()))).collect()
}

/// Three digits that count.
fn number(value: f64) -> String {
    let digits = match value.abs() {
        100.0.. => 0,
        10.0..100.0 => 1,
        1.0..10.0 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

fn verdict(met: Option<bool>) -> &'static str {
    match met {
        Some(true) => "met",
        Some(false) => "missed",
        None => "not measured",
    }
}

/// Text in a cell of Markdown.
fn cell(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('|', "\\|")
}

fn line(page: &mut String, text: &str) {
    page.push_str(text);
    page.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::results::tests::example;

    #[test]
    fn a_table_has_a_ratio_where_something_is_compared() {
        let results = example();
        let table = group(&results, &results.groups[0]);
        let wanted = "| | p50 | p90 | × ours |\n|---|--:|--:|--:|\n| step07 | 3.00 ms | 4.00 ms |  |\n\
                      | a &amp; b | 30.0 ms | 30.0 ms | 10.0 |\n";
        assert_eq!(table, wanted);
    }

    #[test]
    fn what_a_row_is_beside_is_shown_with_it() {
        let mut results = example();
        let theirs = results.groups[0].rows.remove(1);
        results.groups.push(Group { id: "other".into(), title: "x".into(), rows: vec![theirs] });
        assert!(group(&results, &results.groups[1]).contains("| step07 |"));
        assert!(!group(&results, &results.groups[0]).contains("× ours"));
    }

    #[test]
    fn numbers_have_three_digits_that_count() {
        let shown = [0.0561, 1.234, 56.78, 329.4, 13000.0].map(number);
        assert_eq!(shown, ["0.056", "1.23", "56.8", "329", "13000"]);
    }

    #[test]
    fn a_terminal_gets_all_of_it() {
        let mut results = example();
        results.targets.push(Target { text: "`x`: fast".into(), measured: None, met: None });
        results.warnings.push("busy".into());
        let page = text(&results);
        for part in ["A start", "step07", "10.0", "x: fast", "not measured", "warning: busy"] {
            assert!(page.contains(part), "{part}: {page}");
        }
    }
}
