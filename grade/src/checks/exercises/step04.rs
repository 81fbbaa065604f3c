//! Exercises of step 04.

use crate::Check;

pub(crate) const CHECKS: &[Check] = &[];
