//! The checks, by the step that first keeps them.

use crate::check::Check;

mod common;
mod step01;
mod step02;
mod step03;
mod step04;
mod step05;

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
    step05::store::CHECKS,
    step05::layers::CHECKS,
    step05::attributes::CHECKS,
    step05::load::CHECKS,
    step05::stack::CHECKS,
    step05::save::CHECKS,
    step05::tools::CHECKS,
    step05::docker::CHECKS,
    step05::many::CHECKS,
    step05::hostile::CHECKS,
    step05::odd::CHECKS,
    step05::damaged::CHECKS,
    step05::outer::CHECKS,
    step05::lies::CHECKS,
    step05::interrupted::CHECKS,
    step05::progress::CHECKS,
    step05::drivers::CHECKS,
    step05::container::CHECKS,
    step05::config::CHECKS,
    step05::environment::CHECKS,
    step05::commands::CHECKS,
    step05::changes::CHECKS,
];
