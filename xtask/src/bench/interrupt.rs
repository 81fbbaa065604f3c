//! Ctrl-C does not end us: it ends the measuring, and what was started is removed on the way out.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

static CAUGHT: AtomicBool = AtomicBool::new(false);

/// From here on SIGINT, SIGTERM and SIGHUP are only noted; [`check`] tells. What is ignored stays so, for nohup(1).
pub fn catch() -> Result<()> {
    let noting = SigAction::new(SigHandler::Handler(note), SaFlags::SA_RESTART, SigSet::empty());
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        // SAFETY: the handler stores into an atomic and does nothing else, which is allowed in any handler.
        let before = unsafe { sigaction(signal, &noting) }.with_context(|| format!("catch {signal}"))?;
        if matches!(before.handler(), SigHandler::SigIgn) {
            // SAFETY: this puts back what was there.
            unsafe { sigaction(signal, &before) }.with_context(|| format!("ignore {signal}"))?;
        }
    }
    Ok(())
}

extern "C" fn note(_signal: nix::libc::c_int) {
    CAUGHT.store(true, Ordering::Relaxed);
}

/// # Errors
/// When one of these signals has come.
pub fn check() -> Result<()> {
    ensure!(!CAUGHT.load(Ordering::Relaxed), "interrupted");
    Ok(())
}
