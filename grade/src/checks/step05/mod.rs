//! Step 05: images in layers, and a writable layer on top.

pub(crate) mod attributes;
pub(crate) mod changes;
pub(crate) mod commands;
pub(crate) mod config;
pub(crate) mod container;
pub(crate) mod damaged;
pub(crate) mod docker;
pub(crate) mod drivers;
pub(crate) mod environment;
mod everything;
pub(crate) mod hostile;
pub(crate) mod interrupted;
pub(crate) mod layers;
pub(crate) mod lies;
pub(crate) mod load;
pub(crate) mod many;
pub(crate) mod odd;
pub(crate) mod outer;
pub(crate) mod own;
pub(crate) mod progress;
pub(crate) mod save;
pub(crate) mod stack;
pub(crate) mod store;
pub(crate) mod tools;
