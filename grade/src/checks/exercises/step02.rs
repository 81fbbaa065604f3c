//! Exercises of step 02.

use crate::Check;

pub(crate) const CHECKS: &[Check] = &[];
