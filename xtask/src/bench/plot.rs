//! A start's time as bars, drawn from the results.

use std::fmt::Write;

use super::results::{Results, Row};

/// Which rows are drawn, in this order; the groups have no other.
const GROUPS: [(&str, &str); 4] = [
    ("plain", "without a network"),
    ("limits", "with limits"),
    ("bridge", "on a bridge"),
    ("port", "on a bridge, with a published port"),
];

/// Narrow, so that a telephone shows it without making the letters small.
const WIDTH: f64 = 400.0;
const ROW: f64 = 38.0;
const HEAD: f64 = 34.0;
const BAR: f64 = 14.0;
/// The length of the longest bar; behind it is room for a figure.
const LONGEST: f64 = 320.0;

const STYLE: &str = "\
.bench-plot { font-family: system-ui, sans-serif; font-size: 14px; display: block; margin: 1.2em auto; max-width: 100%; height: auto; }
.bench-plot text { fill: currentColor; }
.bench-plot .title { font-weight: 600; }
.bench-plot .grid { stroke: currentColor; stroke-opacity: 0.18; }
.bench-plot .tick { font-size: 11px; fill-opacity: 0.75; }
.bench-plot .bar { fill: currentColor; fill-opacity: 0.32; }
.bench-plot .ours { fill: #2f9e5b; fill-opacity: 1; }
@media (prefers-color-scheme: dark) { svg.bench-plot:root { color: #ddd; background: #222; } }
";

/// The p50 of each start, on a logarithmic scale: on a linear one, the short bars could not be told apart. The colour of the
/// text is that of the page around it. `None` when no start was measured.
pub fn svg(results: &Results) -> Option<String> {
    let groups: Vec<(&str, Vec<&Row>)> = GROUPS
        .iter()
        .map(|(id, title)| (*title, rows(results, id)))
        .filter(|(_, rows)| !rows.is_empty())
        .collect();
    let all = || groups.iter().flat_map(|(_, rows)| rows.iter().map(|row| row.p50));
    let (least, most) = (all().fold(f64::INFINITY, f64::min), all().fold(0.0, f64::max));
    let scale = Scale::over(least, most)?;
    let height = groups.iter().map(|(_, rows)| HEAD + ROW * rows.len() as f64).sum::<f64>() + 24.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"bench-plot\" viewBox=\"0 0 {WIDTH} {height}\" \
         width=\"{WIDTH}\" height=\"{height}\" role=\"img\" aria-label=\"{}\">\n<style>\n{STYLE}</style>\n",
        description(&groups)
    );
    for (at, label) in scale.ticks() {
        let bottom = height - 20.0;
        writeln!(svg, "<line class=\"grid\" x1=\"{at:.1}\" y1=\"0\" x2=\"{at:.1}\" y2=\"{bottom}\"/>")
            .ok()?;
        let y = height - 6.0;
        writeln!(svg, "<text class=\"tick\" x=\"{at:.1}\" y=\"{y}\" text-anchor=\"middle\">{label}</text>")
            .ok()?;
    }
    let mut y = 0.0;
    for (title, rows) in &groups {
        writeln!(svg, "<text class=\"title\" x=\"0\" y=\"{}\">{title}</text>", y + 22.0).ok()?;
        y += HEAD;
        for row in rows {
            svg.push_str(&bar(row, y, &scale));
            y += ROW;
        }
    }
    svg.push_str("</svg>\n");
    Some(svg)
}

/// A group's rows, ours first and then the shortest first.
fn rows<'a>(results: &'a Results, group: &str) -> Vec<&'a Row> {
    let Some(group) = results.group(group) else { return Vec::new() };
    let mut rows: Vec<&Row> = group.rows.iter().collect();
    let others = group.rows.iter().filter_map(|row| results.row(row.beside.as_ref()?));
    for other in others {
        if !rows.iter().any(|row| row.id == other.id) {
            rows.push(other);
        }
    }
    rows.sort_by(|a, b| b.ours.cmp(&a.ours).then(a.p50.total_cmp(&b.p50)));
    rows
}

fn bar(row: &Row, y: f64, scale: &Scale) -> String {
    let length = scale.at(row.p50);
    let class = if row.ours { "bar ours" } else { "bar" };
    let (name, figure) = (escape(&row.name), super::table::figure(row));
    format!(
        "<text x=\"0\" y=\"{}\">{name}</text>\n\
         <rect class=\"{class}\" x=\"0\" y=\"{}\" width=\"{length:.1}\" height=\"{BAR}\" rx=\"2\"/>\n\
         <text x=\"{:.1}\" y=\"{}\">{figure}</text>\n",
        y + 12.0,
        y + 16.0,
        length + 6.0,
        y + 28.0
    )
}

/// For those who cannot see it.
fn description(groups: &[(&str, Vec<&Row>)]) -> String {
    let mut text = "From start to exit of true.".to_owned();
    for (title, rows) in groups {
        let rows: Vec<_> =
            rows.iter().map(|row| format!("{} {}", escape(&row.name), super::table::figure(row))).collect();
        write!(text, " {title}: {}.", rows.join(", ")).expect("a string takes all");
    }
    text
}

/// From half of the least value, so that its bar has a length, to the most.
struct Scale {
    from: f64,
    to: f64,
}

impl Scale {
    fn over(least: f64, most: f64) -> Option<Scale> {
        (least > 0.0 && least <= most).then_some(Scale { from: least / 2.0, to: most })
    }

    fn at(&self, value: f64) -> f64 {
        LONGEST * (value / self.from).ln() / (self.to / self.from).ln()
    }

    fn ticks(&self) -> Vec<(f64, String)> {
        let marks = [0.1, 1.0, 10.0, 100.0, 1000.0, 10000.0];
        let within = marks.into_iter().filter(|mark| *mark > self.from && *mark <= self.to);
        within.map(|mark| (self.at(mark), format!("{mark} ms"))).collect()
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::results::tests::example;

    #[test]
    fn bars_grow_with_the_logarithm() {
        let scale = Scale::over(2.0, 100.0).unwrap();
        assert!((scale.at(1.0)).abs() < 1e-9 && (scale.at(100.0) - LONGEST).abs() < 1e-9);
        assert!((scale.at(10.0) - LONGEST / 2.0).abs() < 1e-9);
        let labels: Vec<_> = scale.ticks().into_iter().map(|(_, label)| label).collect();
        assert_eq!(labels, ["10 ms", "100 ms"]);
        assert!(Scale::over(f64::INFINITY, 0.0).is_none());
    }

    #[test]
    fn the_drawing_takes_the_pages_colours_and_is_one_block_of_html() {
        let svg = svg(&example()).unwrap();
        assert!(svg.contains("currentColor") && svg.contains("a &amp; b") && svg.contains("3.00 ms"));
        assert_eq!(svg.matches("<rect class=\"bar").count(), 2);
        assert!(!svg.contains("\n\n"), "a blank line would end the block of HTML");
        assert!(svg.find("step07</text>") < svg.find("a &amp; b</text>"), "ours stands first");
    }

    #[test]
    fn there_is_no_drawing_of_nothing() {
        assert!(svg(&Results::default()).is_none());
    }
}
