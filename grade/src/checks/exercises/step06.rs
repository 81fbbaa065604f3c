//! Exercises of step 06.

use crate::Check;

pub(crate) const CHECKS: &[Check] = &[];
