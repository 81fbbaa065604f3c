//! How `--mount` asks for a mount: `KEY=VALUE` pairs with commas between them.

use super::spec::{Source, Spec, destination, held};
use super::tmpfs::Tmpfs;
use anyhow::{Result, bail, ensure};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

#[derive(Default)]
struct Fields<'a> {
    kind: Option<&'a [u8]>,
    source: Option<&'a [u8]>,
    target: Option<&'a [u8]>,
    read_only: bool,
    no_copy: Option<bool>,
    /// Options of a tmpfs, by the names that mount(8) has for them.
    tmpfs: Vec<(&'static str, &'a [u8])>,
}

/// Reads the value of `--mount`.
pub fn mount(text: OsString) -> Result<Spec> {
    let mut fields = Fields::default();
    for field in text.as_bytes().split(|&byte| byte == b',') {
        fields.read(field)?;
    }
    let Some(target) = fields.target else { bail!("no target=, the place in the container") };
    let kind = fields.kind.unwrap_or(b"volume");
    ensure!(fields.no_copy.is_none() || kind == b"volume", "volume-nocopy is for type=volume");
    if let Some((option, _)) = fields.tmpfs.first() {
        ensure!(kind == b"tmpfs", "tmpfs-{option} is for type=tmpfs");
    }
    let source = match (kind, fields.source) {
        (b"bind", Some(path)) if path.starts_with(b"/") || path.starts_with(b".") => {
            Source::Host { path: std::path::absolute(OsStr::from_bytes(path))?, make: false }
        }
        (b"bind", Some(path)) => {
            bail!("the source {:?} does not start with / or ./", OsStr::from_bytes(path))
        }
        (b"bind", None) => bail!("no source=, the path on the host"),
        (b"volume", name) => Source::Volume { held: held(name)?, copy: !fields.no_copy.unwrap_or(false) },
        (b"tmpfs", None) => Source::Memory(Tmpfs::with(&fields.tmpfs)?),
        (b"tmpfs", Some(_)) => bail!("a tmpfs has no source"),
        _ => bail!("type={} is not one of bind, volume and tmpfs", kind.escape_ascii()),
    };
    Ok(Spec { source, destination: destination(target)?, read_only: fields.read_only })
}

impl<'a> Fields<'a> {
    fn read(&mut self, field: &'a [u8]) -> Result<()> {
        let (key, value) = match field.iter().position(|&byte| byte == b'=') {
            Some(at) => (&field[..at], Some(&field[at + 1..])),
            None => (field, None),
        };
        match (key, value) {
            (b"readonly" | b"ro", value) => self.read_only = truth(value)?,
            (b"volume-nocopy", value) => self.no_copy = Some(truth(value)?),
            (b"type", Some(value)) => self.kind = Some(value),
            (b"source" | b"src", Some(value)) => self.source = Some(value),
            (b"target" | b"dst" | b"destination", Some(value)) => self.target = Some(value),
            (b"tmpfs-size", Some(value)) => self.tmpfs.push(("size", value)),
            (b"tmpfs-mode", Some(value)) => self.tmpfs.push(("mode", value)),
            _ => bail!("unexpected key in {:?}", OsStr::from_bytes(field)),
        }
        Ok(())
    }
}

/// A key alone means yes.
fn truth(value: Option<&[u8]>) -> Result<bool> {
    match value {
        None | Some(b"true" | b"1") => Ok(true),
        Some(b"false" | b"0") => Ok(false),
        Some(other) => bail!("{:?} is neither true nor false", OsStr::from_bytes(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Spec> {
        mount(text.into())
    }

    #[test]
    fn keys_come_in_any_order() {
        let host = Source::Host { path: "/a:b".into(), make: false };
        for text in ["type=bind,source=/a:b,target=/data,readonly", "dst=/data/,ro=true,src=/a:b,type=bind"] {
            let wanted = Spec { source: host.clone(), destination: "/data".into(), read_only: true };
            assert_eq!(read(text).unwrap(), wanted, "{text}");
        }
        let keep = |copy| Source::Volume { held: held(Some(b"keep")).unwrap(), copy };
        for (text, source) in [
            ("src=keep,dst=/data", keep(true)),
            ("dst=/data,type=volume,source=keep,volume-nocopy", keep(false)),
            ("volume-nocopy=false,ro=0,src=keep,destination=/data", keep(true)),
            ("type=tmpfs,dst=/data", Source::Memory(Tmpfs::default())),
        ] {
            let wanted = Spec { source, destination: "/data".into(), read_only: false };
            assert_eq!(read(text).unwrap(), wanted, "{text}");
        }
        let Source::Volume { held, .. } = read("type=volume,dst=/data").unwrap().source else { panic!() };
        assert!(held.anonymous);
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        for text in [
            "",
            "/a:/data",
            "src=keep",
            "type=other,dst=/data",
            "type=bind,dst=/data",
            "type=bind,src=,dst=/data",
            "type=bind,src=a,dst=/data",
            "type=bind,src=/a,dst=data",
            "type=bind,src=/a,dst=/data,volume-nocopy",
            "type=bind,src=/a,dst=/data,tmpfs-size=1m",
            "type=volume,src=/a,dst=/data",
            "type=tmpfs,src=/a,dst=/data",
            "type=tmpfs,dst=/data,size=1m",
            "dst=/data,ro=perhaps",
            "dst=/data,bogus",
            "dst=/data,",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
