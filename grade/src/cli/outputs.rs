//! Which report goes where: `--format F`, each with the `--output FILE` behind it.

use std::fs;
use std::io::IsTerminal;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::ArgMatches;
use grade::Report;
use grade::report::{Format, Surroundings, text};

use super::print;

/// What the command line asks for, before it is known whether that can be.
#[derive(Default)]
pub(super) struct Asked {
    /// Formats and files with their places on the command line.
    formats: Vec<(usize, Format)>,
    files: Vec<(usize, PathBuf)>,
}

impl Asked {
    pub(super) fn of(matches: &ArgMatches) -> Asked {
        fn with_places<T: Clone + Send + Sync + 'static>(
            matches: &ArgMatches,
            name: &str,
        ) -> Vec<(usize, T)> {
            let places = matches.indices_of(name).into_iter().flatten();
            places.zip(matches.get_many::<T>(name).into_iter().flatten().cloned()).collect()
        }
        Asked { formats: with_places(matches, "format"), files: with_places(matches, "output") }
    }
}

/// Reports and where they go.
pub(super) struct Outputs {
    /// `None` is stdout.
    targets: Vec<(Format, Option<PathBuf>)>,
    around: Surroundings,
}

impl Outputs {
    /// Text goes to stdout unless something else does.
    ///
    /// # Errors
    /// When two reports would get mixed on stdout, or a format lacks what it takes from its surroundings.
    pub(super) fn new(asked: &Asked) -> Result<Outputs> {
        let mut targets: Vec<(usize, Format, Option<PathBuf>)> =
            asked.formats.iter().map(|(place, format)| (*place, *format, None)).collect();
        for (place, file) in &asked.files {
            let file = Some(file.clone()).filter(|file| file.as_os_str() != "-");
            let before = targets.iter_mut().filter(|(at, ..)| at < place).max_by_key(|(at, ..)| *at);
            match before {
                Some((_, format, target)) => {
                    ensure!(target.is_none(), "--format {} has two --output", format.name());
                    *target = file;
                }
                None => targets.push((*place, Format::Text, file)),
            }
        }
        let mut targets: Vec<_> = targets.into_iter().map(|(_, format, file)| (format, file)).collect();
        let on_stdout: Vec<_> = targets.iter().filter(|(_, file)| file.is_none()).collect();
        ensure!(
            on_stdout.len() < 2,
            "two reports on stdout would get mixed: give all but one an --output FILE"
        );
        if on_stdout.is_empty() {
            targets.push((Format::Text, None));
        }
        let around = Surroundings::of_process();
        for (format, _) in &targets {
            format.ready(&around)?;
        }
        Ok(Outputs { targets, around })
    }

    /// A writer for the text on stdout, when that is where text goes: then it is written as the checks end.
    pub(super) fn live(&self) -> Option<text::Writer> {
        let text = self.targets.contains(&(Format::Text, None));
        text.then(|| text::Writer::new(color()))
    }

    /// Whether a failed check is no failure of grade itself.
    pub(super) fn failures_are_results(&self) -> bool {
        self.targets.iter().any(|(format, _)| *format == Format::Classroom50)
    }

    /// Writes all but the text that was written live.
    pub(super) fn write(&self, report: &Report) -> Result<()> {
        for (format, file) in &self.targets {
            format.announce(report, &self.around)?;
            if *format == Format::Text && file.is_none() {
                continue;
            }
            let rendered = format.render(report, &self.around)?;
            match file {
                Some(file) => {
                    fs::write(file, rendered).with_context(|| format!("write {}", file.display()))?;
                }
                None => print(&rendered)?,
            }
        }
        Ok(())
    }
}

/// Color only for eyes. <https://no-color.org>
pub(super) fn color() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    std::io::stdout().is_terminal() && !refused && !dumb
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::cli::check;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        args: check::Args,
    }

    fn targets(words: &[&str]) -> Result<Vec<(Format, Option<PathBuf>)>> {
        let matches = Only::command().get_matches_from([&["grade"], words].concat());
        Outputs::new(&Asked::of(&matches)).map(|outputs| outputs.targets)
    }

    #[test]
    fn each_output_belongs_to_the_format_before_it() {
        let file = |name: &str| Some(PathBuf::from(name));
        assert_eq!(targets(&[]).unwrap(), [(Format::Text, None)]);
        assert_eq!(targets(&["--format", "json"]).unwrap(), [(Format::Json, None)]);
        assert_eq!(
            targets(&["--format", "junit", "--output", "j", "--format", "tap"]).unwrap(),
            [(Format::Junit, file("j")), (Format::Tap, None)]
        );
        assert_eq!(
            targets(&["--format", "junit", "--output", "j"]).unwrap(),
            [(Format::Junit, file("j")), (Format::Text, None)]
        );
        assert_eq!(
            targets(&["--output", "t", "--format", "json", "--output", "-"]).unwrap(),
            [(Format::Json, None), (Format::Text, file("t"))]
        );
        assert!(targets(&["--format", "json", "--format", "tap"]).is_err());
        assert!(targets(&["--format", "json", "--output", "a", "--output", "b"]).is_err());
    }
}
