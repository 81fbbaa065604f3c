//! A step under measurement: its release build, with a data folder of its own.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::line::Line;
use super::sections::PLAIN;

/// The first step that has an image to start, and the first that keeps containers.
const IMAGES: &str = "step04";
const CONTAINERS: &str = "step05";

pub struct Ours {
    pub step: String,
    bin: PathBuf,
    data: PathBuf,
}

impl Ours {
    /// `name` is that of its data folder in `place`.
    pub fn new(step: &str, bin: PathBuf, place: &Path, name: &str) -> Result<Ours> {
        let data = place.join(name);
        fs::create_dir(&data).with_context(|| format!("make {}", data.display()))?;
        Ok(Ours { step: step.to_owned(), bin, data })
    }

    pub fn line(&self, words: &str) -> Line {
        Line::default().word(&self.bin).with(words).variable("FORK_TO_VETH_ROOT", &self.data)
    }

    /// Runs `true` and leaves nothing behind. Before there are images, it is the host's own.
    pub fn run(&self, options: &str) -> Line {
        match self.step.as_str() {
            step if step < IMAGES => self.line(&format!("run {options} true")),
            step if step < CONTAINERS => self.line(&format!("run {options} base true")),
            _ => self.line(&format!("run --rm {options} base true")),
        }
    }

    /// Starts a container that lives on.
    pub fn live(&self, options: &str) -> Line {
        self.line(&format!("run -d {options} base sleep 100000"))
    }

    /// Makes the image, which the first run does.
    pub fn prepare(&self) -> Result<()> {
        let run = self.run(if self.step.as_str() >= "step08" { "--network none" } else { "" });
        run.output().map(drop).with_context(|| format!("make the image of {}", self.step))
    }

    /// The plain folder that step 04 makes of the image.
    pub fn root(&self) -> PathBuf {
        self.data.join("base")
    }

    /// The ids of all its containers.
    pub fn containers(&self) -> Result<Vec<String>> {
        // Before containers live on, there is no list of them.
        if self.step.as_str() < PLAIN {
            return Ok(Vec::new());
        }
        Ok(self.line("ps -a -q").output()?.lines().map(str::to_owned).collect())
    }

    /// A command with all these as its last words.
    pub fn on(&self, words: &str, ids: &[String]) -> Line {
        ids.iter().fold(self.line(words), Line::word)
    }

    /// Ends and removes all its containers.
    pub fn clear(&self) -> Result<()> {
        let ids = self.containers()?;
        if !ids.is_empty() {
            self.on("rm -f", &ids).output()?;
        }
        let left = self.containers()?.len();
        ensure!(left == 0, "{left} containers of {} are left", self.step);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(step: &str) -> String {
        let bin = PathBuf::from("echo");
        let ours = Ours { step: step.to_owned(), bin, data: PathBuf::from("/data") };
        ours.run("--init").output().unwrap()
    }

    #[test]
    fn what_is_run_fits_the_step() {
        assert_eq!(words("step03"), "run --init true\n");
        assert_eq!(words("step04"), "run --init base true\n");
        assert_eq!(words("step05"), "run --rm --init base true\n");
    }

    #[test]
    fn each_step_has_its_data_in_its_environment() {
        let ours = Ours { step: "x".into(), bin: PathBuf::from("printenv"), data: PathBuf::from("/d d") };
        assert_eq!(ours.line("FORK_TO_VETH_ROOT").output().unwrap(), "/d d\n");
        assert_eq!(ours.root(), Path::new("/d d/base"));
    }
}
