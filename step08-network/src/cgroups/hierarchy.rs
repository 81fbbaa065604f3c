//! Where this machine keeps its control groups: cgroup v1 hierarchies, the v2 tree, or both (hybrid).

use anyhow::{Context, Result, anyhow, bail};
use nix::unistd::{AccessFlags, access, geteuid};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Version {
    V1,
    V2,
}

/// One mounted hierarchy.
struct Hierarchy {
    version: Version,
    mount_point: PathBuf,
    /// The group that the mount point stands for: `/`, or one below when only a part is mounted.
    root: PathBuf,
    /// The group that this process is in.
    own: PathBuf,
    controllers: Vec<String>,
}

/// A group in which a container's group can be made, and what the new group is to control.
pub struct Place {
    pub version: Version,
    pub base: PathBuf,
    pub own: PathBuf,
    pub controllers: Vec<String>,
}

pub struct Hierarchies(Vec<Hierarchy>);

/// Every container is counted by these where it can be, and can be frozen.
pub const COUNTED: [&str; 5] = ["cpu", "cpuacct", "memory", "pids", "freezer"];

impl Hierarchies {
    /// Reads /proc/self/mountinfo and /proc/self/cgroup, proc_pid_mountinfo(5) and cgroups(7).
    pub fn find() -> Result<Hierarchies> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").context("read /proc/self/mountinfo")?;
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mut found: Vec<Hierarchy> = Vec::new();
        for hierarchy in mounts.lines().filter_map(|line| parse_mount(line, &groups)) {
            // A hierarchy that is mounted twice is still one, and another mount may cover it.
            let seen = hierarchy.mount_point.join("cgroup.procs").exists();
            if seen && !found.iter().any(|known| known.controllers == hierarchy.controllers) {
                found.push(hierarchy);
            }
        }
        Ok(Hierarchies(found))
    }

    /// The same, looked up once: a list of containers asks for each of them.
    pub fn known() -> Result<&'static Hierarchies> {
        static KNOWN: OnceLock<Hierarchies> = OnceLock::new();
        match KNOWN.get() {
            Some(known) => Ok(known),
            None => Hierarchies::find().map(|found| KNOWN.get_or_init(|| found)),
        }
    }

    /// The groups that another process is in.
    pub fn groups(&self, pid: i32) -> impl Iterator<Item = (Version, PathBuf, &[String])> {
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        self.0.iter().filter_map(move |it| Some((it.version, it.group(&groups)?, it.controllers.as_slice())))
    }

    /// Whether a controller, by its v2 name, is bound to a v1 hierarchy: then the v2 tree cannot have it.
    pub fn on_v1(&self, controller: &str) -> bool {
        let name = if controller == "io" { "blkio" } else { controller };
        let mut v1 = self.0.iter().filter(|hierarchy| hierarchy.version == Version::V1);
        v1.any(|hierarchy| hierarchy.has(name))
    }

    /// The places for a container's groups. A hierarchy that none of the `needed` controllers is in may be closed to
    /// this user; it is then left out.
    pub fn places(&self, needed: &[&str]) -> Result<Vec<Place>> {
        if let Some(absent) = needed.iter().find(|name| !self.0.iter().any(|hierarchy| hierarchy.has(name))) {
            return Err(self.missing(absent));
        }
        let mut places = Vec::new();
        for hierarchy in &self.0 {
            match (hierarchy.place(needed), needed.iter().find(|name| hierarchy.has(name))) {
                (None, Some(name)) => bail!("{name}: {}", not_delegated(hierarchy)),
                (place, _) => places.extend(place),
            }
        }
        Ok(places)
    }

    /// The error for a controller that no mounted hierarchy has.
    fn missing(&self, controller: &str) -> anyhow::Error {
        let way_out = match controller {
            _ if self.0.is_empty() => "none is mounted at all: mount -t cgroup2 none /sys/fs/cgroup",
            "net_cls" => "it exists on cgroup v1 alone: mount -t cgroup -o net_cls none DIRECTORY",
            "memory" => "a kernel may need the parameter cgroup_enable=memory",
            _ => "see /proc/cgroups, and mount | grep cgroup",
        };
        anyhow!("{controller}: no mounted cgroup hierarchy has this controller; {way_out}")
    }
}

impl Hierarchy {
    fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|name| name == controller)
    }

    /// A process's group in it, by the process's /proc/PID/cgroup: lines of ID:CONTROLLERS:PATH, without controllers for v2.
    fn group(&self, groups: &str) -> Option<PathBuf> {
        let path = groups.lines().find_map(|line| {
            let [_, names, path] = line.splitn(3, ':').collect::<Vec<_>>()[..] else { return None };
            let first = self.controllers.first().map(String::as_str);
            let same = match self.version {
                Version::V1 => names.split(',').any(|name| Some(name) == first),
                Version::V2 => names.is_empty(),
            };
            same.then_some(path)
        })?;
        let below = Path::new(path).strip_prefix(&self.root).unwrap_or(Path::new(""));
        // Through the components, because joining an empty path would leave a slash at the end.
        Some(self.mount_point.join(below).components().collect())
    }

    /// Where a container's group is made, and which controllers it gets there: the needed ones, and those that count
    /// every container as far as they are to be had.
    ///
    /// Root's containers lie side by side below the mount point. Another user's lie where she may make groups: on v2 in
    /// the nearest group, from her own upwards, that gives its children the needed controllers already; else in her own.
    fn place(&self, needed: &[&str]) -> Option<Place> {
        let place = |base: &Path, given: &[String]| {
            let wanted = |name: &&String| needed.contains(&name.as_str()) || COUNTED.contains(&name.as_str());
            let controllers: Vec<String> = given.iter().filter(wanted).cloned().collect();
            let lacks = |name: &&str| self.has(name) && !controllers.iter().any(|found| found == name);
            let open = [base.to_path_buf(), base.join("cgroup.procs")].iter().all(|file| writable(file));
            let (base, own) = (base.to_path_buf(), self.own.clone());
            let useful = !controllers.is_empty() && !needed.iter().any(lacks);
            (open && useful).then_some(Place { version: self.version, base, own, controllers })
        };
        if geteuid().is_root() {
            return place(&self.mount_point, &self.controllers);
        }
        if self.version == Version::V1 {
            return place(&self.own, &self.controllers);
        }
        let mut groups = self.own.ancestors().take_while(|group| group.starts_with(&self.mount_point));
        let above = groups.find_map(|group| place(group, &words(&group.join("cgroup.subtree_control"))));
        above.or_else(|| place(&self.own, &words(&self.own.join("cgroup.controllers"))))
    }
}

/// Whether this user may write there; on a read-only mount root may not, either.
fn writable(file: &Path) -> bool {
    access(file, AccessFlags::W_OK).is_ok()
}

/// The words of one of the kernel's lists; none where there is no such file.
fn words(file: &Path) -> Vec<String> {
    fs::read_to_string(file).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

/// One line of mountinfo, if it is a hierarchy with controllers and this process is in a group below the mount.
fn parse_mount(line: &str, groups: &str) -> Option<Hierarchy> {
    let (mount, filesystem) = line.split_once(" - ")?;
    let [_, _, _, root, mount_point] = mount.split(' ').take(5).collect::<Vec<_>>()[..] else { return None };
    let mount_point = PathBuf::from(mount_point);
    let [kind, _, options] = filesystem.splitn(3, ' ').collect::<Vec<_>>()[..] else { return None };
    let (version, controllers) = match kind {
        "cgroup2" => (Version::V2, fs::read_to_string(mount_point.join("cgroup.controllers")).ok()?),
        "cgroup" if !options.contains("name=") => (Version::V1, options.replace(',', " ")),
        _ => return None,
    };
    let options = ["rw", "ro", "xattr", "noprefix", "clone_children", "cpuset_v2_mode", "favordynmods"];
    let words = controllers.split_whitespace().filter(|word| !options.contains(word) && !word.contains('='));
    let controllers: Vec<String> = words.map(str::to_owned).collect();
    let mut hierarchy =
        Hierarchy { version, mount_point, root: root.into(), own: PathBuf::new(), controllers };
    hierarchy.own = hierarchy.group(groups)?;
    Some(hierarchy)
}

fn not_delegated(hierarchy: &Hierarchy) -> String {
    let own = hierarchy.own.display();
    match hierarchy.version {
        _ if geteuid().is_root() => format!("{} cannot be written to", hierarchy.mount_point.display()),
        Version::V1 => {
            format!("a limit needs a group to set it on, and {own} does not belong to you; run this as root")
        }
        Version::V2 => format!(
            "a limit needs a group to set it on, and {own} does not belong to you; \
             run this as root, or put 'systemd-run --user --scope -p Delegate=yes' before it"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::{Version, parse_mount};
    use std::path::Path;

    #[test]
    fn a_v1_line_names_its_controllers_and_our_group() {
        let line =
            "33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct";
        let found = parse_mount(line, "4:memory:/a\n2:cpu,cpuacct:/b/c\n0::/\n").unwrap();
        assert!(found.version == Version::V1);
        assert_eq!(found.controllers, ["cpu", "cpuacct"]);
        assert_eq!(found.own, Path::new("/sys/fs/cgroup/cpu,cpuacct/b/c"));
    }

    #[test]
    fn a_mount_of_a_part_of_the_hierarchy_is_the_root_of_what_is_seen() {
        let line = "33 31 0:30 /b /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids";
        let found = parse_mount(line, "8:pids:/b/c\n").unwrap();
        assert_eq!(found.own, Path::new("/sys/fs/cgroup/pids/c"));
    }

    #[test]
    fn named_hierarchies_and_other_filesystems_are_no_places_for_limits() {
        let systemd = "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd";
        assert!(parse_mount(systemd, "9:name=systemd:/\n").is_none());
        assert!(parse_mount("23 1 0:5 / /sys rw - sysfs sysfs rw", "").is_none());
    }
}
