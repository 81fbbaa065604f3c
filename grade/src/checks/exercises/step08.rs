//! Exercises of step 08.

use crate::Check;

pub(crate) const CHECKS: &[Check] = &[];
