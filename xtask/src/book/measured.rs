//! What `cargo xtask bench --publish` has found, as tables and a drawing: no figure is typed into a page.

use std::fs;
use std::path::Path;

use anyhow::Context;

use crate::bench::results::Results;
use crate::bench::{PUBLISHED, plot, table};

/// `about`, `targets`, `plot`, or the id of a group of rows.
pub fn markdown(root: &Path, part: &str) -> anyhow::Result<String> {
    let again = format!("{PUBLISHED}: cargo xtask bench --publish makes it");
    let text = fs::read_to_string(root.join(PUBLISHED)).with_context(|| again.clone())?;
    let results = Results::read(&text).context(again)?;
    match part {
        "about" => Ok(table::surroundings(&results)),
        "targets" => Ok(table::targets(&results)),
        "plot" => plot::svg(&results).context("no start was measured"),
        id => {
            let group = results.group(id);
            Ok(table::group(&results, group.with_context(|| format!("there is no group `{id}`"))?))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::results::tests::example;
    use crate::scratch::Scratch;

    #[test]
    fn a_page_takes_its_parts_from_the_results() {
        let root = Scratch::new("measured").unwrap();
        root.write(PUBLISHED, &serde_json::to_string(&example()).unwrap());
        let part = |part: &str| markdown(root.path(), part);
        assert!(part("plain").unwrap().contains("| step07 | 3.00 ms |"));
        assert!(part("plot").unwrap().starts_with("<svg"));
        assert!(part("about").unwrap().contains("| kernel |"));
        assert!(part("targets").unwrap().contains("| target |"));
        assert!(part("nothing").unwrap_err().to_string().contains("no group `nothing`"));
    }

    #[test]
    fn results_that_are_missing_or_malformed_end_the_build() {
        let root = Scratch::new("measured").unwrap();
        assert!(markdown(root.path(), "plot").unwrap_err().to_string().contains("--publish makes it"));
        root.write(PUBLISHED, "{\"groups\": [");
        assert!(markdown(root.path(), "plot").is_err());
    }
}
