//! The image that holds the probe: made from the host's own programs, without help from the binary under test.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::need;

/// Where the probe is inside the image.
pub const PROBE: &str = "/probe";

const TOOLS: [&str; 37] = [
    "sh", "cat", "chmod", "chown", "cp", "cut", "dd", "df", "echo", "env", "false", "find", "grep", "head",
    "id", "kill", "ln", "ls", "mkdir", "mknod", "mount", "mv", "ps", "pwd", "readlink", "rm", "rmdir", "sed",
    "sleep", "sort", "stat", "stty", "touch", "true", "tty", "umount", "wc",
];

const DIRS: [&str; 10] = ["bin", "dev", "etc", "home", "proc", "root", "run", "sys", "tmp", "var"];

/// Where [`build`] puts the image of the harness whose folder is `root`.
#[must_use]
pub fn image_in(root: &Path) -> PathBuf {
    root.join("image")
}

/// Makes the image below `root`: a shell, tools, `passwd` and `group` with a user `student` (1000), the probe,
/// and every library that they load.
///
/// # Errors
/// When the host has no `sh` or a file cannot be copied.
pub fn build(root: &Path) -> Result<()> {
    let image = image_in(root);
    for dir in DIRS {
        let dir = image.join(dir);
        fs::create_dir_all(&dir).with_context(|| format!("make {}", dir.display()))?;
    }
    fs::set_permissions(image.join("tmp"), fs::Permissions::from_mode(0o1777))?;
    fs::write(
        image.join("etc/passwd"),
        "root:x:0:0:root:/root:/bin/sh\nstudent:x:1000:1000::/home:/bin/sh\n",
    )?;
    fs::write(image.join("etc/group"), "root:x:0:\nstudent:x:1000:\n")?;
    let mut libraries = BTreeSet::new();
    for tool in TOOLS {
        let Some(program) = need::program(tool) else {
            if tool == "sh" {
                bail!("there is no sh in PATH");
            }
            continue;
        };
        copy(&program, &image.join("bin").join(tool))?;
        libraries.extend(libraries_of(&program)?);
    }
    let probe = crate::own_executable()?;
    copy(&probe, &image.join(PROBE.trim_start_matches('/')))?;
    libraries.extend(libraries_of(&probe)?);
    for library in libraries {
        let target = image.join(library.strip_prefix("/")?);
        fs::create_dir_all(target.parent().context("a library has no folder")?)?;
        copy(&library, &target)?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("copy {} to {}", from.display(), to.display()))?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// The interpreter of a dynamic program and the libraries that it finds for it; nothing for a static one. ld.so(8).
pub(crate) fn libraries_of(program: &Path) -> Result<BTreeSet<PathBuf>> {
    let Some(interpreter) = interpreter(&fs::read(program)?) else { return Ok(BTreeSet::new()) };
    let output = Command::new(&interpreter).arg("--list").arg(program).output();
    let output = output.with_context(|| format!("run {} --list", interpreter.display()))?;
    if !output.status.success() {
        bail!("{} --list {} ended with {}", interpreter.display(), program.display(), output.status);
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let paths = text.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from);
    Ok(paths.chain([interpreter]).collect())
}

/// The path in an ELF file's `PT_INTERP` header. elf(5), little-endian and 64 bits, as on every host that we support.
fn interpreter(file: &[u8]) -> Option<PathBuf> {
    const PT_INTERP: u64 = 3;
    let number = |at: usize, bytes: usize| -> Option<u64> {
        let field = file.get(at..at + bytes)?;
        Some(field.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    };
    if !file.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let (first, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
    let header = (0..count).filter_map(|index| usize::try_from(first + index * size).ok());
    let header = header.into_iter().find(|at| number(*at, 4) == Some(PT_INTERP))?;
    let (offset, length) =
        (usize::try_from(number(header + 8, 8)?).ok()?, usize::try_from(number(header + 32, 8)?).ok()?);
    let path = file.get(offset..offset + length)?.strip_suffix(b"\0")?;
    Some(PathBuf::from(String::from_utf8(path.to_vec()).ok()?))
}

/// Copies a tree of folders, files and symlinks with their modes.
///
/// # Errors
/// When something in it is of another kind, or cannot be read or written.
pub fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("make {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("list {}", from.display()))? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_tree(&source, &target)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(&source)?, &target)?;
        } else if kind.is_file() {
            fs::copy(&source, &target).with_context(|| format!("copy {}", source.display()))?;
        } else {
            bail!("{} is neither folder nor file nor symlink", source.display());
        }
    }
    Ok(fs::set_permissions(to, fs::metadata(from)?.permissions())?)
}
