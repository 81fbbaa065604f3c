//! Step 08: containers with a network.

mod files;
pub(crate) mod host;

pub(crate) mod addresses;
pub(crate) mod changing;
pub(crate) mod commands;
pub(crate) mod crowd;
pub(crate) mod damaged;
pub(crate) mod killed;
pub(crate) mod mended;
pub(crate) mod names;
pub(crate) mod parting;
pub(crate) mod published;
pub(crate) mod reach;
pub(crate) mod taken;
pub(crate) mod traces;
pub(crate) mod user;
