//! Exercises of step 01.

use crate::Check;

pub(crate) const CHECKS: &[Check] = &[];
