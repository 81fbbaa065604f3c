//! Step 07: containers with a life of their own.

mod seat;
mod up;

pub(crate) mod again;
pub(crate) mod bed;
pub(crate) mod chaos;
pub(crate) mod crash;
pub(crate) mod detached;
pub(crate) mod ending;
pub(crate) mod exec;
pub(crate) mod exec_fence;
pub(crate) mod exec_life;
pub(crate) mod exec_options;
pub(crate) mod ids;
pub(crate) mod keys;
pub(crate) mod listing;
pub(crate) mod logs;
pub(crate) mod names;
pub(crate) mod relay;
pub(crate) mod removal;
pub(crate) mod restored;
pub(crate) mod state;
pub(crate) mod streams;
pub(crate) mod terminal;
pub(crate) mod underway;
pub(crate) mod usage;
