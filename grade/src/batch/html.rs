//! One page, which asks nothing of the network and runs no script.

use std::fmt::Write;

use super::{Graded, columns, most_missed};
use crate::check::Check;
use crate::report::{Entry, Report};

/// So many of the most missed checks are listed.
const MOST: usize = 20;

/// The whole page.
#[must_use]
pub fn render(graded: &[Graded], title: &str) -> String {
    let (title, checks) = (escape(title), columns(graded));
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>{}</style>\n</head>\n<body>\n<h1>{title}</h1>\n",
        include_str!("page.css")
    );
    let _ = writeln!(out, "<p>{}</p>", summary(graded));
    missed(&mut out, graded);
    map(&mut out, graded, &checks);
    out += "<h2 id=\"submissions\">Submissions</h2>\n";
    for (number, one) in graded.iter().enumerate() {
        details(&mut out, number, one);
    }
    out + "</body>\n</html>\n"
}

fn summary(graded: &[Graded]) -> String {
    let reports: Vec<&Report> = graded.iter().filter_map(|one| one.result.as_ref().ok()).collect();
    let seconds = reports.iter().map(|report| report.millis).sum::<u64>() / 1000;
    let peak =
        reports.iter().filter_map(|report| report.peak_memory).max().map_or("unknown".into(), mebibytes);
    let mut words: Vec<&str> = graded.iter().map(Graded::word).collect();
    words.sort_unstable();
    let counts = words.chunk_by(|one, next| one == next).map(|group| format!("{} {}", group.len(), group[0]));
    let counts = counts.collect::<Vec<_>>().join(", ");
    let total = graded.len();
    format!("{total} submissions: {counts}. {seconds} seconds of grading; the largest used {peak} of memory.")
}

fn missed(out: &mut String, graded: &[Graded]) {
    let missed = most_missed(graded);
    if missed.is_empty() {
        return;
    }
    *out += "<h2 id=\"missed\">What most miss</h2>\n<table class=\"missed\">\n<thead><tr><th>check</th><th>step</th>\
             <th>missed by</th><th>promise</th><th>book</th></tr></thead>\n<tbody>\n";
    for (check, missed, judged) in missed.into_iter().take(MOST) {
        let share = 100 * missed / judged.max(1);
        let _ = writeln!(
            out,
            "<tr><td><code>{}</code></td><td>{:02}</td><td class=\"bar\" style=\"--share:{share}%\">{missed} of {judged}</td>\
             <td>{}</td><td>{}</td></tr>",
            check.id,
            check.step,
            escape(check.title),
            escape(check.section)
        );
    }
    *out += "</tbody>\n</table>\n";
}

fn map(out: &mut String, graded: &[Graded], checks: &[&Check]) {
    *out += "<h2 id=\"map\">Who passes what</h2>\n<p class=\"key\"><span class=\"pass\">✓</span> pass \
             <span class=\"fail\">✗</span> fail <span class=\"blocked\">·</span> blocked by another \
             <span class=\"skipped\">–</span> this machine cannot tell</p>\n\
             <div class=\"wide\"><table class=\"map\">\n<thead>\n<tr><th></th><th>points</th><th>s</th>";
    for group in checks.chunk_by(|one, next| one.step == next.step) {
        let _ = write!(out, "<th colspan=\"{}\">step{:02}</th>", group.len(), group[0].step);
    }
    *out += "</tr>\n</thead>\n<tbody>\n";
    for (number, one) in graded.iter().enumerate() {
        let _ = write!(out, "<tr><th scope=\"row\"><a href=\"#s{number}\">{}</a></th>", escape(&one.name));
        match &one.result {
            Err(_) => {
                let _ = write!(
                    out,
                    "<td></td><td></td><td colspan=\"{}\">{}</td>",
                    checks.len().max(1),
                    one.word()
                );
            }
            Ok(report) => {
                let points = report.points();
                let _ = write!(
                    out,
                    "<td>{}/{}</td><td>{}</td>",
                    points.got,
                    points.possible,
                    report.millis / 1000
                );
                checks.iter().for_each(|check| cell(out, one, check));
            }
        }
        *out += "</tr>\n";
    }
    *out += "</tbody>\n</table></div>\n";
}

fn cell(out: &mut String, one: &Graded, check: &Check) {
    let Some(word) = one.outcome(check.id) else {
        *out += "<td></td>";
        return;
    };
    let mark = match word {
        "pass" => "✓",
        "fail" => "✗",
        "blocked" => "·",
        _ => "–",
    };
    let title = escape(&format!("{}: {word}\n{}", check.id, check.title));
    let _ = write!(out, "<td class=\"{word}\" title=\"{title}\">{mark}</td>");
}

fn details(out: &mut String, number: usize, one: &Graded) {
    let _ = write!(out, "<details id=\"s{number}\">\n<summary>{}: ", escape(&one.name));
    match &one.result {
        Err(reason) => {
            let _ = writeln!(out, "{}</summary>\n<pre>{}</pre>", one.word(), escape(reason));
        }
        Ok(report) => {
            let points = report.points();
            let memory = report.peak_memory.map_or("unknown".into(), mebibytes);
            let _ = writeln!(
                out,
                "{}, {} of {} points, {} not judged, {}.{:03} s, {memory} of memory</summary>",
                one.word(),
                points.got,
                points.possible,
                points.not_judged,
                report.millis / 1000,
                report.millis % 1000
            );
            if let Some(lack) = report.lack() {
                let _ = writeln!(out, "<p>This machine cannot run it: {}</p>", escape(&lack));
            }
            report.entries.iter().filter(|entry| entry.failed()).for_each(|entry| failure(out, entry));
        }
    }
    *out += "</details>\n";
}

fn failure(out: &mut String, entry: &Entry) {
    let _ = writeln!(
        out,
        "<p><span class=\"{}\">{}</span> <code>{}</code> ({} of {}): {}</p>\n<pre>{}</pre>",
        entry.outcome.word(),
        entry.outcome.word(),
        escape(&entry.id),
        entry.score(),
        entry.points,
        escape(&entry.title),
        escape(&entry.explanation())
    );
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

/// What a student's program printed must be text on this page and nothing else.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            c if c.is_control() && c != '\n' => out.push(char::REPLACEMENT_CHARACTER),
            c => out.push(c),
        }
    }
    out
}
