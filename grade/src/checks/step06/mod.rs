//! Step 06: data that outlives the container.

pub(super) mod bed;

pub(crate) mod bind;
pub(crate) mod copy_up;
pub(crate) mod copying;
pub(crate) mod destination;
pub(crate) mod escape;
pub(crate) mod life;
pub(crate) mod named;
pub(crate) mod of_image;
pub(crate) mod readonly;
pub(crate) mod removal;
pub(crate) mod source;
pub(crate) mod spec;
pub(crate) mod submounts;
pub(crate) mod tmpfs;
