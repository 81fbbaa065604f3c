//! The formats by name.

use std::str::FromStr;

use anyhow::{Context, Result};

use super::{Report, classroom50, clock, github, gradescope, json, junit, tap, text};

/// A format in which a report can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// All that is known, for scripts.
    Json,
    /// JUnit's XML, which most CI systems read.
    Junit,
    /// The Test Anything Protocol, version 13.
    Tap,
    /// Gradescope's `results.json`.
    Gradescope,
    /// Classroom 50's `result.json`.
    Classroom50,
    /// What GitHub Classroom's grading reporter reads.
    Github,
}

/// Looks up a variable of the environment.
pub type Variable = Box<dyn Fn(&str) -> Option<String>>;

/// What some formats take from around the grading.
pub struct Surroundings {
    /// The environment's variables.
    pub variable: Variable,
    /// Seconds since 1970.
    pub now: u64,
}

impl Surroundings {
    /// Those of this process.
    #[must_use]
    pub fn of_process() -> Surroundings {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Surroundings { variable: Box::new(variable), now: clock::now() }
    }

    pub(super) fn required(&self, name: &str) -> Result<String> {
        (self.variable)(name).with_context(|| format!("{name} is not set; Classroom 50's runner sets it"))
    }
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 7] = [
        Format::Text,
        Format::Json,
        Format::Junit,
        Format::Tap,
        Format::Gradescope,
        Format::Classroom50,
        Format::Github,
    ];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Format::Text => "text",
            Format::Json => "json",
            Format::Junit => "junit",
            Format::Tap => "tap",
            Format::Gradescope => "gradescope",
            Format::Classroom50 => "classroom50",
            Format::Github => "github",
        }
    }

    /// Whether everything is there that this format takes from its surroundings, before the time for a grading is spent.
    ///
    /// # Errors
    /// When a variable is missing.
    pub fn ready(self, around: &Surroundings) -> Result<()> {
        match self {
            Format::Classroom50 => classroom50::Identity::of(around).map(drop).context("classroom50"),
            _ => Ok(()),
        }
    }

    /// The report in this format.
    ///
    /// # Errors
    /// When a variable that the format needs is missing.
    pub fn render(self, report: &Report, around: &Surroundings) -> Result<String> {
        match self {
            Format::Text => Ok(text::render(report, false)),
            Format::Json => json::render(report),
            Format::Junit => junit::render(report),
            Format::Tap => tap::render(report),
            Format::Gradescope => gradescope::render(report),
            Format::Classroom50 => classroom50::render(report, around).context("classroom50"),
            Format::Github => github::render(report),
        }
    }

    /// What the format wants to be told beside the report itself.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn announce(self, report: &Report, around: &Surroundings) -> Result<()> {
        match self {
            Format::Github => github::announce(report, around),
            _ => Ok(()),
        }
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Format, String> {
        let found = Format::ALL.into_iter().find(|format| format.name() == text);
        found.ok_or_else(|| format!("one of {}", Format::ALL.map(Format::name).join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::report::sample;

    /// `GRADE_BLESS=1` writes the files anew.
    #[test]
    fn every_format_is_as_its_golden_file() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let bless = std::env::var_os("GRADE_BLESS").is_some();
        let mut wrong = Vec::new();
        for (kind, report) in [("report", sample::report()), ("cannot-run", sample::cannot_run())] {
            for format in Format::ALL {
                let extension = match format {
                    Format::Text => "txt".into(),
                    Format::Junit => "junit.xml".into(),
                    Format::Json | Format::Tap => format.name().to_string(),
                    other => format!("{}.json", other.name()),
                };
                let file = folder.join(format!("{kind}.{extension}"));
                let rendered = format.render(&report, &sample::surroundings()).unwrap();
                if bless {
                    fs::write(&file, &rendered).unwrap();
                }
                if fs::read_to_string(&file).ok().as_ref() != Some(&rendered) {
                    wrong.push(file);
                }
            }
        }
        assert!(wrong.is_empty(), "not as they were: {wrong:?}; GRADE_BLESS=1 writes them anew");
    }

    #[test]
    fn names_are_those_that_are_parsed() {
        for format in Format::ALL {
            assert_eq!(format.name().parse(), Ok(format));
        }
        assert!("xml".parse::<Format>().is_err());
    }

    #[test]
    fn classroom50_needs_its_variables() {
        let nothing = Surroundings { variable: Box::new(|_| None), now: 0 };
        let error = Format::Classroom50.ready(&nothing).unwrap_err();
        assert!(format!("{error:#}").contains("CLASSROOM is not set"), "{error:#}");
        assert!(Format::Classroom50.ready(&sample::surroundings()).is_ok());
    }
}
