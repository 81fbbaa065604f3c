//! The checks, by the step that first keeps them.

use crate::check::Check;

mod common;
mod step01;
mod step02;
mod step03;
mod step04;

/// Each group after those on which its checks build.
pub(crate) static ALL: &[&[Check]] = &[
    step01::exit::CHECKS,
    step01::arguments::CHECKS,
    step01::streams::CHECKS,
    step01::signals::CHECKS,
    step01::hygiene::CHECKS,
    step01::environment::CHECKS,
    step01::explain::CHECKS,
    step01::tour::CHECKS,
    step02::kinds::CHECKS,
    step02::first::CHECKS,
    step02::init::CHECKS,
    step02::host::CHECKS,
    step02::id_map::CHECKS,
    step02::net_time::CHECKS,
    step03::membership::CHECKS,
    step03::memory::CHECKS,
    step03::cpu::CHECKS,
    step03::pids::CHECKS,
    step03::limits::CHECKS,
    step03::controllers::CHECKS,
    step03::life::CHECKS,
    step03::stats::CHECKS,
    step04::root::CHECKS,
    step04::mounts::CHECKS,
    step04::dev::CHECKS,
    step04::masks::CHECKS,
    step04::options::CHECKS,
    step04::users::CHECKS,
    step04::images::CHECKS,
    step04::hostile::CHECKS,
    step04::base::CHECKS,
    step04::host::CHECKS,
];
