//! `rmi`: names, images and layers that nobody needs any more.

use super::config::ImageConfig;
use super::name::Name;
use super::store::Store;
use crate::container;
use crate::output;
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;

/// Takes names away, and removes the images that have none left, with the layers that no other image needs.
pub fn remove(store: &Store, images: &[String]) -> Result<()> {
    let _alone = store.lock_alone()?;
    for wanted in images {
        remove_one(store, wanted).with_context(|| format!("remove image {wanted}"))?;
    }
    Ok(())
}

fn remove_one(store: &Store, wanted: &str) -> Result<()> {
    let id = store.find(wanted)?.context("there is none; 'images' lists those of the store")?;
    let names: Vec<Name> =
        store.tags()?.into_iter().filter(|(_, tagged)| *tagged == id).map(|(name, _)| name).collect();
    match wanted.parse::<Name>().ok().filter(|name| names.contains(name)) {
        Some(name) if names.len() > 1 => return untag(store, &name),
        Some(_) => {}
        None => {
            let repositories: BTreeSet<_> = names.iter().map(|name| name.repository.as_str()).collect();
            if repositories.len() > 1 {
                let names: Vec<_> = names.iter().map(Name::to_string).collect();
                bail!("it has several names, {}; remove it by those", names.join(", "));
            }
        }
    }
    let containers = container::all(store)?;
    if let Some(user) = containers.iter().find(|container| container.record.image.as_ref() == Some(&id)) {
        bail!("container {} uses it; 'rm' removes containers", user.title());
    }
    for name in &names {
        untag(store, name)?;
    }
    store.remove_image(&id)?;
    output::print_line(&format!("Deleted: {id}"))?;
    let mut needed = BTreeSet::new();
    for id in store.ids()? {
        needed.extend(ImageConfig::parse(&store.document(&id)?)?.rootfs.diff_ids);
    }
    store.remove_layers_but(&needed)
}

fn untag(store: &Store, name: &Name) -> Result<()> {
    store.untag(name)?;
    output::print_line(&format!("Untagged: {name}"))
}
