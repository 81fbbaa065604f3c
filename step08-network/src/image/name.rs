//! The names of images, by Docker's rules: `REPOSITORY[:TAG]`.

use anyhow::{Error, Result, bail, ensure};
use std::fmt;
use std::str::FromStr;

/// What Docker's tools write for its own registry, and leave out when they show a name.
const DOCKER_HUB: &str = "docker.io";

/// The part of Docker's own registry whose images are known by their last name alone.
const OFFICIAL: &str = "library";

const DEFAULT_TAG: &str = "latest";

/// An image's name in the store. `docker.io/library/busybox` and `busybox` are one: it is kept in the short form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    pub repository: String,
    pub tag: String,
}

impl Name {
    /// The name with its registry, as an archive gives it to whoever has other defaults.
    pub fn full(&self) -> String {
        let hub = match self.repository.split_once('/') {
            Some((first, _)) if is_registry(first) => String::new(),
            Some(_) => format!("{DOCKER_HUB}/"),
            None => format!("{DOCKER_HUB}/{OFFICIAL}/"),
        };
        format!("{hub}{self}")
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}:{}", self.repository, self.tag)
    }
}

impl FromStr for Name {
    type Err = Error;

    fn from_str(text: &str) -> Result<Name> {
        // A colon before the last slash is that of a registry's port.
        let (repository, tag) = match text.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => (repository, tag),
            _ => (text, DEFAULT_TAG),
        };
        let repository = shorten(repository);
        check_tag(tag)?;
        check_repository(repository)?;
        let name = Name { repository: repository.to_owned(), tag: tag.to_owned() };
        // The store has it as a file's name, with three bytes for a slash: 255 bytes are the most that Linux allows.
        let length = name.to_string().replace('/', "%2F").len();
        ensure!(length <= 255, "the name is too long");
        Ok(name)
    }
}

/// Leaves out what Docker leaves out when it shows a name.
fn shorten(repository: &str) -> &str {
    match repository.split_once('/') {
        Some((DOCKER_HUB | "index.docker.io", rest)) => match rest.split_once('/') {
            Some((OFFICIAL, name)) if !name.contains('/') => name,
            _ => rest,
        },
        _ => repository,
    }
}

fn check_tag(tag: &str) -> Result<()> {
    let within = tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    ensure!(
        within && !tag.starts_with(['.', '-']) && (1..=128).contains(&tag.len()),
        "the tag {tag:?} is not made of letters, digits, '_', '.' and '-', 128 at most, the first no '.' and no '-'"
    );
    Ok(())
}

fn check_repository(repository: &str) -> Result<()> {
    ensure!(!repository.is_empty(), "the name is empty");
    // `run` takes this for an image's id.
    ensure!(
        repository.len() != 64 || !repository.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "64 hexadecimal digits are an image's id, not a name"
    );
    let path = match repository.split_once('/') {
        Some((first, path)) if is_registry(first) => {
            ensure!(is_host(first), "{first:?} is no HOST[:PORT] of a registry");
            path
        }
        _ => repository,
    };
    for part in path.split('/') {
        if is_part(part) {
            continue;
        }
        ensure!(!is_part(&part.to_ascii_lowercase()), "{part:?} must be lower case");
        bail!(
            "{part:?} is not made of lower-case letters and digits, with single '.', '_', '__' or any number of '-' between them"
        );
    }
    Ok(())
}

/// Whether the first part of a name says where the image comes from: Docker's rule.
fn is_registry(first: &str) -> bool {
    first == "localhost" || first.contains(['.', ':']) || first.bytes().any(|byte| byte.is_ascii_uppercase())
}

fn is_host(host: &str) -> bool {
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (host, "0"),
    };
    let label = |label: &str| {
        let within = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        within && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
    };
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let known = match address {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.split('.').all(label),
    };
    known && !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
}

/// Letters and digits with separators between them: `.`, `_`, `__`, or any number of `-`.
fn is_part(part: &str) -> bool {
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = part.as_bytes();
    let ends = [bytes.first(), bytes.last()].into_iter().all(|end| end.is_some_and(plain));
    let separators = bytes.split(plain).filter(|separator| !separator.is_empty());
    let allowed = |separator: &[u8]| {
        [&b"."[..], b"_", b"__"].contains(&separator) || separator.iter().all(|&byte| byte == b'-')
    };
    ends && separators.into_iter().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::Name;

    fn parsed(text: &str) -> String {
        text.parse::<Name>().map_or_else(|error| panic!("{error:#}"), |name| name.to_string())
    }

    #[test]
    fn names_have_a_tag_and_no_more_registry_than_they_need() {
        for (text, name) in [
            ("busybox", "busybox:latest"),
            ("busybox:1.36-musl", "busybox:1.36-musl"),
            ("ann/web_app:V_1", "ann/web_app:V_1"),
            ("docker.io/library/busybox", "busybox:latest"),
            ("docker.io/busybox:1", "busybox:1"),
            ("index.docker.io/ann/web", "ann/web:latest"),
            ("localhost/web", "localhost/web:latest"),
            ("localhost:5000/a/b", "localhost:5000/a/b:latest"),
            ("Reg.example:5000/a__b--c.d:2", "Reg.example:5000/a__b--c.d:2"),
            ("[::1]:5000/web", "[::1]:5000/web:latest"),
        ] {
            assert_eq!(parsed(text), name);
            assert_eq!(parsed(name), name);
        }
    }

    #[test]
    fn the_full_name_says_the_registry() {
        for (name, full) in [
            ("busybox", "docker.io/library/busybox:latest"),
            ("ann/web:2", "docker.io/ann/web:2"),
            ("localhost:5000/web", "localhost:5000/web:latest"),
        ] {
            assert_eq!(name.parse::<Name>().unwrap().full(), full);
            assert_eq!(parsed(full), parsed(name));
        }
    }

    #[test]
    fn upper_case_is_named_as_the_reason() {
        let error = "Busybox".parse::<Name>().unwrap_err();
        assert!(format!("{error:#}").contains("must be lower case"), "{error:#}");
    }

    #[test]
    fn everything_else_is_refused() {
        let long = "a".repeat(256);
        let tag = format!("a:{}", "t".repeat(129));
        let id = "0123456789abcdef".repeat(4);
        for text in [
            "",
            ":",
            ":tag",
            "a:",
            "a:.x",
            "a:-x",
            "a:x/y:",
            "a/",
            "/a",
            "a//b",
            "-a",
            "a-",
            "_a",
            "a..b",
            "a___b",
            "a._b",
            "../a",
            "a/../b",
            "./a",
            "a b",
            "a\nb",
            "é",
            "a@sha256:12",
            "host.:/a",
            "a.b:x/c",
            ":5000/a",
            "a:b:c",
            "<none>",
            &long,
            &tag,
            &id,
        ] {
            assert!(text.parse::<Name>().is_err(), "{text:?}");
        }
    }
}
