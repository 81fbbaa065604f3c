//! Every promise of this step and of those before it, as the kernel sees them.

grade::conformance!();
