//! A line for each submission, a column for each check. RFC 4180.

use super::{Graded, columns};

/// The whole table.
#[must_use]
pub fn render(graded: &[Graded]) -> String {
    let checks = columns(graded);
    let fixed = [
        "submission",
        "step",
        "status",
        "points",
        "possible",
        "not_judged",
        "seconds",
        "peak_memory_mib",
        "note",
    ];
    let mut out = line(fixed.into_iter().chain(checks.iter().map(|check| check.id)).map(String::from));
    for one in graded {
        let mut fields = vec![one.name.clone()];
        match &one.result {
            Ok(report) => {
                let points = report.points();
                fields.extend([format!("step{:02}", report.step), one.word().to_string()]);
                fields.extend(
                    [points.got, points.possible, points.not_judged].map(|number| number.to_string()),
                );
                fields.push(format!("{}.{:03}", report.millis / 1000, report.millis % 1000));
                fields.push(report.peak_memory.map(|bytes| (bytes >> 20).to_string()).unwrap_or_default());
                fields.push(report.lack().unwrap_or_default());
            }
            Err(reason) => {
                fields.extend([String::new(), one.word().to_string()]);
                fields.extend(std::iter::repeat_n(String::new(), 5));
                fields.push(reason.clone());
            }
        }
        fields.extend(checks.iter().map(|check| one.outcome(check.id).unwrap_or_default().to_string()));
        out += &line(fields.into_iter());
    }
    out
}

fn line(fields: impl Iterator<Item = String>) -> String {
    fields.map(|text| field(&text)).collect::<Vec<_>>().join(",") + "\r\n"
}

fn field(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) || text.starts_with(' ') || text.ends_with(' ') {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_string()
    }
}
