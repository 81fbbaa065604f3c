//! Exercises of step 07.

use crate::Check;

pub(crate) const CHECKS: &[Check] = &[];
