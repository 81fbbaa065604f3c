//! The mistakes that the planted wrong variants of a step make, each with the check that notices it.

use std::fmt::Write;

use super::listing::escape;
use crate::mutants;
use crate::steps::Step;

/// A table that unfolds, as Markdown with HTML around it.
pub fn markdown(step: &Step) -> anyhow::Result<String> {
    let variants = mutants::of(step)?;
    anyhow::ensure!(!variants.is_empty(), "{} has no planted wrong variants", step.name);
    let mut page = format!(
        "<details class=\"mistakes\">\n<summary>{}: {} mistakes</summary>\n\n| mistake | noticed by |\n|---|---|\n",
        step.name,
        variants.len()
    );
    for variant in variants {
        let checks: Vec<String> = variant.checks.iter().map(|id| format!("`{id}`")).collect();
        // What stands in the header is plain text, and a `|` would end the cell.
        let about = escape(&variant.about).replace('|', "\\|").replace(['`', '*', '_'], "");
        writeln!(page, "| {about} | {} |", checks.join(", "))?;
    }
    Ok(page + "\n</details>\n")
}
