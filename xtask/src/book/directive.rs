//! The directives that a page may hold: `{{#diff …}}`, `{{#code …}}`, `{{#exercises …}}`, `{{#plan …}}`,
//! `{{#mistakes …}}`, `{{#file …}}`, `{{#bench …}}`.

use anyhow::{bail, ensure};

#[derive(Debug, PartialEq)]
pub enum Directive {
    Diff { step: String, file: String, anchors: Vec<String> },
    Code { step: String, file: String, anchors: Vec<String> },
    Exercises { step: String },
    Plan { id: String },
    Mistakes { step: String },
    File { file: String },
    Bench { part: String },
}

/// Reads a line that holds a directive and nothing else. A line without any is `None`.
pub fn parse(line: &str) -> anyhow::Result<Option<Directive>> {
    let line = line.trim_end();
    if !line.contains("{{#") {
        return Ok(None);
    }
    let Some(inside) = line.strip_prefix("{{#").and_then(|rest| rest.strip_suffix("}}")) else {
        bail!("a directive stands alone on its line, from its first column");
    };
    let (name, rest) = inside.trim().split_once(char::is_whitespace).unwrap_or((inside.trim(), ""));
    let mut words = rest.trim().splitn(3, char::is_whitespace);
    let step = words.next().unwrap_or_default().to_owned();
    let file = words.next().unwrap_or_default().to_owned();
    let anchors: Vec<String> = words
        .next()
        .into_iter()
        .flat_map(|anchors| anchors.split(','))
        .map(|anchor| anchor.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    ensure!(anchors.iter().all(|anchor| !anchor.is_empty()), "an anchor is empty");
    match name {
        "diff" | "code" => {
            ensure!(!file.is_empty(), "it names a step and a file: {{{{#{name} step02 src/child.rs}}}}");
            if name == "diff" {
                Ok(Some(Directive::Diff { step, file, anchors }))
            } else {
                Ok(Some(Directive::Code { step, file, anchors }))
            }
        }
        "exercises" => {
            ensure!(!step.is_empty() && file.is_empty(), "it names a step: {{{{#exercises step02}}}}");
            Ok(Some(Directive::Exercises { step }))
        }
        "plan" => {
            ensure!(!step.is_empty() && file.is_empty(), "it names a plan: {{{{#plan half-day}}}}");
            Ok(Some(Directive::Plan { id: step }))
        }
        "mistakes" => {
            ensure!(!step.is_empty() && file.is_empty(), "it names a step: {{{{#mistakes step02}}}}");
            Ok(Some(Directive::Mistakes { step }))
        }
        "file" => {
            ensure!(
                !step.is_empty() && file.is_empty(),
                "it names a file: {{{{#file classroom/github/grade.yml}}}}"
            );
            Ok(Some(Directive::File { file: step }))
        }
        "bench" => {
            ensure!(!step.is_empty() && file.is_empty(), "it names a part: {{{{#bench targets}}}}");
            Ok(Some(Directive::Bench { part: step }))
        }
        other => {
            bail!(
                "there is no directive `{other}`; there are diff, code, exercises, plan, mistakes, file, bench"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_are_split_at_commas() {
        let directive = parse("{{#diff step04 src/child.rs fn  enter, impl Display for Child,use}}").unwrap();
        assert_eq!(
            directive,
            Some(Directive::Diff {
                step: "step04".into(),
                file: "src/child.rs".into(),
                anchors: vec!["fn enter".into(), "impl Display for Child".into(), "use".into()],
            })
        );
        assert_eq!(
            parse("{{#exercises step01}}").unwrap(),
            Some(Directive::Exercises { step: "step01".into() })
        );
        assert_eq!(parse("{{#plan half-day}}").unwrap(), Some(Directive::Plan { id: "half-day".into() }));
        assert_eq!(
            parse("{{#mistakes step02}}").unwrap(),
            Some(Directive::Mistakes { step: "step02".into() })
        );
        assert_eq!(parse("{{#bench plot}}").unwrap(), Some(Directive::Bench { part: "plot".into() }));
        assert_eq!(parse("plain {{ text").unwrap(), None);
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        let wrong = [
            "{{#include a.rs}}",
            "{{#diff step04}}",
            "see {{#diff step04 a.rs}}",
            "{{#diff step04 a.rs",
            "{{#code step01 a.rs fn x,}}",
            "{{#exercises}}",
            "{{#exercises step01 more}}",
            "{{#plan}}",
            "{{#mistakes step01 more}}",
            "{{#file}}",
            "{{#bench}}",
        ];
        for line in wrong {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
