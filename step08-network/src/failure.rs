//! Exit codes of the runtime's own failures, the same as Docker's.

use anyhow::Error;
use std::fmt;

/// The runtime could not do its work; every error is this one unless it says otherwise.
pub const RUNTIME: u8 = 125;
/// The command was found and cannot be executed.
pub const NOT_EXECUTABLE: u8 = 126;
/// The command was not found.
pub const NOT_FOUND: u8 = 127;

/// An error that brings an exit code of its own.
#[derive(Debug)]
pub struct Failure {
    pub code: u8,
    pub message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// The exit code that an error asks for.
pub fn exit_code(error: &Error) -> u8 {
    error.downcast_ref::<Failure>().map_or(RUNTIME, |failure| failure.code)
}
