//! The command's environment: Docker's defaults and what was asked for, nothing of the caller's.

use crate::cli::Run;
use crate::image::config::Settings;
use anyhow::{Context, Result, bail};
use std::env;
use std::ffi::{CString, OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// Variables in the order in which they were first named; a later value replaces an earlier one.
pub struct Environment(Vec<(Vec<u8>, Vec<u8>)>);

/// What was asked for: by the image, and then by the caller.
pub fn asked(run: &Run, image: &Settings) -> Result<Environment> {
    let mut environment = Environment(Vec::new());
    for variable in image.env.iter().flatten() {
        let (key, value) = variable.split_once('=').unwrap_or((variable, ""));
        environment.set(key.as_bytes(), value.as_bytes());
    }
    for file in &run.env_file {
        environment.read_file(file)?;
    }
    for variable in &run.env {
        environment.ask(variable.as_bytes())?;
    }
    Ok(environment)
}

/// The same with the user's home directory, which the container's /etc/passwd tells, unless HOME was asked for.
pub fn with_home(environment: &[CString], home: &str) -> Result<Vec<CString>> {
    let mut environment = environment.to_vec();
    if !environment.iter().any(|variable| variable.as_bytes().starts_with(b"HOME=")) {
        environment.push(CString::new(format!("HOME={home}")).context("a NUL in the user's home directory")?);
    }
    Ok(environment)
}

impl Environment {
    fn set(&mut self, key: &[u8], value: &[u8]) {
        match self.0.iter_mut().find(|(known, _)| known == key) {
            Some((_, old)) => *old = value.to_vec(),
            None => self.0.push((key.to_vec(), value.to_vec())),
        }
    }

    /// `KEY=VALUE`, or `KEY` for the value that the caller has; one that the caller does not have is left out.
    fn ask(&mut self, variable: &[u8]) -> Result<()> {
        let (key, value) = match variable.iter().position(|&byte| byte == b'=') {
            Some(at) => (&variable[..at], Some(OsString::from_vec(variable[at + 1..].to_vec()))),
            None => (variable, env::var_os(OsStr::from_bytes(variable))),
        };
        if key.is_empty() {
            bail!("environment variable {:?}: no name before the '='", OsStr::from_bytes(variable));
        }
        if let Some(value) = value {
            self.set(key, value.as_bytes());
        }
        Ok(())
    }

    /// Docker's file format: a variable a line, `#` starts a comment line, quotes mean nothing special.
    fn read_file(&mut self, path: &Path) -> Result<()> {
        let text = fs::read(path).with_context(|| format!("read environment file {}", path.display()))?;
        for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
            let line = line.trim_ascii_start();
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let key = line.split(|&byte| byte == b'=').next().unwrap_or_default();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let place = || format!("{}, line {}", path.display(), index + 1);
            if key.iter().any(u8::is_ascii_whitespace) {
                bail!("{}: white space in the name {:?}", place(), OsStr::from_bytes(key));
            }
            self.ask(line).with_context(place)?;
        }
        Ok(())
    }

    /// The environment of a command, as execve(2) takes it: `KEY=VALUE` strings, Docker's defaults first.
    pub fn build(&self, hostname: &OsStr) -> Result<Vec<CString>> {
        let mut environment = Environment(Vec::new());
        environment.set(b"PATH", b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        environment.set(b"TERM", b"xterm");
        environment.set(b"HOSTNAME", hostname.as_bytes());
        for (key, value) in &self.0 {
            environment.set(key, value);
        }
        environment.into_strings()
    }

    fn into_strings(self) -> Result<Vec<CString>> {
        let join = |(key, value): (Vec<u8>, Vec<u8>)| CString::new([key, value].join(&b'='));
        self.0.into_iter().map(|pair| join(pair).context("a NUL in the environment")).collect()
    }

    /// The same as text, for an image's document.
    pub fn lines(&self) -> Vec<String> {
        let line = |(key, value): &(Vec<u8>, Vec<u8>)| [key.as_slice(), value].join(&b'=');
        self.0.iter().map(|pair| String::from_utf8_lossy(&line(pair)).into_owned()).collect()
    }
}
