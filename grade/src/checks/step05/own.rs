//! A store of a check's own, so that it can be compared before and after, and what the checks put into it.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::super::common::{expect_own_error, start_cat};
use crate::archive::{Entry, image, tar};
use crate::subject::PATIENCE;
use crate::tree::{self, Tree};
use crate::{Launch, Output, Process, Running, Subject, Verdict, expect, expect_eq, fixture, need, until};

/// A data folder that no other check uses.
pub(crate) struct Own<'a> {
    pub subject: &'a Subject,
    pub data: PathBuf,
}

/// Where the kernel's filesystems are mounted, and the files that belong to a network: no part of an image.
pub(crate) const NOT_OF_THE_IMAGE: [&str; 6] =
    ["dev", "proc", "sys", "etc/hosts", "etc/hostname", "etc/resolv.conf"];

impl<'a> Own<'a> {
    pub(crate) fn new(subject: &'a Subject) -> Own<'a> {
        Own { subject, data: subject.scratch().join("data") }
    }

    /// The binary with these arguments and this store.
    pub(crate) fn call(&self, args: &[&str]) -> Launch {
        self.subject.raw(args).env("FORK_TO_VETH_ROOT", &self.data)
    }

    /// Runs it to its end, and wants exit status 0.
    pub(crate) fn ok(&self, args: &[&str]) -> Result<Output> {
        self.call(args).output()?.success().with_context(|| format!("`{}`", args.join(" ")))
    }

    /// `run OPTIONS IMAGE ARGV` with this store.
    pub(crate) fn launch(&self, image: &str, options: &[&str], argv: &[&str]) -> Launch {
        self.subject.launch_in(image, options, argv).env("FORK_TO_VETH_ROOT", &self.data)
    }

    /// Runs a line of shell in a container to its end, wants exit status 0, and returns stdout.
    pub(crate) fn sh(&self, image: &str, options: &[&str], line: &str) -> Result<String> {
        let output = self.launch(image, options, &["sh", "-c", line]).output()?;
        Ok(output.success().with_context(|| format!("`{line}` in {image}"))?.out())
    }

    /// A container that is up and waits for the end of its stdin.
    pub(crate) fn hold(&self, image: &str, options: &[&str]) -> Result<Held> {
        let (running, command) = start_cat(|words| self.launch(image, options, words))?;
        Ok(Held { running, command })
    }

    /// Writes bytes to a file of the check's own, for a command that takes one.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> Result<String> {
        let path = self.subject.scratch().join(name);
        fs::write(&path, bytes).with_context(|| format!("write {}", path.display()))?;
        path.into_os_string().into_string().ok().context("the scratch folder has an odd name")
    }

    /// Imports a root filesystem and returns the 64 digits of the image's id.
    pub(crate) fn import(&self, archive: &[u8], name: &str) -> Result<String> {
        let output = self.ok(&["import", &self.file("import.tar", archive)?, name])?;
        id_in(&output.out())
    }

    /// Imports the small root filesystem.
    pub(crate) fn import_small(&self, name: &str) -> Result<String> {
        self.import(&tar(small_root()?), name)
    }

    /// Loads an archive.
    pub(crate) fn load(&self, archive: &[u8]) -> Result<Output> {
        self.ok(&["load", &self.file("load.tar", archive)?])
    }

    /// Loads it in docker-save's form.
    pub(crate) fn load_images(&self, images: &[image::Image]) -> Result<Output> {
        self.load(&image::pack(&image::docker(images)?))
    }

    /// The ids that `images -q` lists, in order, each as its 12 or more first digits without `sha256:`.
    pub(crate) fn image_ids(&self) -> Result<Vec<String>> {
        let text = self.ok(&["images", "-q"])?.out();
        let mut ids: Vec<String> =
            text.lines().map(|line| line.trim_start_matches("sha256:").into()).collect();
        ids.sort();
        ids.dedup();
        Ok(ids)
    }

    /// All that is in the store but what is being made. Folders that hold nothing are left out: when they are made is
    /// the runtime's affair.
    pub(crate) fn listing(&self) -> Result<Tree> {
        if !self.data.exists() {
            return Ok(Tree::new());
        }
        let mut tree = tree::of_folder(&self.data, &["drafts"])?;
        let filled = |path: &[u8], tree: &Tree| {
            let below = [path, b"/"].concat();
            tree.keys().any(|other| other.starts_with(&below))
        };
        for top in ["", "blobs", "drafts", "images", "layers", "layers/overlay", "tags"] {
            if !filled(top.as_bytes(), &tree) || top.is_empty() {
                tree.remove(top.as_bytes());
            }
        }
        Ok(tree)
    }

    /// What lies in `drafts`.
    pub(crate) fn drafts(&self) -> Result<Vec<String>> {
        names(&self.data.join("drafts"))
    }

    /// The folders of this step's containers.
    pub(crate) fn containers(&self) -> Result<Vec<String>> {
        names(&self.data.join(format!("step{:02}/containers", self.subject.step)))
    }

    /// One own error with status 125 that holds `named`.
    pub(crate) fn refused(&self, launch: Launch, named: &str, what: &str) -> Verdict {
        let output = launch.output()?;
        expect_own_error(self.subject, &output, 125, what)?;
        expect!(output.err().contains(named), "{named:?} in the message about {what}", "{:?}", output.err());
        Ok(())
    }

    /// `export CONTAINER`, listed without what is not the image's.
    pub(crate) fn exported(&self, container: &str) -> Result<Tree> {
        let file = self.subject.scratch().join(format!("export-{container}.tar"));
        let path = file.to_str().context("the scratch folder has an odd name")?;
        self.ok(&["export", container, "-o", path])?;
        let mut tree = tree::of_tar(&fs::read(&file)?)?;
        fs::remove_file(&file)?;
        let below = |path: &[u8]| NOT_OF_THE_IMAGE.iter().any(|skip| path.starts_with(skip.as_bytes()));
        tree.retain(|path, _| !path.is_empty() && !below(path));
        Ok(tree)
    }
}

/// A container that lives until its stdin is closed.
pub(crate) struct Held {
    pub running: Running,
    pub command: Process,
}

impl Held {
    /// A path inside the container, without a `/` before it, as the host can reach it.
    pub(crate) fn path(&self, inside: impl AsRef<[u8]>) -> PathBuf {
        self.command.path("root").join(OsStr::from_bytes(inside.as_ref()))
    }

    /// Everything in the container's root that is the image's or was written.
    pub(crate) fn tree(&self) -> Result<Tree> {
        let mut tree = tree::of_folder(&self.command.path("root/."), &NOT_OF_THE_IMAGE)?;
        let listed = |path: &[u8]| NOT_OF_THE_IMAGE.iter().any(|skip| skip.as_bytes() == path);
        tree.retain(|path, _| !path.is_empty() && !listed(path));
        Ok(tree)
    }

    /// Lets it end.
    pub(crate) fn end(mut self) -> Verdict {
        self.running.close_stdin();
        self.running.wait(PATIENCE)?.success()?;
        Ok(())
    }
}

/// The names in a folder, sorted; none when there is no such folder.
pub(crate) fn names(dir: &Path) -> Result<Vec<String>> {
    if !dir.exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(dir).with_context(|| format!("list {}", dir.display()))?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names = names.collect::<Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

/// The 64 digits in the one line `sha256:…`.
pub(crate) fn id_in(text: &str) -> Result<String> {
    let id = text.strip_prefix("sha256:").and_then(|rest| rest.strip_suffix('\n')).unwrap_or_default();
    let digits = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    expect!(digits, "one line with `sha256:` and 64 digits on stdout", "{:?}", text);
    Ok(id.to_string())
}

const TOOLS: [&str; 13] =
    ["sh", "cat", "chmod", "echo", "env", "id", "ln", "ls", "mkdir", "mv", "rm", "sleep", "true"];

const DIRS: [&str; 9] = ["bin", "dev", "etc", "home", "proc", "root", "sys", "tmp", "var"];

/// The entries of a small root filesystem: a shell, some tools, and what a container must not have to make.
pub(crate) fn small_root() -> Result<Vec<Entry>> {
    let mut entries: Vec<Entry> = DIRS.iter().map(|dir| Entry::dir(format!("{dir}/"))).collect();
    let passwd = "root:x:0:0:root:/root:/bin/sh\nstudent:x:1000:1000::/home:/bin/sh\n";
    entries.push(Entry::file("etc/passwd", passwd));
    entries.push(Entry::file("etc/group", "root:x:0:\nstudent:x:1000:\n"));
    for name in ["hosts", "hostname", "resolv.conf"] {
        entries.push(Entry::file(format!("etc/{name}"), ""));
    }
    let mut libraries = BTreeSet::new();
    for tool in TOOLS {
        let program = need::program(tool).with_context(|| format!("there is no {tool} in PATH"))?;
        libraries.extend(fixture::libraries_of(&program)?);
        entries.push(Entry::file(format!("bin/{tool}"), fs::read(&program)?).mode(0o755));
    }
    for library in libraries {
        let name = library.strip_prefix("/")?.as_os_str().as_bytes().to_vec();
        entries.push(Entry::file(name, fs::read(&library)?).mode(0o755));
    }
    Ok(entries)
}

/// The same as a layer.
pub(crate) fn small_layer() -> Result<Vec<u8>> {
    Ok(tar(small_root()?))
}

/// Waits until something lies in `drafts`: what is being made is half made.
pub(crate) fn until_drafting(own: &Own) -> Verdict {
    let drafting = || own.drafts().ok().filter(|drafts| !drafts.is_empty()).map(drop);
    until(Duration::from_secs(10), "a draft in the store", drafting)
}

/// Wants these lines on stdout, in this order.
pub(crate) fn expect_lines(output: &Output, wanted: &[&str], what: &str) -> Verdict {
    let text = output.out();
    let lines: Vec<&str> = text.lines().collect();
    expect_eq!(lines, wanted, "stdout of {what}");
    Ok(())
}
