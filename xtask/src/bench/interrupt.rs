//! Ctrl-C does not end us: it ends the measuring, and what was started is removed on the way out.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

static CAUGHT: AtomicBool = AtomicBool::new(false);

/// From here on SIGINT, SIGTERM and SIGHUP are only noted; [`check`] and [`take`] tell. What is ignored stays so, for
/// nohup(1). With `restart`, system calls go on as if nothing had come.
pub fn catch(restart: bool) -> Result<()> {
    let flags = if restart { SaFlags::SA_RESTART } else { SaFlags::empty() };
    let noting = SigAction::new(SigHandler::Handler(note), flags, SigSet::empty());
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

/// Whether one has come since this was asked last.
pub fn take() -> bool {
    CAUGHT.swap(false, Ordering::Relaxed)
}
