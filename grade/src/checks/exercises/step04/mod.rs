//! Exercises of step 04.

mod capabilities;
mod cgroup;
mod streams;

use crate::Check;

pub(crate) const CHECKS: &[Check] = &[
    streams::REFUSED,
    streams::ALONE,
    cgroup::SEEN,
    cgroup::READ_ONLY,
    cgroup::NAMESPACE,
    capabilities::FOURTEEN,
    capabilities::COVER,
    capabilities::INIT,
];
