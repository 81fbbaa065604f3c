//! The checks as the tests of a step: each under its own name, for `cargo test` and nextest.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::check::{Check, Outcome};
use crate::harness::Harness;

/// The whole of `tests/conformance.rs`: finds the step's binary and number in what Cargo says about the package.
///
/// `FORK_TO_VETH_BIN` names another binary to test, for when the tests were copied to where another user can read.
#[macro_export]
macro_rules! conformance {
    () => {
        fn main() -> std::process::ExitCode {
            $crate::conformance_main(
                env!("CARGO_PKG_NAME"),
                env!(concat!("CARGO_BIN_EXE_", env!("CARGO_PKG_NAME"))),
            )
        }
    };
}

/// Runs every check that holds for the step of `package` (`step01`) against `bin`, as libtest would.
///
/// It fails, too, when nothing was filtered out and yet no check could run.
#[must_use]
pub fn conformance_main(package: &str, bin: &str) -> ExitCode {
    if let Some(code) = crate::hidden_modes() {
        return code;
    }
    let Some(step) = package.strip_prefix("step").and_then(|number| number.parse().ok()) else {
        eprintln!("{package} is not the name of a step");
        return ExitCode::FAILURE;
    };
    let arguments = Arguments::from_args();
    let bin = std::env::var_os("FORK_TO_VETH_BIN").unwrap_or_else(|| bin.into());
    match run(&arguments, Path::new(&bin), step) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments, bin: &Path, step: u8) -> anyhow::Result<ExitCode> {
    let harness = Arc::new(Harness::new(bin, step)?);
    let checks = crate::all().into_iter().filter(|check| check.applies_to(step));
    let trials = checks.map(|check| trial(&harness, check)).collect();
    let conclusion = libtest_mimic::run(arguments, trials);
    harness.finish()?;
    let ran = conclusion.num_passed + conclusion.num_failed;
    if ran == 0 && conclusion.num_filtered_out == 0 && !arguments.list {
        anyhow::bail!("not one check could run: this proves nothing about {}", bin.display());
    }
    Ok(conclusion.exit_code())
}

fn trial(harness: &Arc<Harness>, check: &'static Check) -> Trial {
    let harness = Arc::clone(harness);
    Trial::ignorable_test(check.test_name(), move || match harness.outcome(check).0 {
        Outcome::Pass => Ok(Completion::Completed),
        Outcome::Skipped { reason } => Ok(Completion::ignored_with(format!("skipped: {reason}"))),
        Outcome::Fail { message, .. } => Err(Failed::from(format!("{}\n{message}", check.title))),
        Outcome::Blocked { by } => {
            Err(Failed::from(format!("{}\nblocked: `{by}` has to pass first", check.title)))
        }
    })
}
