//! What is cut out of each step: `grade/cuts/stepNN.toml`.

use anyhow::{Context, Result};
use serde::Deserialize;

/// One function whose body the student writes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cut {
    /// Its file in the step's folder: `src/process.rs`.
    pub file: String,
    /// `spawn`, or `Child::spawn` for a function of a type.
    pub function: String,
    /// What the program says when it comes to the place: a few words, as in "not yet implemented: …".
    pub todo: String,
    /// What there is to do, for the comment in that place.
    pub text: String,
    /// The heading of the step's chapter that explains it.
    pub section: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    cut: Vec<Cut>,
}

const PLANS: [&str; 8] = [
    include_str!("../../cuts/step01.toml"),
    include_str!("../../cuts/step02.toml"),
    include_str!("../../cuts/step03.toml"),
    include_str!("../../cuts/step04.toml"),
    include_str!("../../cuts/step05.toml"),
    include_str!("../../cuts/step06.toml"),
    include_str!("../../cuts/step07.toml"),
    include_str!("../../cuts/step08.toml"),
];

pub(super) fn read(step: u8) -> Result<Vec<Cut>> {
    let text = PLANS.get(usize::from(step).wrapping_sub(1)).context("the steps are step01 to step08")?;
    let plan: Plan = toml::from_str(text).with_context(|| format!("read cuts/step{step:02}.toml"))?;
    Ok(plan.cut)
}
