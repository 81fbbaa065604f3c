//! Step 04: a root of its own.

pub(crate) mod base;
pub(crate) mod dev;
pub(crate) mod host;
pub(crate) mod hostile;
pub(crate) mod images;
pub(crate) mod masks;
pub(crate) mod mounts;
pub(crate) mod options;
pub(crate) mod root;
pub(crate) mod users;
