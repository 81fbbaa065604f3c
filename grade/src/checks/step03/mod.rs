//! Step 03: cgroups.

pub(crate) mod controllers;
pub(crate) mod cpu;
pub(super) mod group;
pub(crate) mod life;
pub(crate) mod limits;
pub(crate) mod membership;
pub(crate) mod memory;
pub(crate) mod pids;
pub(crate) mod stats;
