//! `images`: what is in the store.

use super::config::ImageConfig;
use super::digest::Digest;
use super::store::Store;
use super::time::Time;
use crate::attributes::kind;
use crate::tree::Tree;
use crate::whiteouts::Form;
use crate::{output, table};
use anyhow::{Context, Result};
use nix::sys::stat::SFlag;
use serde_json::json;
use std::collections::BTreeMap;

const NONE: &str = "<none>";

/// An image under one of its names.
struct Row {
    repository: String,
    tag: String,
    id: Digest,
    created: Option<Time>,
    size: u64,
}

/// Prints the images, the newest first: as a table, their ids alone, or a JSON document each.
pub fn images(store: &Store, quiet: bool, json: bool) -> Result<()> {
    let mut rows = rows(store)?;
    rows.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.repository.cmp(&b.repository)));
    let text = if quiet {
        rows.iter().map(|row| format!("{}\n", row.id.short())).collect()
    } else if json {
        rows.iter().map(|row| format!("{}\n", row.json())).collect()
    } else {
        let title = ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"].map(str::to_owned).to_vec();
        table::aligned(&[vec![title], rows.iter().map(Row::cells).collect()].concat())
    };
    output::print(text.as_bytes())
}

impl Row {
    fn cells(&self) -> Vec<String> {
        let created = self.created.map_or_else(|| NONE.to_owned(), |created| created.before(Time::now()));
        vec![
            self.repository.clone(),
            self.tag.clone(),
            self.id.short().to_owned(),
            created,
            shown_size(self.size),
        ]
    }

    /// With Docker's keys.
    fn json(&self) -> serde_json::Value {
        json!({
            "Repository": self.repository,
            "Tag": self.tag,
            "ID": self.id.short(),
            "CreatedAt": self.created.map_or_else(|| NONE.to_owned(), Time::shown),
            "Size": shown_size(self.size),
        })
    }
}

fn rows(store: &Store) -> Result<Vec<Row>> {
    let tags = store.tags()?;
    let mut rows = Vec::new();
    for id in store.ids()? {
        let config = ImageConfig::parse(&store.document(&id)?).with_context(|| format!("image {id}"))?;
        let created = config.created.as_deref().and_then(Time::parse);
        let size = config.rootfs.diff_ids.iter().map(|diff_id| size(store, diff_id)).sum::<Result<u64>>()?;
        let names: Vec<_> = tags.iter().filter(|(_, tagged)| *tagged == id).map(|(name, _)| name).collect();
        let mut row = |repository: &str, tag: &str| {
            let (repository, tag) = (repository.to_owned(), tag.to_owned());
            rows.push(Row { repository, tag, id: id.clone(), created, size });
        };
        for name in &names {
            row(&name.repository, &name.tag);
        }
        if names.is_empty() {
            row(NONE, NONE);
        }
    }
    Ok(rows)
}

/// The bytes in a layer's files; one with several names is one file.
fn size(store: &Store, diff_id: &Digest) -> Result<u64> {
    let Some(form) = [Form::Overlay, Form::Aufs].into_iter().find(|&form| store.has_layer(form, diff_id))
    else {
        return Ok(0);
    };
    let tree = Tree::merge(&[store.layer(form, diff_id)], form)?;
    let files = tree.iter().filter(|(_, stat)| kind(stat) == SFlag::S_IFREG);
    let sizes: BTreeMap<_, _> = files.map(|(_, stat)| (stat.st_ino, stat.st_size.cast_unsigned())).collect();
    Ok(sizes.values().sum())
}

/// A size in decimal units, with three digits, or fewer where the last are zeros, as Docker's lists have it.
pub fn shown_size(bytes: u64) -> String {
    let (mut size, mut units) = (bytes as f64, ["B", "kB", "MB", "GB", "TB", "PB"].into_iter());
    let mut unit = units.next().unwrap_or_default();
    while size >= 999.5
        && let Some(next) = units.next()
    {
        (size, unit) = (size / 1000.0, next);
    }
    let decimals = if size >= 99.95 || unit == "B" {
        0
    } else if size >= 9.995 {
        1
    } else {
        2
    };
    let digits = format!("{size:.decimals$}");
    let digits = if decimals > 0 { digits.trim_end_matches('0').trim_end_matches('.') } else { &digits };
    format!("{digits}{unit}")
}

#[cfg(test)]
mod tests {
    use super::shown_size;

    #[test]
    fn sizes_have_three_digits() {
        for (bytes, text) in [
            (0, "0B"),
            (100, "100B"),
            (1000, "1kB"),
            (4_261_550, "4.26MB"),
            (104_857_600, "105MB"),
            (999_600, "1MB"),
            (15 << 30, "16.1GB"),
        ] {
            assert_eq!(shown_size(bytes), text);
        }
    }
}
