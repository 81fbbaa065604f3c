//! Control groups, cgroups(7): the container's share of the machine, set before its first instruction.

mod group;
mod hierarchy;
mod usage;
mod v1;
mod v2;

use crate::explain;
use crate::limits::Limits;
use anyhow::Result;
use group::Group;
use hierarchy::{Hierarchies, Version};
use std::collections::HashSet;
use std::os::fd::BorrowedFd;
use usage::Usage;

/// A value for one file of a controller.
struct Setting {
    controller: &'static str,
    file: &'static str,
    value: String,
    /// Docker's default and not the user's wish: it is told, not an error, when the kernel has no such file.
    by_default: bool,
}

/// A container's cgroup: one directory on v2, one in each hierarchy on v1. Dropped, it is removed with whatever
/// still runs in it.
pub struct Cgroup {
    groups: Vec<Group>,
    /// Dropped after the groups: it puts back what they needed.
    _leaf: Option<v2::Leaf>,
}

impl Cgroup {
    /// Makes the group and writes the limits into it. Whatever is wrong with a limit is found out here, before there is
    /// a process.
    ///
    /// A user who may make no groups gets none, unless a limit or the statistics need one.
    pub fn create(id: &str, limits: &Limits, stats: bool) -> Result<Cgroup> {
        let hierarchies = Hierarchies::find()?;
        let settings = settings(limits, &hierarchies)?;
        let mut needed: Vec<&str> = settings.iter().map(|setting| setting.controller).collect();
        if stats {
            needed.extend(["cpu", "memory", "pids"]);
        }
        let mut cgroup = Cgroup { groups: Vec::new(), _leaf: None };
        for place in hierarchies.places(&needed)? {
            if place.version == Version::V2 {
                match v2::enable(&place, id) {
                    // Nothing depends on it.
                    Err(_) if needed.is_empty() => continue,
                    leaf => cgroup._leaf = leaf?,
                }
            }
            cgroup.groups.push(Group::create(place, id)?);
        }
        for setting in settings {
            let mut groups = cgroup.groups.iter().filter(|group| group.controls(setting.controller));
            groups.try_for_each(|group| group.set(&setting))?;
        }
        Ok(cgroup)
    }

    /// The directory that clone3(2) puts the child into: CLONE_INTO_CGROUP, for cgroup v2.
    pub fn clone_into(&self) -> Option<BorrowedFd<'_>> {
        self.groups.iter().find(|group| group.version() == Version::V2).map(Group::directory)
    }

    /// Moves the calling process into its groups of cgroup v1. That a process with one thread moves itself spares the
    /// kernel the wait that its parent's writing to `cgroup.procs` would cost.
    pub fn join(&self) -> Result<()> {
        let mut v1 = self.groups.iter().filter(|group| group.version() == Version::V1);
        v1.try_for_each(Group::join)
    }

    /// Removes the groups beside this one that killed runtimes have left behind.
    pub fn sweep(&self) -> Result<()> {
        let mut alive = HashSet::new();
        self.groups.iter().try_for_each(|group| group::sweep(group.base(), &mut alive))
    }

    /// Tells when the container ran out of memory, and, if asked, what it used.
    pub fn report(&self, limits: &Limits, stats: bool) -> Result<()> {
        if let Some(memory) = limits.memory
            && let Some(kills @ 1..) = usage::oom_kills(&self.groups)?
        {
            explain::tell(format_args!(
                "out of memory: at the limit of {memory} bytes (--memory) the kernel's OOM killer ended {kills} of \
                 the container's processes"
            ));
        }
        if stats {
            Usage::read(&self.groups)?.print();
        }
        Ok(())
    }
}

/// Whether this user can have limits of these controllers, and if not, why.
pub fn check(controllers: &[&str]) -> Result<()> {
    Hierarchies::find()?.places(controllers).map(drop)
}

/// The limits as values for files, in the words of the version that has the controller.
fn settings(limits: &Limits, hierarchies: &Hierarchies) -> Result<Vec<Setting>> {
    // What neither has is left in v1's words, and missed when a place for it is looked for.
    let (mut settings, v2) = (v1::settings(limits)?, v2::settings(limits)?);
    settings.retain(|s| hierarchies.on_v1(s.controller) || s.controller == "net_cls");
    settings.extend(v2.into_iter().filter(|s| !hierarchies.on_v1(s.controller)));
    Ok(settings)
}
