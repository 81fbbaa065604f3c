//! Exercises of step 03.

mod kill;
mod reservation;
mod stall;

use crate::Check;

pub(crate) const CHECKS: &[Check] = &[
    reservation::IN_FILE,
    reservation::WITHIN_LIMIT,
    kill::TOLD,
    kill::STRANGER,
    stall::NOT_COUNTED,
    stall::AGREES,
];
