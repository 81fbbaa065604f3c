//! Step 02: the process sees a world of its own.

pub(crate) mod first;
pub(crate) mod host;
pub(crate) mod id_map;
pub(crate) mod init;
pub(crate) mod kinds;
pub(crate) mod net_time;
