//! Probes about signals.

use std::ffi::OsString;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

static HEARD: AtomicUsize = AtomicUsize::new(0);

/// Reads address 0, for which the kernel sends SIGSEGV. Prints nothing.
pub(super) fn fault(_arguments: &[OsString]) -> Result<()> {
    let none = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: the default disposition runs no code. It takes the place of the handler that Rust sets.
    unsafe { sigaction(Signal::SIGSEGV, &none) }?;
    let nowhere = std::hint::black_box(std::ptr::without_provenance::<u8>(8));
    // SAFETY: there is none: the fault is what the check is about, and the kernel ends the process here.
    let byte = unsafe { nowhere.read_volatile() };
    anyhow::bail!("address 8 holds {byte}");
}

/// Handles TERM, INT, HUP, USR1, USR2, QUIT and WINCH: prints `ready`, then the number of each as it comes,
/// and ends after as many as the argument says.
pub(super) fn catch(arguments: &[OsString]) -> Result<()> {
    use Signal::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
    let count: usize =
        arguments.first().and_then(|word| word.to_str()).context("how many signals?")?.parse()?;
    let handler = SigAction::new(SigHandler::Handler(note), SaFlags::SA_RESTART, SigSet::all());
    for signal in [SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGQUIT, SIGWINCH] {
        // SAFETY: the handler only counts and writes, both of which signal-safety(7) allows.
        unsafe { sigaction(signal, &handler) }?;
    }
    println!("ready");
    let wait = SigSet::empty();
    // Between the look at the count and the wait no signal may slip through: they are blocked but in the wait.
    SigSet::all().thread_block()?;
    while HEARD.load(Ordering::SeqCst) < count {
        // SAFETY: sigsuspend reads the set, which lives through the call; it always ends with EINTR.
        unsafe { libc::sigsuspend(wait.as_ref()) };
    }
    Ok(())
}

extern "C" fn note(signal: i32) {
    let number = u8::try_from(signal).unwrap_or(0);
    let text = [b'0' + number / 10, b'0' + number % 10, b'\n'];
    let text = if number < 10 { &text[1..] } else { &text[..] };
    // SAFETY: the buffer lives through the call, and its length is its own.
    unsafe { libc::write(1, text.as_ptr().cast(), text.len()) };
    HEARD.fetch_add(1, Ordering::SeqCst);
}
