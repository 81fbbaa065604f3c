//! `base`: an image made from the host's own programs, so that nothing has to be downloaded.

use crate::image::config::Settings;
use crate::image::import;
use crate::image::store::Store;
use crate::storage::Kind;
use crate::tree::Tree;
use crate::whiteouts::Form;
use crate::{pack, worker};
use anyhow::{Context, Result, bail, ensure};
use nix::errno::Errno;
use nix::sys::stat::{Mode, umask};
use std::collections::BTreeSet;
use std::env;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

pub const NAME: &str = "base";

/// Taken where the host has them. Only `sh` has to be there.
const PROGRAMS: &str = "sh [ awk basename cat chgrp chmod chown chroot clear cp cut date dd df dirname du echo env expr false \
    find free grep head hostname id ip kill less ln ls mkdir mkfifo mknod mktemp mount mv nproc od paste ping printf ps pwd \
    readlink realpath rm rmdir sed seq sleep sort stat stty sync tail tee test timeout top touch tr true tty umount uname \
    uniq unshare vi wc who whoami xargs yes";

const DIRECTORIES: &[&str] =
    &["bin", "dev", "etc", "home/user", "proc", "root", "run", "sys", "tmp", "usr", "var/tmp"];

/// The other names by which scripts know the directory of programs.
const LINKS: &[(&str, &str)] = &[("sbin", "bin"), ("usr/bin", "../bin"), ("usr/sbin", "../bin")];

/// What the host's programs read: where the loader looks besides its usual directories, ld.so(8), and what a terminal that
/// calls itself xterm can do, terminfo(5), wherever the distribution has that.
const DATA: [&str; 4] =
    ["/etc/ld.so.cache", "/etc/terminfo/x/xterm", "/lib/terminfo/x/xterm", "/usr/share/terminfo/x/xterm"];

/// The users that an image needs for `--user` to have somebody to name.
const FILES: &[(&str, &str)] = &[
    (
        "etc/passwd",
        "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    ),
    ("etc/group", "root:x:0:\ntty:x:5:\nuser:x:1000:\nnogroup:x:65534:\n"),
    ("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
    ("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
];

/// Makes `base` an image of the store on first use. Of two first uses at once, the second waits, and finds it there.
pub fn ensure(store: &Store, driver: Kind) -> Result<()> {
    if store.find(NAME)?.is_some() {
        return Ok(());
    }
    let _turn = store.turn()?;
    if store.find(NAME)?.is_some() {
        return Ok(());
    }
    worker::run(|| make(store, driver)).context("make the image base")
}

fn make(store: &Store, driver: Kind) -> Result<()> {
    umask(Mode::from_bits_truncate(0o022));
    let draft = store.draft()?;
    let (root, archive) = (draft.path.join("root"), draft.path.join("archive"));
    fill(&root)?;
    pack::everything(&Tree::merge(&[root], Form::Overlay)?, File::create(&archive)?)?;
    let (archive, form) = (File::open(&archive)?, driver.driver().form());
    import::add(store, archive, form, Settings::shell(), &NAME.parse()?, "Made of the host's programs")?;
    Ok(())
}

fn fill(root: &Path) -> Result<()> {
    for directory in DIRECTORIES {
        fs::create_dir_all(root.join(directory))?;
    }
    for (name, target) in LINKS {
        symlink(target, root.join(name)).with_context(|| format!("link {name}"))?;
    }
    fs::set_permissions(root.join("tmp"), Permissions::from_mode(0o1777))?;
    fs::set_permissions(root.join("root"), Permissions::from_mode(0o700))?;
    let user = Some(1000);
    match chown(root.join("home/user"), user, user) {
        // Without sub-ids, root is the only user that there is in here.
        Err(error) if error.raw_os_error() == Some(Errno::EINVAL as i32) => {}
        result => result.context("give /home/user to its user")?,
    }
    for (name, text) in FILES {
        fs::write(root.join(name), text).with_context(|| format!("write {name}"))?;
    }
    match find("busybox").filter(|busybox| libraries(&[busybox]).is_ok_and(|found| found.is_empty())) {
        Some(busybox) => install_busybox(&busybox, root),
        None => install_programs(root),
    }
}

/// A static busybox is a whole userland in one file that looks at the name it is called by.
fn install_busybox(busybox: &Path, root: &Path) -> Result<()> {
    copy(busybox, &root.join("bin/busybox"))?;
    let output = Command::new(busybox).arg("--list").output().context("run busybox --list")?;
    ensure!(output.status.success(), "busybox --list: {}", output.status);
    for applet in String::from_utf8_lossy(&output.stdout).lines().filter(|&applet| applet != "busybox") {
        symlink("busybox", root.join("bin").join(applet)).with_context(|| format!("link {applet}"))?;
    }
    Ok(())
}

/// The host's programs, and the libraries that they load at the paths where they will look for them.
fn install_programs(root: &Path) -> Result<()> {
    let programs: Vec<PathBuf> = PROGRAMS.split_whitespace().filter_map(find).collect();
    ensure!(programs.iter().any(|program| program.ends_with("sh")), "no sh in PATH");
    for program in &programs {
        let name = program.file_name().context("a program without a name")?;
        copy(program, &root.join("bin").join(name))?;
    }
    for library in libraries(&programs)? {
        copy(&library, &root.join(library.strip_prefix("/")?))?;
    }
    for file in DATA.iter().map(Path::new).filter(|file| file.is_file()) {
        copy(file, &root.join(file.strip_prefix("/")?))?;
    }
    Ok(())
}

/// A program of the host: the first of its name in PATH or the usual directories.
fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&path).chain(usual).map(|directory| directory.join(program)).find(|file| file.is_file())
}

/// The libraries that programs load, the loader itself among them, as ldd(1) has the loader tell: lines of
/// `NAME => PATH (ADDRESS)` or `PATH (ADDRESS)`. A static program has none.
fn libraries(programs: &[impl AsRef<Path>]) -> Result<BTreeSet<PathBuf>> {
    let names = programs.iter().map(AsRef::as_ref);
    let output = Command::new("ldd").args(names).env("LC_ALL", "C").output().context("run ldd")?;
    let text = String::from_utf8_lossy(&output.stdout);
    if let Some(line) = text.lines().find(|line| line.ends_with("=> not found")) {
        bail!("ldd: {}", line.trim());
    }
    let path = |line: &str| {
        let found = line.split_once(" => ").map_or(line, |(_, found)| found);
        let (path, _address) = found.trim().split_once(" (")?;
        path.starts_with('/').then(|| PathBuf::from(path))
    };
    Ok(text.lines().filter_map(path).collect())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let context = || format!("copy {}", from.display());
    if let Some(directory) = to.parent() {
        fs::create_dir_all(directory).with_context(context)?;
    }
    fs::copy(from, to).with_context(context)?;
    // Without the set-user-ID bits of mount and its like.
    fs::set_permissions(to, Permissions::from_mode(0o755)).with_context(context)
}
