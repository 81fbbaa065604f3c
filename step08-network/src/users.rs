//! `--user`: who the command runs as, by the image's own /etc/passwd and /etc/group.

use crate::explain::explain;
use crate::root::Root;
use anyhow::{Context, Result};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use std::fs;
use std::os::fd::AsFd;

/// A user and its groups, by the ids that it has in the container.
pub struct User {
    pub uid: u32,
    gid: u32,
    groups: Vec<Gid>,
    pub home: String,
}

impl User {
    /// Finds `USER[:GROUP]`, each a name or an id, in an image. Docker's rules: a name must be known, an id need not; an
    /// unknown user's group is 0 and its home `/`; a group given by hand is the only one.
    pub fn find(asked: Option<&str>, image: &Root<impl AsFd>) -> Result<User> {
        let (passwd, group) = (image.read("etc/passwd")?, image.read("etc/group")?);
        let (user, asked_group) = match asked.unwrap_or("0").split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (asked.unwrap_or("0"), None),
        };
        let entry = entry(&passwd, user);
        let known = |index: usize| entry.as_ref().and_then(|fields| fields.get(index).copied());
        let uid = id(known(2).unwrap_or(user))
            .with_context(|| format!("user {user}: not in the image's /etc/passwd"))?;
        let name = known(0).unwrap_or_default();
        let (gid, groups) = match asked_group {
            Some(asked) => {
                let known = entry_id(&group, asked).unwrap_or(asked);
                let gid =
                    id(known).with_context(|| format!("group {asked}: not in the image's /etc/group"))?;
                (gid, vec![Gid::from_raw(gid)])
            }
            None => {
                let gid =
                    known(3).map_or(Some(0), id).with_context(|| format!("read the group of user {user}"))?;
                let mut groups = vec![Gid::from_raw(gid)];
                groups.extend(memberships(&group, name).filter(|&more| more != gid).map(Gid::from_raw));
                (gid, groups)
            }
        };
        let home = known(5).filter(|home| !home.is_empty()).unwrap_or("/").to_owned();
        Ok(User { uid, gid, groups, home })
    }

    /// Becomes this user: groups first, as long as there is the right to change them.
    pub fn become_it(&self) -> Result<()> {
        let refused = || {
            format!(
                "become user {}:{} (a user namespace has only the ids that are mapped)",
                self.uid, self.gid
            )
        };
        // An ordinary user who is alone in a user namespace keeps the groups that she has.
        let fixed = fs::read_to_string("/proc/self/setgroups").is_ok_and(|rule| rule.trim() == "deny");
        if !fixed {
            setgroups(&self.groups).with_context(refused)?;
            explain!(
                "setgroups({:?}) = 0",
                self.groups.iter().map(|group| group.as_raw()).collect::<Vec<_>>()
            );
        }
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        setresgid(gid, gid, gid).with_context(refused)?;
        explain!("setresgid({gid}, {gid}, {gid}) = 0");
        setresuid(uid, uid, uid).with_context(refused)?;
        explain!("setresuid({uid}, {uid}, {uid}) = 0");
        Ok(())
    }
}

/// Whether a group id of the container stands for one of the host: /proc/self/gid_map has lines of
/// `FIRST HOST COUNT`.
pub fn has_group(id: u32) -> Result<bool> {
    let map = fs::read_to_string("/proc/self/gid_map").context("read /proc/self/gid_map")?;
    let numbers = map.lines().map(|line| line.split_whitespace().map(str::parse::<u32>).collect::<Vec<_>>());
    let holds =
        |fields: Vec<_>| matches!(fields[..], [Ok(first), _, Ok(count)] if id >= first && id - first < count);
    Ok(numbers.into_iter().any(holds))
}

/// The fields of a passwd(5) or group(5) line, found by name, or by the id in the third field.
fn entry<'a>(file: &'a str, wanted: &str) -> Option<Vec<&'a str>> {
    let mut entries = file.lines().map(|line| line.split(':').collect::<Vec<_>>());
    entries
        .find(|fields| fields.len() > 3 && !wanted.is_empty() && (fields[0] == wanted || fields[2] == wanted))
}

fn entry_id<'a>(file: &'a str, wanted: &str) -> Option<&'a str> {
    entry(file, wanted).map(|fields| fields[2])
}

/// An id that a process can have: the highest stands for "leave it as it is" in setresuid(2).
fn id(text: &str) -> Option<u32> {
    text.parse().ok().filter(|&id| id < u32::MAX)
}

/// The ids of the groups that list a user as a member.
fn memberships<'a>(group: &'a str, user: &'a str) -> impl Iterator<Item = u32> + 'a {
    let lists =
        move |fields: &Vec<&str>| fields.len() > 3 && fields[3].split(',').any(|member| member == user);
    let lines = group.lines().map(|line| line.split(':').collect::<Vec<_>>());
    lines.filter(move |fields| !user.is_empty() && lists(fields)).filter_map(|fields| fields[2].parse().ok())
}

#[cfg(test)]
mod tests {
    use super::{User, id};
    use crate::root::Root;
    use std::fs::{self, File};

    /// A user found in an image with a few entries, as uid, gid, other groups and home.
    fn find(name: &str, asked: Option<&str>) -> anyhow::Result<(u32, u32, Vec<u32>, String)> {
        let image = std::env::temp_dir().join(format!("fork-to-veth-users-{name}-{}", std::process::id()));
        fs::create_dir_all(image.join("etc"))?;
        fs::write(
            image.join("etc/passwd"),
            "root:x:0:0:r:/root:/bin/sh\nann:x:1000:1001::/home/ann:/bin/sh\n",
        )?;
        fs::write(image.join("etc/group"), "root:x:0:\nann:x:1001:\ndisk:x:6:bob,ann\n")?;
        let user = User::find(asked, &Root(File::open(&image)?));
        fs::remove_dir_all(&image)?;
        let user = user?;
        Ok((user.uid, user.gid, user.groups.iter().skip(1).map(|gid| gid.as_raw()).collect(), user.home))
    }

    #[test]
    fn names_and_ids_mean_what_docker_means() {
        assert_eq!(find("a", None).unwrap(), (0, 0, vec![], "/root".into()));
        assert_eq!(find("b", Some("ann")).unwrap(), (1000, 1001, vec![6], "/home/ann".into()));
        assert_eq!(find("c", Some("1000")).unwrap(), (1000, 1001, vec![6], "/home/ann".into()));
        assert_eq!(find("d", Some("7777")).unwrap(), (7777, 0, vec![], "/".into()));
        assert_eq!(find("e", Some("ann:disk")).unwrap(), (1000, 6, vec![], "/home/ann".into()));
        assert_eq!(find("f", Some("5:7")).unwrap(), (5, 7, vec![], "/".into()));
    }

    #[test]
    fn unknown_names_are_errors() {
        for (name, asked) in [("g", "bob"), ("h", "ann:nobody"), ("i", ""), ("j", "0:"), ("k", "-1")] {
            assert!(find(name, Some(asked)).is_err(), "{asked}");
        }
        assert!(id("4294967295").is_none());
    }
}
