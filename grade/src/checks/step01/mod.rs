//! Step 01: a process is the raw material.

pub(crate) mod arguments;
pub(crate) mod environment;
pub(crate) mod exit;
pub(crate) mod explain;
pub(crate) mod hygiene;
pub(crate) mod signals;
pub(crate) mod streams;
pub(crate) mod timing;
pub(crate) mod tour;
