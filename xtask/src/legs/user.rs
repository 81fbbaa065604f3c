//! The ordinary user's legs: without sub-id ranges, and with them.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::programs::{self, Programs};
use crate::scratch::Scratch;

#[derive(clap::Args)]
pub struct Args {
    /// Give the user ranges in /etc/subuid and /etc/subgid, in a mount namespace; the host's files stay as they are
    #[arg(long)]
    sub_ids: bool,
    /// Check only this step (step03); may be given more than once
    #[arg(long = "step", value_name = "STEP")]
    steps: Vec<String>,
    /// Run only the checks whose name contains this
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Append the checks' log, JSON lines, to this file
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
}

/// Where the search for a uid that nobody has begins.
const FIRST_UID: u32 = 4242;

/// A folder as the user finds it: programs, a home, a log, and the files to bind over those in /etc.
struct Place {
    folder: Scratch,
    uid: Option<u32>,
}

pub fn run(args: &Args) -> Result<()> {
    let root = nix::unistd::geteuid().is_root();
    ensure!(root || !args.sub_ids, "only root can give a user sub-id ranges for a while; run this as root");
    let place = Place { folder: Scratch::new("user")?, uid: root.then(fresh_uid).transpose()? };
    let programs = programs::build(&args.steps)?;
    place.furnish(&programs, args.sub_ids)?;
    let leg = if args.sub_ids { "user-subids" } else { "user" };
    let mut failed = Vec::new();
    for program in &programs {
        println!("== {leg}: {}", program.step);
        let mut command = if args.sub_ids { place.with_sub_ids() } else { place.plainly(&program.checks()) };
        if args.sub_ids {
            command.arg(place.bin(&program.checks()));
        }
        command.args(&args.filter).env("FORK_TO_VETH_LEG", leg);
        command.env("FORK_TO_VETH_BIN", place.bin(&program.step)).env("FORK_TO_VETH_CHECK_LOG", place.log());
        if !command.status().with_context(|| format!("start {command:?}"))?.success() {
            failed.push(program.step.as_str());
        }
    }
    if let Some(log) = &args.log {
        programs::keep_log(&place.log(), log)?;
    }
    ensure!(failed.is_empty(), "{leg}: checks of {} failed", failed.join(", "));
    Ok(())
}

/// A uid that no line of /etc/passwd or /etc/subuid has.
fn fresh_uid() -> Result<u32> {
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
    pick_uid(&read("/etc/passwd"), &read("/etc/subuid")).context("every uid is somebody's")
}

fn pick_uid(passwd: &str, subuid: &str) -> Option<u32> {
    let field = |line: &str, at: usize| line.split(':').nth(at)?.parse::<u32>().ok();
    let taken = |uid: u32| {
        passwd.lines().any(|line| field(line, 2) == Some(uid))
            || subuid.lines().any(|line| {
                let first = field(line, 1).unwrap_or(u32::MAX);
                field(line, 0) == Some(uid) || uid.checked_sub(first) < field(line, 2) && uid >= first
            })
    };
    (FIRST_UID..60_000).find(|uid| !taken(*uid))
}

impl Place {
    fn bin(&self, name: &str) -> PathBuf {
        self.folder.path().join("bin").join(name)
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("checks.jsonl")
    }

    fn furnish(&self, programs: &[Programs], sub_ids: bool) -> Result<()> {
        let folder = self.folder.path();
        fs::set_permissions(folder, Permissions::from_mode(0o755))?;
        for name in ["bin", "home"] {
            fs::create_dir(folder.join(name)).with_context(|| format!("make {name}"))?;
        }
        programs.iter().try_for_each(|program| program.stage(&folder.join("bin")))?;
        programs::fresh_log(&self.log())?;
        let Some(uid) = self.uid else { return Ok(()) };
        chown(folder.join("home"), Some(uid), Some(uid)).context("give the user a home")?;
        if sub_ids {
            self.write_ranges(uid)?;
        }
        Ok(())
    }

    /// The files to bind over those in /etc: the user has a name, and 65536 ids of each kind.
    fn write_ranges(&self, uid: u32) -> Result<()> {
        let folder = self.folder.path();
        let lines = [
            ("passwd", format!("reader:x:{uid}:{uid}:reader:{}:/bin/sh\n", folder.join("home").display())),
            ("group", format!("reader:x:{uid}:\n")),
            ("subuid", "reader:2000000000:65536\n".to_owned()),
            ("subgid", "reader:2000000000:65536\n".to_owned()),
        ];
        for (name, line) in lines {
            let etc = Path::new("/etc").join(name);
            let Ok(text) = fs::read_to_string(&etc) else {
                bail!("{} is not there to be bound over; install uidmap", etc.display());
            };
            fs::write(folder.join(name), text + &line).with_context(|| format!("write {name}"))?;
        }
        Ok(())
    }

    /// The checks themselves, as the user.
    fn plainly(&self, checks: &str) -> Command {
        let mut command = Command::new(self.bin(checks));
        self.surround(&mut command);
        if let Some(uid) = self.uid {
            // The standard library drops the supplementary groups with it.
            command.uid(uid).gid(uid);
        }
        command
    }

    /// A shell that binds the files and becomes the user; the program is its next argument.
    fn with_sub_ids(&self) -> Command {
        let script = "cd \"$1\"
            for name in passwd group subuid subgid; do mount --bind $name /etc/$name; done
            cd /; shift; exec setpriv --reuid \"$UID_WANTED\" --regid \"$UID_WANTED\" --clear-groups \"$@\"";
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation", "private", "sh", "-euc", script, "sh"])
            .arg(self.folder.path());
        self.surround(&mut command);
        command.env("UID_WANTED", self.uid.unwrap_or_default().to_string());
        command
    }

    fn surround(&self, command: &mut Command) {
        let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/sbin:/usr/bin:/sbin:/bin".into());
        command.env_clear().env("PATH", path).env("HOME", self.folder.path().join("home"));
        if let Some(folder) = std::env::var_os("TMPDIR") {
            command.env("TMPDIR", folder);
        }
        command.current_dir("/").stdin(Stdio::null());
    }
}

#[cfg(test)]
mod tests {
    use super::pick_uid;

    #[test]
    fn a_uid_of_somebody_is_left_alone() {
        assert_eq!(pick_uid("root:x:0:0::/:/bin/sh\n", ""), Some(4242));
        assert_eq!(pick_uid("a:x:4242:1::/:/bin/sh\n", "4243:100000:65536\n"), Some(4244));
        assert_eq!(pick_uid("", "a:4000:300\n"), Some(4300));
        assert_eq!(pick_uid("", "a:4300:300\n"), Some(4242));
    }
}
